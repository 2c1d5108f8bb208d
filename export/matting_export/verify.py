"""Does an exported file compute what the network computes? Torch against ONNX Runtime and OpenVINO, in steps of 255."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matting_client.runtime.cpu import CpuModel
from matting_client.runtime.precision import cpu_flags
from matting_client.types import U8
from matting_training.model.unet import MattingUNet

from matting_export.fold import fold_batch_norms
from matting_export.graph import Served
from matting_export.tolerances import BATCHES, GATES, Gate, ParityError, compare, photos

Run = Callable[[U8], U8]
BF16_FLAGS = {"amx_bf16", "avx512_bf16"}


def torch_run(model: MattingUNet) -> Run:
    """The network itself, fp32, one photo at a time."""
    served = Served(model).eval()

    def run(image: U8) -> U8:
        with torch.no_grad():
            return np.concatenate([served(torch.from_numpy(one[None])).numpy() for one in image])

    return run


def onnxruntime_run(path: Path) -> Run:
    """ONNX Runtime on the CPU."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image: np.asarray(session.run(None, {"image": image})[0], dtype=np.uint8)


def verify(
    model: MattingUNet, path: Path, size: int, pictures: list[U8], half: bool = False
) -> dict[str, dict[str, float]]:
    """Compare every engine at every batch size with the network.

    Parameters
    ----------
    model : the network as trained.
    path : the ONNX file.
    size : its input side.
    pictures : (H, W, 3) photos.
    half : whether the file computes in fp16.

    Returns
    -------
    By engine: the worst `largest` (steps of 255) and `mean` (0..1) over the batches. "fp16 weights" compares the
    network as trained with the folded one; all others compare an engine with the folded one.

    Raises
    ------
    ParityError
        An engine differs by more than its gate.
    """
    image = photos(pictures, size)
    with torch.no_grad():  # rounded to bytes, NaN would be equal to NaN
        pha = model(torch.from_numpy(image[:1]).permute(0, 3, 1, 2).float())
    if not torch.isfinite(pha).all():
        raise ParityError(f"{path}: got a network whose alpha is no number; do not publish it")
    want = torch_run(fold_batch_norms(model))(image)
    rounding = compare(torch_run(model)(image), want, "fp16 weights", GATES["fp16"])
    engines: dict[str, tuple[Run, Gate]] = {"onnxruntime": (onnxruntime_run(path), GATES["fp16" if half else "f32"])}
    if not half:
        engines["openvino f32"] = (CpuModel(path, precision="f32").run, GATES["f32"])
        if cpu_flags() & BF16_FLAGS:
            engines["openvino bf16"] = (CpuModel(path, precision="bf16").run, GATES["bf16"])
    report = {"fp16 weights": rounding}
    for engine, (run, gate) in engines.items():
        rows = [compare(want[:n], run(image[:n]), f"{path} in {engine}, batch {n}", gate) for n in BATCHES]
        report[engine] = {key: max(row[key] for row in rows) for key in rows[0]}
    return report
