"""What every engine offers, and the checks they share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from matting_client.errors import EngineError, ModelError

INPUT = "image"
OUTPUT = "alpha"


@runtime_checkable
class Engine(Protocol):
    """Runs a model: batches of squares in, alphas out."""

    model: str
    size: int

    def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(N, S, S, 3) uint8 RGB -> (N, S, S, 1) uint8; a server takes an N of 8 at most."""
        ...

    def close(self) -> None:
        """Give back connections and memory; the engine is not used afterwards."""
        ...


@runtime_checkable
class AsyncEngine(Protocol):
    """The same, awaitable."""

    model: str
    size: int  # 0 until connected

    async def connect(self) -> Self:
        """Open the connection and learn `size`; needless before `infer`."""
        ...

    async def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(N, S, S, 3) uint8 RGB -> (N, S, S, 1) uint8."""
        ...

    async def close(self) -> None:
        """Give back connections; the engine is not used afterwards."""
        ...


def closed(subject: str) -> EngineError:
    """The error of an engine that is used after its end."""
    return EngineError(subject, "a client that was closed", "an open one", "make another")


def check_process(process: int, subject: str) -> None:
    """Raise an EngineError in another process than `process`: after a fork each gets answers to the other's photos."""
    if os.getpid() != process:
        raise EngineError(subject, "a client made before a fork", "one of this process", "make one in each process")


def check_batch(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The batch, contiguous.

    Raises
    ------
    ModelError
        Not (N, size, size, 3) uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 4 or image.shape[1:] != (size, size, 3) or not len(image):
        raise ModelError(
            "",
            f"{image.dtype} {image.shape}",
            f"uint8 (N, {size}, {size}, 3)",
            "prepare photos with processing.letterbox",
        )
    return np.ascontiguousarray(image)


def input_size(path: Path, shapes: Mapping[str, tuple[object, ...]]) -> int:
    """Side S of the input of an ONNX file, from the shapes of its inputs by name; anything but a number is unknown.

    Raises
    ------
    ModelError
        Not a model of ours.
    """
    if INPUT not in shapes:
        raise ModelError(path, f"inputs {', '.join(shapes)}", INPUT, "export it again")
    shape = shapes[INPUT]
    if len(shape) != 4 or not isinstance(shape[1], int) or shape[1] != shape[2] or shape[3] != 3:
        raise ModelError(path, f"input shape {shape}", "(batch, S, S, 3) with a fixed S", "export it again")
    return shape[1]
