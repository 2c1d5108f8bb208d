"""The model on this machine's CPU: which engine, which precision, how many threads."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from matting_client.engine import INPUT, check_batch, input_size
from matting_client.errors import ModelError
from matting_client.repository import INT8_FILE
from matting_client.runtime.precision import Precision, best_precision, cpu_flags, gated_int8
from matting_client.runtime.space_to_depth import pack_last_layers
from matting_client.system import FREE_MEMORY, usable_cores
from matting_client.types import Batch

if TYPE_CHECKING:
    import openvino as ov

# Streams at most, and the largest input that gets more than one: each holds the activations of one photo, and those of
# 1024 px would take the server beyond 1.2 GB for a tenth more photos a second.
STREAMS = 4
STREAMS_SIDE = 512
# What OpenVINO, ONNX Runtime and the system say where memory is lacking.
_NO_MEMORY = re.compile("memory|alloc|temporarily unavailable|failed to map", re.IGNORECASE)
RunOne = Callable[[Batch, Batch], None]  # one photo (1, S, S, 3), and the alpha (1, S, S, 1) to fill


class CpuModel:
    """An ONNX file of the served contract, ready to run on the CPU.

    OpenVINO where it is installed, ONNX Runtime in fp32 otherwise. A photo that comes alone gets all threads; photos
    that come together share them in streams, which is slower for each and faster for all.

    Parameters
    ----------
    path : the .onnx file. For int8, `model.int8.xml` beside it is taken.
    precision : "int8", "bf16" or "f32" force one; "auto" follows the CPU.
    threads : 0 takes all cores this process may use.
    together : photos come several at a time: there are the streams alone, and no second form of the model for a photo
        that comes alone, which would take as much memory again.

    Attributes
    ----------
    size : side S of the input in pixels.
    description : engine, version, precision and threads, for logs.
    device : what it runs on.

    Raises
    ------
    ModelError
        The file is missing or is not such a model, or no engine is installed.
    """

    device = "CPU"

    def __init__(self, path: Path, *, precision: Precision = "auto", threads: int = 0, together: bool = False) -> None:
        if not path.is_file():
            raise ModelError(path, "no such file", "an ONNX model", "check the model repository")
        if precision not in get_args(Precision):
            raise ModelError("precision", f"{precision!r}", "auto, int8, bf16 or f32")
        threads = threads or usable_cores()
        int8 = gated_int8(path) if precision in ("auto", "int8") else None
        wanted = best_precision(cpu_flags(), int8 is not None) if precision == "auto" else precision
        if wanted == "int8" and int8 is None:
            raise ModelError(
                path, f"no {INT8_FILE} beside it that has passed on such a CPU", remedy="run matting export int8"
            )
        try:
            file = int8 if int8 and wanted == "int8" else path
            compile_model, self.size, engine = _openvino(file, "bf16" if wanted == "bf16" else "f32", threads)
            self._streams = streams = min(threads, STREAMS) if self.size <= STREAMS_SIDE else 1
            alone = self._alone = compile_model(streams if together else 1)
            # The first of the two keeps nothing of what the model was made from.
            in_company = (lambda: alone) if together else functools.cache(lambda: compile_model(streams))
            self._company: Callable[[], RunOne] = in_company
        except ImportError:
            if precision in ("int8", "bf16"):
                raise ModelError(
                    path, problem=f"{precision} needs OpenVINO", remedy="pip install openvino, or use precision f32"
                ) from None
            wanted = "f32"
            self._streams = 1
            self._alone, self.size, engine = _onnxruntime(path, threads)
        self._lock = threading.Lock()
        self._running = 0
        self._pool = ThreadPoolExecutor(self._streams)
        self.description = f"{engine} {wanted}, {threads} threads"

    def warm_up(self) -> None:
        """The first run in company compiles the streams; where there is one alone, a photo alone does."""
        self.run(np.zeros((min(2, self._streams), self.size, self.size, 3), np.uint8))

    def run(self, image: Batch) -> Batch:
        """(N, S, S, 3) uint8 -> (N, S, S, 1) uint8. Safe from several threads.

        Inside, every photo is a run of its own: on a CPU a batch is no faster per photo, but its activations take
        memory with every photo (8 of 512 px: 740 MB instead of 250), and the bytes never depend on the company.
        """
        image = check_batch(image, self.size)
        if len(image) > 1:
            return self.start([image])[0].result()
        alpha = np.empty((*image.shape[:3], 1), np.uint8)
        self._run_one(image, alpha)
        return alpha

    def refill_below(self, photos: int) -> int:
        """See `Model`: with all streams busy, one photo more has to wait, so that none waits for the next batch."""
        return self._streams + 1

    def start(self, images: Sequence[Batch]) -> list[Future[Batch]]:
        """Begin with copies of several (N, S, S, 3); as many run at a time as there are streams, in this order."""
        batches = [check_batch(image, self.size).copy() for image in images]
        in_company = sum(map(len, batches)) > 1
        return [self._start_one(image, in_company) for image in batches]

    def _start_one(self, image: Batch, in_company: bool) -> Future[Batch]:
        alpha = np.empty((*image.shape[:3], 1), np.uint8)
        whole: Future[Batch] = Future()
        left = iter(range(len(image) - 1, -1, -1))  # `next` of an iterator is atomic, counting down is not

        def done(part: Future[None]) -> None:
            error = part.exception()
            is_last = next(left) == 0
            if whole.done():
                return
            if error:
                whole.set_exception(error)
            elif is_last:
                whole.set_result(alpha)

        for i in range(len(image)):
            part = self._pool.submit(self._run_one, image[i : i + 1], alpha[i : i + 1], in_company)
            part.add_done_callback(done)
        return whole

    def _run_one(self, image: Batch, alpha: Batch, in_company: bool = False) -> None:
        with self._lock:
            self._running += 1
            run = self._alone
            if (in_company or self._running > 1) and self._streams > 1:
                run = self._company()
        try:
            run(image if image.flags.writeable else image.copy(), alpha)  # OpenVINO shares no read-only memory
        finally:
            with self._lock:
                self._running -= 1


def _unreadable(path: Path, error: Exception) -> ModelError:
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    if _NO_MEMORY.search(str(error)):
        return ModelError(path, problem=f"cannot be loaded for want of memory ({reason})", remedy=FREE_MEMORY)
    return ModelError(path, f"no usable ONNX model ({reason})", remedy="export it again")


@functools.cache
def openvino_core() -> ov.Core:
    """The one OpenVINO core of this process, which lives as long as the process.

    Its CPU plugin gives the thread that first compiles a model a signal stack of its own, and frees that memory in
    whichever thread the core ends: the next signal of the first thread would then strike into nothing and end the
    process.
    """
    import openvino as ov

    return ov.Core()


def _openvino(path: Path, precision: str, threads: int) -> tuple[Callable[[int], RunOne], int, str]:
    """What compiles the model for a number of streams: that many photos at once, each with its share of the threads."""
    import openvino as ov

    core = openvino_core()
    try:
        model = core.read_model(path)
        shape = model.input(INPUT).partial_shape
        size = input_size(path, {INPUT: tuple(None if d.is_dynamic else d.get_length() for d in shape)})
        model.reshape({INPUT: [1, size, size, 3]})  # a fixed shape is planned better than a dynamic batch
    except (RuntimeError, MemoryError) as error:
        raise _unreadable(path, error) from None
    if precision == "bf16":
        pack_last_layers(model)

    def compile_model(streams: int) -> RunOne:
        config = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
        }
        try:
            compiled = core.compile_model(model, "CPU", config)
        except (RuntimeError, MemoryError) as error:
            raise _unreadable(path, error) from None
        pool = [compiled.create_infer_request()]

        def run_one(image: Batch, alpha: Batch) -> None:
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

        return run_one

    return compile_model, size, f"OpenVINO {ov.__version__.split('-')[0]}"


def _onnxruntime(path: Path, threads: int) -> tuple[RunOne, int, str]:
    try:
        import onnxruntime as ort
    except ImportError:
        raise ModelError(path, problem="no engine is installed", remedy="pip install openvino or onnxruntime") from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no base but Exception
        raise _unreadable(path, error) from None
    size = input_size(path, {given.name: tuple(given.shape) for given in session.get_inputs()})

    def run_one(image: Batch, alpha: Batch) -> None:
        alpha[:] = session.run(None, {INPUT: image})[0]

    return run_one, size, f"ONNX Runtime {ort.__version__}"
