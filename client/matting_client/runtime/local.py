"""The model inside this process."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from matting_client.engine import check_batch, closed
from matting_client.repository import DEFAULT_MODEL, model_file
from matting_client.runtime.loader import open_model
from matting_client.runtime.precision import Precision


class LocalEngine:
    """Runs `<repository>/<model>/1/model.onnx` on this machine; needs the `local` extra.

    Parameters
    ----------
    model, repository : which file.
    threads, precision, together : as of `CpuModel`.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        repository: Path | None = None,
        *,
        threads: int = 0,
        precision: Precision = "auto",
        together: bool = False,
    ) -> None:
        file = model_file(model, repository)
        self._loaded = open_model(file, precision=precision, threads=threads, together=together)
        self.model = model
        self.size = self._loaded.size
        self.description = self._loaded.description
        self._closed = False

    def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(N, S, S, 3) uint8 RGB -> (N, S, S, 1) uint8.

        Raises
        ------
        ModelError
            The batch is none.
        EngineError
            It was closed.
        """
        if self._closed:
            raise closed(self.model)
        return self._loaded.run(check_batch(image, self.size))

    def close(self) -> None:
        """The end of its use; the memory goes with the object."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
