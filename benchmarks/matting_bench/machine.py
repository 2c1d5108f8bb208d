"""What the numbers were measured on: the machine, the versions, and its peak at multiplying matrices."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from matting_client.runtime.cpu import openvino_core
from matting_client.runtime.space_to_depth import pack_last_layers
from matting_client.system import usable_cores

PACKAGES = (
    "nvidia-pytriton",
    "openvino",
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "isal",
    "simplejpeg",
)
SIDES = (1024, 2048)  # of the square matrices: the better one counts
HEAVY = ("Convolution", "GroupConvolution", "MatMul")
LAYER_RUNS = 10


def describe() -> dict[str, Any]:
    """Machine and versions."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    fields = dict(line.split("\t", 1) for line in cpuinfo if "\t" in line)
    flags = set(fields.get("flags", "").split())
    return {
        "cpu": fields.get("model name", platform.machine()).lstrip("\t: "),
        "flags": sorted(flags & {"avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"}),
        "cores": usable_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def gemm_peak(precision: str, threads: int, seconds: float) -> float:
    """Operations a second of the best square matrix product in OpenVINO ("f32" or "bf16"), two for a multiply-add."""
    import openvino as ov
    from openvino import opset13 as ops

    best = 0.0
    for side in SIDES:
        weights = np.random.default_rng(0).standard_normal((side, side), np.float32)
        given = ops.parameter([side, side], np.float32)
        model = ov.Model([ops.matmul(given, ops.constant(weights), False, True)], [given])
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
        request = openvino_core().compile_model(model, "CPU", config).create_infer_request()
        request.set_input_tensor(ov.Tensor(weights, shared_memory=True))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            request.infer()
            best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def model_flop(path: Path) -> float:
    """Operations of one photo in an ONNX file's convolutions and matrix products, two for a multiply-add."""
    model = openvino_core().read_model(path)
    side = model.input(0).partial_shape[1].get_length()
    model.reshape([1, side, side, 3])
    total = 0.0
    for node in model.get_ordered_ops():
        if node.get_type_name() in HEAVY:
            out = math.prod(node.output(0).shape)
            weights = list(node.input_value(1).shape)
            if node.get_type_name() == "Convolution":
                total += 2 * out * math.prod(weights[1:])
            elif node.get_type_name() == "GroupConvolution":
                total += 2 * out * math.prod(weights[2:])
            else:
                total += 2 * out * node.input_value(0).shape[-1]
    return total


def layers(path: Path, precision: str, threads: int) -> dict[str, float]:
    """Milliseconds a photo spends in each kind of kernel, from OpenVINO's counters, largest first."""
    core = openvino_core()
    model = core.read_model(path)
    side = model.input(0).partial_shape[1].get_length()
    model.reshape([1, side, side, 3])
    if precision == "bf16":
        pack_last_layers(model)
    config = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERF_COUNT": True,
    }
    request = core.compile_model(model, "CPU", config).create_infer_request()
    spent: dict[str, float] = {}
    photo = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    for run in range(LAYER_RUNS + 2):
        request.infer({0: photo})
        for entry in request.profiling_info if run >= 2 else ():
            name = f"{entry.node_type} {entry.exec_type}"
            spent[name] = spent.get(name, 0.0) + entry.real_time.total_seconds() * 1e3 / LAYER_RUNS
    return dict(sorted(spent.items(), key=lambda item: -item[1]))
