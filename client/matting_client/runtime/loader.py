"""An ONNX file on the best this machine has: the one choice that `LocalEngine` and the server share."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from matting_client.errors import ModelError
from matting_client.runtime.cpu import CpuModel
from matting_client.runtime.cuda import CudaModel
from matting_client.runtime.gpus import has_cuda
from matting_client.runtime.precision import Precision
from matting_client.types import Batch


class Model(Protocol):
    """A loaded model."""

    size: int
    description: str
    device: str  # CPU or GPU

    def warm_up(self) -> None:
        """Do now what the first photos would wait for."""

    def run(self, image: Batch) -> Batch:
        """(N, S, S, 3) uint8 -> (N, S, S, 1) uint8."""
        ...

    def refill_below(self, photos: int) -> int:
        """With fewer photos left than this, it would soon have nothing to do; `photos` came with the last `start`."""
        ...

    def start(self, images: Sequence[Batch]) -> list[Future[Batch]]:
        """Begin with several (N, S, S, 3), in this order; they may change when this has returned."""
        ...


def open_model(path: Path, *, precision: Precision = "auto", threads: int = 0, together: bool = False) -> Model:
    """A GPU where ONNX Runtime can use one and no precision is forced, else the CPU; arguments as of `CpuModel`.

    Raises
    ------
    ModelError
    """
    if precision == "auto" and has_cuda():
        try:
            return CudaModel(path)
        except ModelError as error:
            cpu = CpuModel(path, threads=threads, together=together)
            cpu.description += f" (not the GPU: {error})"
            return cpu
    return CpuModel(path, precision=precision, threads=threads, together=together)
