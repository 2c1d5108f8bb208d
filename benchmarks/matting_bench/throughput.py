"""The server under load: transports against the raw engine, concurrency, instances, memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from matting_client.engines import GrpcEngine, HttpEngine
from matting_client.repository import model_file
from matting_client.runtime.loader import open_model
from matting_client.types import Batch

from matting_bench.engines import input_squares, raw_rate
from matting_bench.load import Load, call_from_threads
from matting_bench.server_process import Server

BUSY = 8  # callers at once
TRANSPORTS = ("shm", "grpc", "http")


def open_transport(server: Server, name: str) -> GrpcEngine | HttpEngine:
    """The client's engine on one way into the server."""
    if name == "http":
        return HttpEngine(server.http, server.model, shared_memory=False)
    return GrpcEngine(server.grpc, server.model, shared_memory=name == "shm")


def _caller(engine: Any, photos: Batch) -> Callable[[int], object]:
    return lambda number: engine.infer(photos[number % len(photos)][None])


def transports(server: Server, repository: Path, rounds: int, duration: float) -> dict[str, Any]:
    """Photos a second over each transport with `BUSY` callers, and of the raw engine, taken in turns.

    Each served figure is divided by the mean of the raw ones right before and after it, which takes out the machine's
    slow drift; the result is the median of these.
    """
    raw = open_model(model_file(server.model, repository))
    photos = input_squares(raw.size)
    raw.run(photos)
    rates: dict[str, list[float]] = {name: [] for name in ("raw", *TRANSPORTS)}
    ratios: dict[str, list[float]] = {name: [] for name in TRANSPORTS}
    engines = {name: open_transport(server, name) for name in TRANSPORTS}
    try:
        before = raw_rate(raw, photos, duration)
        for _ in range(rounds):
            for name, engine in engines.items():
                served = call_from_threads(_caller(engine, photos), BUSY, duration).rate
                after = raw_rate(raw, photos, duration)
                rates[name].append(served)
                rates["raw"].append(after)
                ratios[name].append(2 * served / (before + after))
                before = after
    finally:
        for engine in engines.values():
            engine.close()
    middle = {name: statistics.median(values) for name, values in ratios.items()}
    return {"engine": raw.description, "over_raw": middle, "ratios": ratios, "rates": rates}


def sweep(server: Server, concurrencies: list[int], duration: float) -> list[dict[str, Any]]:
    """Rate, latencies and mean batch against the number of callers, over shared memory."""
    rows = []
    with open_transport(server, "shm") as engine:
        photos = input_squares(engine.size)
        for concurrency in concurrencies:
            before = server.counts()
            load = call_from_threads(_caller(engine, photos), concurrency, max(duration, concurrency / 10))
            after = server.counts()
            photos_done, runs = (after[k] - before[k] for k in ("nv_inference_count", "nv_inference_exec_count"))
            rows.append({**row(load), "mean_batch": photos_done / max(runs, 1)})
    return rows


def row(load: Load) -> dict[str, Any]:
    """A load as numbers for the table; seconds."""
    shares = {f"p{share}": load.percentile(share) for share in (50, 95, 99)}
    return {"concurrency": load.concurrency, "rate": load.rate, **shares, "latencies": list(load.latencies)}


def instances(repository: Path, model: str, most: int, duration: float) -> list[dict[str, Any]]:
    """Rate with 1..`most` instances of the model, each in a server of its own."""
    rows = []
    for count in range(1, most + 1):
        with Server(repository, model, count) as server, open_transport(server, "shm") as engine:
            load = call_from_threads(_caller(engine, input_squares(engine.size)), BUSY, duration)
            rows.append({"instances": count, "rate": load.rate, "memory_mb": server.memory() / 1e6})
    return rows


def memory(server: Server, work: Callable[[], object], first: int, last: int) -> dict[str, Any]:
    """Memory of the server and of this process from photo `first` to photo `last`; `work` does one photo.

    What counts is what the processes hold for themselves (USS). Growth compares the medians of the first and the last
    tenth of the samples.
    """
    me = psutil.Process()
    samples: list[dict[str, float]] = []
    every = max(1, (last - first) // 100)
    for photo in range(1, last + 1):
        work()
        if photo >= first and (photo - first) % every == 0:
            samples.append({"photo": photo, "server": server.memory(), "client": me.memory_full_info().uss})
    tenth = max(1, len(samples) // 10)
    growth = {}
    for who in ("server", "client"):
        start = statistics.median(sample[who] for sample in samples[:tenth])
        end = statistics.median(sample[who] for sample in samples[-tenth:])
        growth[who] = end / start - 1
    return {"from": first, "to": last, "growth": growth, "samples": samples}


def first_photo(server: Server) -> float:
    """Seconds of the first photo that a fresh server gets."""
    with open_transport(server, "shm") as engine:
        start = time.perf_counter()
        engine.infer(np.zeros((1, engine.size, engine.size, 3), np.uint8))
        return time.perf_counter() - start
