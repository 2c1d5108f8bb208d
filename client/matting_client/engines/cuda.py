"""The model on an NVIDIA GPU through ONNX Runtime, for the embedded server and `LocalEngine` where there is one.

NVIDIA's container has faster ways (TensorRT, CUDA graphs); this one needs nothing but `pip install onnxruntime-gpu`.
NOT RUN YET on a GPU: the only one at hand so far was needed for training. What runs without one is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matting_client.engines.base import INPUT, check_batch, input_size
from matting_client.errors import ModelError

Image = NDArray[np.uint8]
PROVIDER = "CUDAExecutionProvider"
LIBRARY = "capi/libonnxruntime_providers_cuda.so"  # in the package onnxruntime-gpu alone
DEVICES = Path("/proc/driver/nvidia/gpus")


def has_cuda(devices: Path = DEVICES) -> bool:
    """Whether ONNX Runtime's CUDA provider is installed and the driver knows a device; loads neither."""
    spec = find_spec("onnxruntime")
    package = Path(spec.origin).parent if spec and spec.origin else None
    return bool(package and (package / LIBRARY).exists() and devices.is_dir() and any(devices.iterdir()))


class CudaModel:
    """An ONNX file of the served contract on the first visible GPU; attributes as of `CpuModel`.

    Raises
    ------
    ModelError
        The file is no such model, or the provider finds no device that it can use.
    """

    streams = 1  # all photos are in one run

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=[PROVIDER, "CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions share no base but Exception
            raise ModelError(f"{path}: got no usable ONNX model ({error}); export it again") from None
        if PROVIDER not in self._session.get_providers():
            raise ModelError(f"{path}: got no CUDA device that ONNX Runtime can use; check driver, CUDA and cuDNN")
        self.size = input_size(path, {given.name: tuple(given.shape) for given in self._session.get_inputs()})
        self.description = f"ONNX Runtime {ort.__version__} CUDA f32"

    def run(self, image: Image) -> Image:
        """(N, S, S, 3) uint8 -> (N, S, S, 1) uint8, in one run: a GPU is faster with every photo of a batch."""
        alpha: Image = self._session.run(None, {INPUT: check_batch(image, self.size)})[0]
        return alpha

    def start(self, images: Sequence[Image]) -> list[Future[Image]]:
        """Several (N, S, S, 3) in one run, which is over when this returns."""
        alphas = self.run(images[0] if len(images) == 1 else np.concatenate(images))
        done: list[Future[Image]] = [Future() for _ in images]
        for future, alpha in zip(done, np.split(alphas, np.cumsum([len(image) for image in images])[:-1]), strict=True):
            future.set_result(alpha)
        return done
