"""The model on an NVIDIA GPU through ONNX Runtime, for the embedded server and `LocalEngine` where there is one.

NVIDIA's container has faster ways (TensorRT, CUDA graphs); this one needs nothing but `pip install onnxruntime-gpu`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matting_client.engine import INPUT, check_batch, input_size
from matting_client.errors import ModelError
from matting_client.types import Batch

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROVIDER = "CUDAExecutionProvider"
# The default tries every algorithm at first use; with channels last photos are a tenth faster on an H200.
OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "prefer_nhwc": "1"}
BATCH, LARGE_BATCH, BATCH_SIDE = 8, 2, 512  # photos of a run at most; above this side activations take much more memory


def portions(count: int, largest: int) -> list[int]:
    """`count` photos as runs of `largest` (a power of two), and one of 1, 2, 4 ... that holds the rest.

    The last may have places left: on an H100 a run of eight takes 10.6 ms, one of four and one alone 12.
    """
    full, rest = divmod(count, largest)
    runs = [largest] * full
    if rest:
        runs.append(1 << (rest - 1).bit_length())
    return runs


class CudaModel:
    """An ONNX file of the served contract on the first visible GPU; attributes as of `CpuModel`.

    ONNX Runtime plans all convolutions anew whenever a session gets another batch size than the time before (a second
    each time on an H200; microsoft/onnxruntime#23006). So each batch size has a session of its own.

    Raises
    ------
    ModelError
        The file is no such model, or the provider finds no device that it can use.
    """

    device = "GPU"

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        self._path = path
        self._lock = threading.Lock()
        self._sessions: dict[int, InferenceSession] = {}  # by the number of photos
        session = self._session(1)
        if PROVIDER not in session.get_providers():
            raise ModelError(path, "no CUDA device that ONNX Runtime can use", remedy="check driver, CUDA and cuDNN")
        self.size = input_size(path, {given.name: tuple(given.shape) for given in session.get_inputs()})
        self._largest = BATCH if self.size <= BATCH_SIDE else LARGE_BATCH
        self._pool = ThreadPoolExecutor(2)  # one run's copies and answers go on while the device computes the other
        self.description = f"ONNX Runtime {ort.__version__} CUDA f32"

    def _open(self) -> InferenceSession:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3
        try:
            return ort.InferenceSession(str(self._path), options, providers=[(PROVIDER, OPTIONS)])
        except Exception as error:  # the runtime's exceptions share no base but Exception
            raise ModelError(self._path, f"no usable ONNX model ({error})", remedy="export it again") from None

    def _session(self, photos: int) -> InferenceSession:
        with self._lock:
            if photos not in self._sessions:
                self._sessions[photos] = self._open()
            return self._sessions[photos]

    def warm_up(self) -> None:
        """Open and plan all batch sizes now."""
        for bit in range(self._largest.bit_length()):
            self.run(np.zeros((1 << bit, self.size, self.size, 3), np.uint8))

    def run(self, image: Batch) -> Batch:
        """(N, S, S, 3) uint8 -> (N, S, S, 1) uint8, many photos in one run: a GPU is faster with each."""
        image = check_batch(image, self.size)
        count = len(image)
        runs = portions(len(image), self._largest)
        if sum(runs) > count:
            image = np.concatenate([image, np.zeros((sum(runs) - count, *image.shape[1:]), np.uint8)])
        parts = []
        first = 0
        for photos in runs:
            parts.append(self._session(photos).run(None, {INPUT: image[first : first + photos]})[0])
            first += photos
        alpha: Batch = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return alpha[:count]

    def refill_below(self, photos: int) -> int:
        """See `Model`: as soon as the last run alone is left."""
        return photos + 1

    def start(self, images: Sequence[Batch]) -> list[Future[Batch]]:
        """Begin with several (N, S, S, 3), all in one run."""
        batches = [check_batch(image, self.size) for image in images]
        done: list[Future[Batch]] = [Future() for _ in images]
        ends = np.cumsum([len(batch) for batch in batches])
        self._pool.submit(self._run_for, done, ends, np.concatenate(batches))
        return done

    def _run_for(self, done: list[Future[Batch]], ends: NDArray[np.int_], image: Batch) -> None:
        try:
            alphas = np.split(self.run(image), ends[:-1])
        except Exception as error:  # whatever it is belongs to those who wait
            for future in done:
                future.set_exception(error)
        else:
            for future, alpha in zip(done, alphas, strict=True):
                future.set_result(alpha)
