"""`matting bench`: how fast this machine serves cutouts, as ratios measured within one run."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
import sys
import time
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from matting_client import MattingClient
from matting_client.cli.parser import Parser
from matting_client.errors import MattingError, OptionError
from matting_client.repository import model_file, model_repository

from matting_bench import end_to_end, engines, machine, report, throughput
from matting_bench.peer import is_isnet, open_peer
from matting_bench.perf_analyzer import agreement, fetch
from matting_bench.pictures import jpegs
from matting_bench.server_process import Server

EXAMPLES = """examples:
  matting bench                                        six to eleven minutes; bench/bench.json, bench.md, *.png
  matting bench --quick                                about a minute, to see that all of it works
  matting bench --long --perf-analyzer                 memory over 5,000 photos, and NVIDIA's load generator
  matting bench --peer isnet.onnx --photos photos/     a peer's model on the same photos

Nothing else should run meanwhile. exit code: 0 measured, whatever came out; 2 wrong usage or no server.
"""


@dataclass(frozen=True)
class Effort:
    """How long each part may take."""

    rounds: int  # of things measured in turns
    duration: float  # seconds of one load
    callers: tuple[int, ...]
    folder: int  # photos
    memory: tuple[int, int]  # photos from, to


QUICK = Effort(1, 0.4, (1, 8), 8, (5, 15))
USUAL = Effort(5, 2.5, (1, 2, 4, 8, 16, 32, 64), 200, (100, 1000))
LONG = Effort(5, 2.5, (1, 2, 4, 8, 16, 32, 64), 200, (500, 5000))


def parser() -> argparse.ArgumentParser:
    """Arguments of `matting bench`."""
    result = Parser(
        prog="matting bench",
        description="Measure this machine and its own server; write bench.json, a table and plots.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    length = result.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="about a minute; the numbers mean little")
    length.add_argument("--long", action="store_true", help="memory over 5,000 photos instead of 1,000")
    add("-o", "--output", type=Path, default=Path("bench"), metavar="DIR", help="default: %(default)s/")
    add("--model", default="matting_512", help="default: %(default)s")
    add("--model-repository", type=Path, metavar="DIR", help="default: model_repository/")
    add("--photos", type=Path, metavar="DIR", help="photos to work on (default: scikit-image's portrait)")
    add("--instances", type=int, default=2, metavar="N", help="most instances to try (default: %(default)s)")
    add("--peer", type=Path, metavar="ONNX", help="a peer's model, run as rembg runs it")
    add("--perf-analyzer", action="store_true", help="compare with NVIDIA's perf_analyzer; pip fetches it once")
    return result


def main(argv: list[str]) -> int:
    """Run `matting bench`; returns its exit code.

    Raises
    ------
    OptionError, EngineError
    """
    given = parser().parse_args(argv)
    if importlib.util.find_spec("matplotlib") is None:
        raise OptionError("bench", "no matplotlib", "it for the plots", "pip install -e '.[bench]'")
    if given.peer is not None and not given.peer.is_file():
        raise OptionError(f"--peer {given.peer}", "no such file", "an ONNX model")
    if given.instances < 1:
        raise OptionError("--instances", given.instances, "1 or more")
    repository = model_repository(given.model_repository)
    if not (model_file(given.model, repository)).is_file():
        raise OptionError("--model", given.model, repository / given.model / "1" / "model.onnx")
    effort = USUAL
    if given.quick:
        effort = QUICK
    elif given.long:
        effort = LONG
    files = jpegs(given.photos, 8)
    program = fetch(Path("cache/perf_analyzer").absolute()) if given.perf_analyzer else None
    given.output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    found = {"command": shlex.join(["matting", "bench", *argv]), "model": given.model}
    found |= measure(given, repository, effort, files, program)
    found["minutes"] = (time.monotonic() - start) / 60
    (given.output / "bench.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = report.markdown(found)
    (given.output / "bench.md").write_text(text, encoding="utf-8")
    report.draw_plots(found, given.output)
    print(text)
    print(f"{given.output}/bench.json, bench.md, load.png, split.png, memory.png")
    return 0


def measure(
    given: argparse.Namespace, repository: Path, effort: Effort, files: list[bytes], program: Path | None
) -> dict[str, Any]:
    """Everything, one part after the other, with `ratios` on top. `program` is perf_analyzer, where it is wanted."""
    path = model_file(given.model, repository)
    found: dict[str, Any] = {"ratios": {}, "machine": machine.describe()}
    _say("engines")
    found["engines"] = engines.compare_engines(path, 3 * effort.rounds)
    found["gemm"] = engines.against_gemm(path, effort.rounds, effort.duration)
    with Server(repository, given.model) as server:
        found["served_engine"] = server.engine
        found["cold_start"] = {"ready": server.cold_start, "first_photo": throughput.first_photo(server)}
        _say("whole photos")
        found["split"] = end_to_end.time_steps(server, files, 5 * effort.rounds)
        found["client"] = end_to_end.client_over_model(server, files, effort.rounds)
        found["whole_photos"] = end_to_end.rate(server, files, effort.duration)
        found["peer"] = _peer(given.peer, files, effort, found["whole_photos"])
        _say("transports")
        found["transports"] = throughput.transports(server, repository, effort.rounds, effort.duration)
        _say("load")
        found["sweep"] = throughput.sweep(server, list(effort.callers), effort.duration)
        found["perf_analyzer"] = None
        if program is not None:
            found["perf_analyzer"] = _agreement(program, server, effort)
        _say("folder")
        found["folder"] = end_to_end.folder_over_serial(server, files, effort.folder, 2 if effort.rounds > 2 else 1)
    _say("instances")
    found["instances"] = throughput.instances(repository, given.model, given.instances, effort.duration)
    _say("memory")
    with Server(repository, given.model) as server, MattingClient(throughput.open_transport(server, "shm")) as client:
        cut = end_to_end.cutter(client)
        photos = cycle(files)
        found["memory"] = throughput.memory(server, lambda: cut(next(photos)), *effort.memory)
    found["ratios"] = _ratios(found)
    return found


def _agreement(program: Path, server: Server, effort: Effort) -> dict[str, Any] | None:
    try:
        return agreement(program, server, effort.duration, min(3, effort.rounds))
    except MattingError as error:  # it gives up on a machine that is not idle; the rest is worth having
        _say(f"{error}; going on without it")
        return None


def _peer(path: Path | None, files: list[bytes], effort: Effort, ours: float) -> dict[str, Any] | None:
    if path is None:
        return None
    _say(f"peer {path.name}")
    remove = open_peer(path)
    remove(files[0])
    samples = [engines.seconds(lambda file=file: remove(file)) for file in files[: 2 * effort.rounds]]  # type: ignore[misc]
    rate = len(samples) / sum(samples)
    return {"name": path.name, "isnet": is_isnet(path), "rate": rate, "ratio": ours / rate, "samples": samples}


def _ratios(found: dict[str, Any]) -> dict[str, float | None]:
    """The bars' values; None where a part was not measured on this machine."""
    seconds = found["engines"]["seconds"]
    peer = found["peer"]
    over_raw = found["transports"]["over_raw"]
    busy = next(row for row in found["sweep"] if row["concurrency"] == throughput.BUSY)
    int8 = seconds.get("OpenVINO int8")
    return {
        **{f"served_over_raw_{name}": over_raw[name] for name in throughput.TRANSPORTS},
        "model_over_gemm": min(found["gemm"][name]["share"] for name in ("f32", "bf16") if name in found["gemm"]),
        "int8_over_fp32": seconds["OpenVINO f32"] / int8 if int8 else None,
        "client_over_model": found["client"]["ratio"],
        "folder_over_serial": found["folder"]["ratio"],
        "p99_over_p50": busy["p99"] / busy["p50"],
        "memory_growth": max(found["memory"]["growth"].values()),
        "over_isnet": peer["ratio"] if peer and peer["isnet"] else None,
    }


def _say(part: str) -> None:
    print(f"bench: {part} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
