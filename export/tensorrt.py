"""The TensorRT plan, built in the container that serves it: a plan loads only in the TensorRT that built it."""

from __future__ import annotations

import shlex
from pathlib import Path

IMAGE = "nvcr.io/nvidia/tritonserver:26.08-py3"  # TensorRT 11.2
MAX_BATCH = {512: 16, 1024: 8}


def trtexec(model: str, size: int, onnx: str = "model.fp16.onnx") -> list[str]:
    """Command line of `trtexec` for one model, with paths as the container sees them.

    Precision is in the graph (strongly typed): build from the fp16 file for speed, from `model.onnx` for fp32.
    """
    largest = MAX_BATCH[size]
    best = min(8, largest)
    return [
        "/usr/src/tensorrt/bin/trtexec",
        f"--onnx=/models/{model}/1/{onnx}",
        f"--saveEngine=/models/{model}/1/model.plan",
        "--stronglyTyped",
        f"--minShapes=image:1x{size}x{size}x3",
        f"--optShapes=image:{best}x{size}x{size}x3",
        f"--maxShapes=image:{largest}x{size}x{size}x3",
        f"--timingCacheFile=/models/{model}/timing.cache",
        "--skipInference",
    ]


def docker_command(repository: Path, model: str, size: int) -> str:
    """Shell line that builds a plan with the GPU of this machine inside the serving image."""
    docker = ["docker", "run", "--rm", "--gpus", "all", "-v", f"{repository.resolve()}:/models", IMAGE]
    return shlex.join([*docker, *trtexec(model, size)])
