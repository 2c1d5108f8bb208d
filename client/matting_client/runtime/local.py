"""The model inside this process."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from matting_client.engine import check_batch
from matting_client.errors import ModelError
from matting_client.runtime.loader import open_model
from matting_client.runtime.precision import Precision

REPOSITORY_VARIABLE = "MATTING_MODEL_REPOSITORY"


def model_repository(given: Path | None = None) -> Path:
    """The folder of the models: the given one, $MATTING_MODEL_REPOSITORY, ./model_repository, or the clone's.

    Raises
    ------
    ModelError
        None of them exists.
    """
    variable = os.environ.get(REPOSITORY_VARIABLE)
    clone = Path(__file__).resolve().parents[3] / "model_repository"
    chosen = given or (Path(variable) if variable else None)
    candidates = [chosen] if chosen else [Path("model_repository"), clone]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise ModelError(
        f"{candidates[0]}: got no model repository, expected <model>/1/model.onnx in it; set {REPOSITORY_VARIABLE}"
    )


class LocalEngine:
    """Runs `<repository>/<model>/1/model.onnx` on this machine; needs the `local` extra."""

    def __init__(
        self,
        model: str = "matting_512",
        repository: Path | None = None,
        *,
        threads: int = 0,
        precision: Precision = "auto",
    ) -> None:
        if not re.fullmatch(r"\w[\w.-]*", model):
            raise ModelError(f"got model {model!r}, expected a name such as matting_512")
        path = model_repository(repository) / model / "1" / "model.onnx"
        self._loaded = open_model(path, precision=precision, threads=threads)
        self.model, self.size, self.description = model, self._loaded.size, self._loaded.description

    def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(N, S, S, 3) uint8 RGB -> (N, S, S, 1) uint8."""
        return self._loaded.run(check_batch(image, self.size))

    def close(self) -> None:
        """Nothing to give back; the memory goes with the object."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
