"""Triton backend that runs an ONNX matting model on a bare CPU.

It takes the name of NVIDIA's `onnxruntime` backend, so that the same unchanged model repository loads here and in
NVIDIA's container. Triton's python backend hands `execute` all requests of one dynamic batch; they become one call.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import triton_python_backend_utils as pb_utils
from matting_client.engines.cpu import CpuModel, Precision
from numpy.typing import NDArray

INPUT, OUTPUT = "image", "alpha"
DEFAULT_FILE = "model.onnx"
# A request with this parameter proves that this process answers, without the price of an inference.
PROBE = "unet_matting_probe"


class HasParameters(Protocol):
    """What we need of a Triton request here."""

    def parameters(self) -> str:
        """Return the request's parameters as JSON, or an empty string."""


class TritonPythonModel:
    """One instance of one model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model named by ``args``; the engine chosen is logged."""
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or DEFAULT_FILE
        path = Path(args["model_repository"]) / args["model_version"] / file
        precision = cast(Precision, os.environ.get("MATTING_PRECISION", "auto"))
        self.engine = CpuModel(path, precision=precision, threads=_threads(config))
        pb_utils.Logger.log_info(f"engine of {args['model_name']}: {self.engine.description}")

    def execute(self, requests: list[Any]) -> list[object]:
        """Answer every request: (n, S, S, 3) uint8 in, (n, S, S, 1) uint8 out; one call of the engine for all."""
        responses: list[object] = [None] * len(requests)
        images: dict[int, NDArray[np.uint8]] = {}
        for index, request in enumerate(requests):
            image = pb_utils.get_input_tensor_by_name(request, INPUT).as_numpy()
            if request.is_cancelled():  # its client has gone: spend nothing on it
                responses[index] = _failed("cancelled by the client", pb_utils.TritonError.CANCELLED)
            elif _is_probe(request):
                responses[index] = _answered(np.zeros((*image.shape[:3], 1), np.uint8))
            else:
                images[index] = image
        if images:
            responses_of_run = self._run(list(images.values()))
            for index, response in zip(images, responses_of_run, strict=True):
                responses[index] = response
        return responses

    def finalize(self) -> None:
        """Let go of the engine."""
        del self.engine

    def _run(self, images: list[NDArray[np.uint8]]) -> list[object]:
        try:
            # as_numpy() is a view of shared memory; only two or more requests need one copy, side by side.
            alpha = self.engine.run(images[0] if len(images) == 1 else np.concatenate(images))
        except Exception as error:  # whatever it is, each request must be answered and the process must live
            message = f"{type(error).__name__}: {error}"
            pb_utils.Logger.log_error(f"inference failed: {message}")
            return [_failed(message, pb_utils.TritonError.INTERNAL) for _ in images]
        ends = np.cumsum([len(image) for image in images])
        return [_answered(part) for part in np.split(alpha, ends[:-1])]


def _threads(config: dict[str, Any]) -> int:
    """Threads asked for by the command line, else by the key NVIDIA's backend knows; 0 leaves it to the engine."""
    asked = int(os.environ.get("MATTING_THREADS", "0"))
    if asked:
        return asked
    return int(config.get("parameters", {}).get("intra_op_thread_count", {}).get("string_value", 0))


def _is_probe(request: HasParameters) -> bool:
    parameters = request.parameters()
    return bool(parameters) and PROBE in json.loads(parameters)


def _answered(alpha: NDArray[np.uint8]) -> object:
    return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor(OUTPUT, alpha)])


def _failed(message: str, code: object) -> object:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
