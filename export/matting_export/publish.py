"""Put an exported network into the model repository, once it has been found to compute what the network does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from matting_client.repository import INT8_FILE
from matting_training.checkpoint import read_metadata
from matting_training.model.unet import MattingUNet
from numpy.typing import NDArray

from matting_export.fold import fold
from matting_export.graph import annotate, build
from matting_export.metadata import SIZES, Contract, commit, sha256
from matting_export.verify import verify


def publish_model(
    model: MattingUNet, weights: Path, name: str, repository: Path, photos: list[NDArray[np.uint8]], half: bool
) -> Contract:
    """Export one model, verify it, and only then put it in the repository with its contract.

    Raises
    ------
    ParityError
        The exported file computes something else; the repository is as before.
    """
    size, header = SIZES[name], read_metadata(weights)
    proto = build(fold(model), size, half)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "model.onnx"
        onnx.save(proto, trial)
        parity = verify(model, trial, size, photos, half)
    contract = Contract(
        model=name,
        size=size,
        precision="fp16" if half else "fp32",
        weights_sha256=sha256(weights),
        commit=commit(),
        training_samples=int(header["seen"]),
        scores=header["scores"],
        parity=parity,
    )
    annotate(proto, contract.metadata())
    _write(proto, repository / name / "1" / ("model.fp16.onnx" if half else "model.onnx"))
    if not half:
        contract.write(repository / name)  # without a promise for an int8 model, which is of the weights before
        for stale in (repository / name / "1").glob(Path(INT8_FILE).with_suffix(".*").name):
            stale.unlink()
    return contract


def _write(proto: onnx.ModelProto, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    onnx.save(proto, part)
    part.replace(path)
