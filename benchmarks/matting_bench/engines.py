"""The model alone, in this process: each engine and precision, against what the machine could do at most."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matting_client.errors import ModelError
from matting_client.runtime.cpu import CpuModel
from matting_client.runtime.cuda import CudaModel
from matting_client.runtime.gpus import has_cuda
from matting_client.runtime.loader import Model
from matting_client.runtime.precision import Precision, gated_int8
from matting_client.system import usable_cores
from matting_client.types import Batch

from matting_bench.machine import gemm_peak, layers, model_flop


def input_squares(size: int, count: int = 8) -> Batch:
    """Inputs of the model; their content does not matter to the time."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def seconds(call: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def onnxruntime(path: Path) -> Callable[[Batch], object]:
    """ONNX Runtime in fp32 with all cores, for comparison."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda photo: session.run(None, {"image": photo})


def compare_engines(path: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of one photo in every engine, taken in turns so that a busy moment falls on all of them.

    The precisions run with one thread each as well: that, times the threads, is what a stream costs.
    """
    runs: dict[str, Callable[[Batch], object]] = {"ONNX Runtime f32": onnxruntime(path)}
    precisions: list[Precision] = ["f32", "bf16", *(["int8"] if gated_int8(path) else [])]  # type: ignore[list-item]
    models = {precision: CpuModel(path, precision=precision) for precision in precisions}
    runs |= {f"OpenVINO {precision}": model.run for precision, model in models.items()}
    if has_cuda():
        with contextlib.suppress(ModelError):  # a device that ONNX Runtime cannot use
            runs["ONNX Runtime CUDA f32"] = CudaModel(path).run
    photo = input_squares(models["f32"].size, 1)
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(photo)
    for _ in range(rounds):
        for name, run in runs.items():
            samples[name].append(seconds(lambda run=run: run(photo)))  # type: ignore[misc]
    middle = {name: statistics.median(values) for name, values in samples.items()}
    return {"seconds": middle, "samples": samples}


def against_gemm(path: Path, rounds: int, peak_seconds: float) -> dict[str, Any]:
    """Share of the machine's measured peak that the model reaches, for fp32 and bf16, and where the rest goes."""
    flop = model_flop(path)
    threads = usable_cores()
    found: dict[str, Any] = {"gflop": flop / 1e9}
    precisions: tuple[Precision, ...] = ("f32", "bf16")
    for precision in precisions:
        try:
            model = CpuModel(path, precision=precision)
        except ModelError:
            continue
        photo = input_squares(model.size, 1)
        samples = []
        peaks = []
        model.run(photo)
        for _ in range(3):
            peaks.append(gemm_peak(precision, threads, peak_seconds / 3))
            samples += [seconds(lambda model=model, photo=photo: model.run(photo)) for _ in range(rounds)]  # type: ignore[misc]
        took = statistics.median(samples)
        peak = max(peaks)
        found[precision] = {
            "seconds": took,
            "peak_gflops": peak / 1e9,
            "share": flop / peak / took,
            "samples": samples,
            "layers_ms": dict(list(layers(path, precision, threads).items())[:10]),
        }
    return found


def raw_rate(model: Model, photos: Batch, duration: float) -> float:
    """Batch a second of the engine in this process, in the batches that a busy server would give it."""
    done = 0
    start = time.perf_counter()
    while time.perf_counter() - start < duration:
        model.run(photos)
        done += len(photos)
    return done / (time.perf_counter() - start)
