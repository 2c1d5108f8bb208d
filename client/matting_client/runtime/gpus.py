"""Which GPUs there are to use; asked by processes that never use one, so that nothing is loaded for it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

LIBRARY = "capi/libonnxruntime_providers_cuda.so"  # in the package onnxruntime-gpu alone
DEVICES = Path("/proc/driver/nvidia/gpus")


def has_cuda(devices: Path = DEVICES) -> bool:
    """Whether ONNX Runtime's CUDA provider is installed and the driver knows a device; loads neither."""
    spec = find_spec("onnxruntime")
    package = Path(spec.origin).parent if spec and spec.origin else None
    return bool(package and (package / LIBRARY).exists() and devices.is_dir() and any(devices.iterdir()))


def visible_gpus(devices: Path = DEVICES) -> list[str]:
    """What CUDA_VISIBLE_DEVICES lists, else the numbers of all devices that the driver knows; loads nothing."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [each.strip() for each in listed.split(",") if each.strip()]
    return [str(number) for number, _ in enumerate(devices.iterdir())] if devices.is_dir() else []
