"""The model on this machine's CPU: the one place that chooses an engine, for `LocalEngine` and the server alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from matting_client.engines.base import INPUT, check_batch
from matting_client.errors import ModelError

Image = NDArray[np.uint8]
Precision = Literal["auto", "bf16", "f32"]
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
RunOne = Callable[[Image, Image], None]  # one photo (1, S, S, 3), and the alpha (1, S, S, 1) to fill


def has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU computes bfloat16 natively; false where that cannot be told."""
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as lines:
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return False
    return not BF16_FLAGS.isdisjoint(flags.split())


class CpuModel:
    """An ONNX file of the served contract, ready to run on the CPU.

    OpenVINO in bf16 where the CPU has it, in fp32 otherwise; ONNX Runtime where OpenVINO is not installed.

    Parameters
    ----------
    path : the .onnx file.
    precision : "bf16" or "f32" force one; "auto" follows the CPU.
    threads : 0 takes all cores this process may use.

    Attributes
    ----------
    size : side S of the input in pixels.
    description : engine, version, precision and threads, for logs.

    Raises
    ------
    ModelError
        The file is missing or is not such a model, or no engine is installed.
    """

    def __init__(self, path: Path, *, precision: Precision = "auto", threads: int = 0) -> None:
        if not path.is_file():
            raise ModelError(f"{path}: got no such file, expected an ONNX model; check the model repository")
        if precision not in get_args(Precision):
            raise ModelError(f"precision: got {precision!r}, expected auto, bf16 or f32")
        threads = threads or _cores()
        wanted = ("bf16" if has_bf16() else "f32") if precision == "auto" else precision
        try:
            self._run_one, self.size, engine = _openvino(path, wanted, threads)
        except ImportError:
            if precision == "bf16":
                raise ModelError(f"{path}: bf16 needs OpenVINO; pip install openvino, or use precision f32") from None
            wanted = "f32"
            self._run_one, self.size, engine = _onnxruntime(path, threads)
        self.description = f"{engine} {wanted}, {threads} threads"

    def run(self, image: Image) -> Image:
        """(N, S, S, 3) uint8 -> (N, S, S, 1) uint8. Safe from several threads.

        Inside, one photo follows the other: on a CPU a batch is no faster per photo, but its activations take memory
        with every photo (8 of 512 px: 740 MB instead of 250), and this way the bytes never depend on the company.
        """
        image = check_batch(image, self.size)
        if not image.flags.writeable:  # OpenVINO shares no read-only memory
            image = image.copy()
        alpha = np.empty((*image.shape[:3], 1), np.uint8)
        for index in range(len(image)):
            self._run_one(image[index : index + 1], alpha[index : index + 1])
        return alpha


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only; it respects containers and taskset
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _check(path: Path, shape: tuple[object, ...]) -> int:
    if len(shape) != 4 or not isinstance(shape[1], int) or shape[1] != shape[2] or shape[3] != 3:
        raise ModelError(f"{path}: got input shape {shape}, expected (batch, S, S, 3) with a fixed S; export it again")
    return shape[1]


def _unreadable(path: Path, error: Exception) -> ModelError:
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return ModelError(f"{path}: got no usable ONNX model ({reason}); export it again")


def _openvino(path: Path, precision: str, threads: int) -> tuple[RunOne, int, str]:
    import openvino as ov

    core = ov.Core()
    config = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        model = core.read_model(path)
        shape = model.input(INPUT).partial_shape
        size = _check(path, tuple(None if d.is_dynamic else d.get_length() for d in shape))
        model.reshape({INPUT: [1, size, size, 3]})  # a fixed shape is planned better than a dynamic batch
        compiled = core.compile_model(model, "CPU", config)
    except RuntimeError as error:
        raise _unreadable(path, error) from None
    pool = [compiled.create_infer_request()]

    def run_one(image: Image, alpha: Image) -> None:
        # Requests hold the activations: they are reused, and as many exist as calls ever ran at once.
        try:
            request = pool.pop()
        except IndexError:
            request = compiled.create_infer_request()
        try:
            request.set_input_tensor(ov.Tensor(image, shared_memory=True))
            request.set_output_tensor(ov.Tensor(alpha, shared_memory=True))
            request.infer()
        finally:
            pool.append(request)

    return run_one, size, f"OpenVINO {ov.__version__.split('-')[0]}"


def _onnxruntime(path: Path, threads: int) -> tuple[RunOne, int, str]:
    try:
        import onnxruntime as ort
    except ImportError:
        raise ModelError(f"{path}: no engine is installed; pip install openvino or onnxruntime") from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no base but Exception
        raise _unreadable(path, error) from None
    shapes = {given.name: tuple(given.shape) for given in session.get_inputs()}
    if INPUT not in shapes:
        raise ModelError(f"{path}: got inputs {', '.join(shapes)}, expected {INPUT}; export it again")
    size = _check(path, shapes[INPUT])

    def run_one(image: Image, alpha: Image) -> None:
        alpha[:] = session.run(None, {INPUT: image})[0]

    return run_one, size, f"ONNX Runtime {ort.__version__}"
