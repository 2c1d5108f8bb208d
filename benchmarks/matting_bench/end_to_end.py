"""Whole photos: a 2-megapixel JPEG in, a PNG with foreground colours out."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matting_client import MattingClient, Options, processing
from matting_client.imaging.decode import decode
from matting_client.imaging.encode import encode
from matting_client.system import tune_for_many_photos

from matting_bench.load import call_from_threads
from matting_bench.server_process import Server
from matting_bench.throughput import BUSY, open_transport

STEPS = ("decode", "letterbox", "infer", "refine", "foreground", "compose", "encode")


def time_steps(server: Server, jpegs: list[bytes], rounds: int) -> dict[str, Any]:
    """Milliseconds of each step of one photo after the other, wall clock."""
    spent: dict[str, list[float]] = {step: [] for step in (*STEPS, "queue")}
    with open_transport(server, "shm") as engine:
        for index in range(rounds + 2):
            stamps = [time.perf_counter()]

            def step(result: Any, stamps: list[float] = stamps) -> Any:
                stamps.append(time.perf_counter())
                return result

            before = server.counts()
            rgb = step(decode(jpegs[index % len(jpegs)]))
            square, box = step(processing.letterbox(rgb, engine.size))
            pha = step(engine.infer(square[None]))[0, ..., 0]
            raw = step(processing.refine(rgb, square, processing.solidify(pha, box), box))
            fgr = step(processing.estimate_foreground(rgb, raw))
            rgba = step(processing.cutout_rgba(fgr, raw))
            step(encode(rgba, "png"))
            after = server.counts()
            if index >= 2:
                for name, start, end in zip(STEPS, stamps[:-1], stamps[1:], strict=True):
                    spent[name].append(1e3 * (end - start))
                queued = after["nv_inference_queue_duration_us"] - before["nv_inference_queue_duration_us"]
                spent["queue"].append(queued / 1e3)
    return {"ms": {name: statistics.median(values) for name, values in spent.items()}, "samples": spent}


def client_over_model(server: Server, jpegs: list[bytes], rounds: int) -> dict[str, Any]:
    """Seconds of CPU that this process spends on a photo, and that the model's process does, through the usual client.

    With the settings that `matting cutout` makes for a folder.
    """
    samples = []
    tune_for_many_photos()
    with MattingClient(open_transport(server, "shm")) as client:
        photo = cutter(client)
        for jpeg in jpegs[:2]:
            photo(jpeg)
        for _ in range(rounds):
            mine = time.process_time()
            model = server.model_cpu()
            for jpeg in jpegs:
                photo(jpeg)
            mine = time.process_time() - mine
            model = server.model_cpu() - model
            samples.append({"client": mine / len(jpegs), "model": model / len(jpegs)})
    ratio = statistics.median(sample["client"] / sample["model"] for sample in samples)
    return {"ratio": ratio, "samples": samples}


def cutter(client: MattingClient) -> Callable[[bytes], bytes]:
    """What a user gets of a photo by default."""
    return lambda jpeg: client.cutout(jpeg, Options()).to_bytes()


def rate(server: Server, jpegs: list[bytes], duration: float) -> float:
    """Whole photos a second with `BUSY` callers."""
    tune_for_many_photos()
    with MattingClient(open_transport(server, "shm")) as client:
        photo = cutter(client)
        return call_from_threads(lambda number: photo(jpegs[number % len(jpegs)]), BUSY, duration).rate


def folder_over_serial(server: Server, jpegs: list[bytes], photos: int, rounds: int) -> dict[str, Any]:
    """`matting cutout` on a folder of so many photos, against the same with `--jobs 1`; both are the whole command."""
    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="matting-bench-") as temporary:
        folder = Path(temporary) / "photos"
        folder.mkdir()
        for index in range(photos):
            (folder / f"{index:04}.jpg").write_bytes(jpegs[index % len(jpegs)])
        for turn in range(rounds):
            took = {}
            for name, jobs in (("folder", []), ("serial", ["--jobs", "1"])):
                out = Path(temporary) / f"{name}{turn}"
                command = ["cutout", str(folder), "-o", str(out), "--url", server.grpc, "--model", server.model, *jobs]
                start = time.perf_counter()
                subprocess.run([sys.executable, "-m", "matting_client.cli.main", *command], check=True)
                took[name] = time.perf_counter() - start
                if len(list(out.iterdir())) != photos:
                    raise RuntimeError(f"{out}: got {len(list(out.iterdir()))} results, expected {photos}")
            samples.append(took)
    ratio = statistics.median(sample["serial"] / sample["folder"] for sample in samples)
    return {"ratio": ratio, "photos": photos, "samples": samples}
