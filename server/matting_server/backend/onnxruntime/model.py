"""Triton backend that runs an ONNX matting model on a bare CPU, or a GPU that ONNX Runtime can use.

It takes the name of NVIDIA's `onnxruntime` backend, so that the same unchanged model repository loads here and in
NVIDIA's container. Triton's python backend hands `execute` all requests of one dynamic batch.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import triton_python_backend_utils as pb_utils
from matting_client.runtime.loader import Model, open_model
from matting_client.runtime.precision import Precision
from numpy.typing import NDArray

INPUT = "image"
OUTPUT = "alpha"
DEFAULT_FILE = "model.onnx"
QUEUE_LIMIT = "max_queue_size"
# A request with this parameter proves that this process answers, without the price of an inference; its alpha begins
# with a description of the engine, as JSON, and a zero.
PROBE = "unet_matting_probe"
METRICS_SECONDS = 1.0
BEAT_SECONDS = 0.5
OWED, PID, BEATS, TAKEN, ANSWERED = range(NUMBERS := 5)  # as `workspace.Life` has them


class HasParameters(Protocol):
    """What we need of a Triton request here."""

    def parameters(self) -> str:
        """Return the request's parameters as JSON, or an empty string."""


class TritonPythonModel:
    """One instance of one model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model named by ``args``; the engine chosen is logged."""
        device = _show_device(args["model_instance_name"])
        _hide_shared_memory()
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or DEFAULT_FILE
        path = Path(args["model_repository"]) / args["model_version"] / file
        precision = cast(Precision, os.environ.get("MATTING_PRECISION", "auto"))
        self.engine = open_model(path, precision=precision, threads=_threads(config))
        self.engine.warm_up()
        self._computing = self._unanswered = 0  # photos that the engine has, and those whose answer is not sent yet
        self._full = 1
        self._changed = threading.Condition()
        # Sending waits for Triton to take notice. The engine's threads must not: two cores stood idle for 3 % more of
        # the time, with a model that takes each of them 35 ms a photo.
        self._sender = ThreadPoolExecutor(1)
        name = args["model_name"]
        version = args["model_version"]
        self._life = _sign_of_life(name, f"{args['model_instance_name']}_v{version}")
        threading.Thread(target=self._beat, name="life", daemon=True).start()
        self._queue = Queue(name, version, config)
        pb_utils.Logger.log_info(f"engine of {name}{device}: {self.engine.description}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request: (n, S, S, 3) uint8 in, (n, S, S, 1) uint8 out; the engine gets all of them at once.

        Each is answered as soon as its own alpha is there: None is returned for those that are answered later. The next
        batch is taken when so few photos are left that the engine would run dry. A photo alone has all threads and is
        waited for: a returned answer costs half of one that is sent, and Triton knows how long it took, and that it
        failed when this process dies.
        """
        answers: list[Any] = [None] * len(requests)
        self._life[TAKEN] += len(requests)
        busy = len(requests) > 1 or self._unanswered > 0
        waiting = []
        for i, request in enumerate(requests):
            image = pb_utils.get_input_tensor_by_name(request, INPUT).as_numpy()  # a view of shared memory
            if _is_probe(request):
                answers[i] = _answered(_described(self.engine, image.shape))
            elif busy and request.is_cancelled():  # asked under load only: it costs a question to Triton
                answers[i] = _failed("cancelled by the client", pb_utils.TritonError.CANCELLED)
            else:
                waiting.append((i, image))
        if self._queue.is_too_long(len(requests)):
            for i, _ in waiting:
                answers[i] = _failed(self._queue.refusal, pb_utils.TritonError.UNAVAILABLE)
        elif sum(len(image) for _, image in waiting) == 1 and not self._computing:
            i, image = waiting[0]
            answers[i] = self._run_alone(image)
        elif waiting:
            self._run([(requests[i], image) for i, image in waiting])
        self._count_answered(sum(answer is not None for answer in answers))
        return answers

    def finalize(self) -> None:
        """Answer what is left and let go of the engine."""
        with self._changed:
            self._changed.wait_for(lambda: not self._computing)
        self._sender.shutdown()
        del self.engine

    def _beat(self) -> None:
        """Show that this process runs; one that is stopped, or stuck in a call that holds the interpreter, does not."""
        while True:
            self._life[BEATS] += 1
            time.sleep(BEAT_SECONDS)

    def _count_answered(self, requests: int) -> None:
        with self._changed:
            self._life[ANSWERED] += requests

    def _run_alone(self, image: NDArray[np.uint8]) -> object:
        try:
            return _answered(self.engine.run(image))
        except Exception as error:  # whatever it is, the request must be answered and the process must live
            return _failed_inference(error)

    def _run(self, waiting: list[tuple[Any, NDArray[np.uint8]]]) -> None:
        photos = sum(len(image) for _, image in waiting)
        with self._changed:
            self._unanswered += photos
            self._computing += photos
            self._full = self.engine.refill_below(photos) if self._computing > 1 else 1
        try:
            futures = self.engine.start([image for _, image in waiting])  # Triton takes their memory back after it
        except Exception as error:  # whatever it is, each request must be answered and the process must live
            futures = [_broken(error) for _ in waiting]
        for (request, image), future in zip(waiting, futures, strict=True):
            future.add_done_callback(partial(self._computed, request, len(image)))
        with self._changed:
            self._changed.wait_for(lambda: self._computing < self._full)
            self._life[OWED] = self._unanswered

    def _computed(self, request: Any, photos: int, future: Future[NDArray[np.uint8]]) -> None:
        with self._changed:
            self._computing -= photos
            self._sender.submit(self._answer, request, photos, future)
            if self._computing < self._full:
                self._changed.notify()

    def _answer(self, request: Any, photos: int, future: Future[NDArray[np.uint8]]) -> None:
        error = future.exception()
        response = _answered(future.result()) if error is None else _failed_inference(error)
        request.get_response_sender().send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        self._count_answered(1)
        with self._changed:
            self._unanswered -= photos
            self._life[OWED] = min(self._life[OWED], self._unanswered)


class Queue:
    """Refuses what waits beyond the queue's limit, in place of Triton, which stalls when it is told a limit.

    `server.layout` moves the limit from the queue's policy to a parameter and says why.
    """

    def __init__(self, model: str, version: str, config: dict[str, Any]) -> None:
        limit = config.get("parameters", {}).get(QUEUE_LIMIT, {}).get("string_value")
        self._limit = int(limit or 0)
        self._batch = config.get("max_batch_size") or 1
        self._socket = os.environ.get("MATTING_METRICS_SOCKET", "")
        labels = f'model="{re.escape(model)}",version="{re.escape(version)}"'
        self._pending = re.compile(rf"^nv_inference_pending_request_count{{{labels}.*}} (\d+)", re.M)
        self.refusal = f"{model}: exceeds maximum queue size of {limit}"

    def is_too_long(self, taken: int) -> bool:
        """Whether more than the limit waits behind the requests just taken; asked only when those fill a batch."""
        if not self._limit or taken < self._batch or not self._socket:
            return False
        try:
            found = self._pending.search(_metrics(self._socket))
        except (OSError, http.client.HTTPException):
            return False
        return found is not None and int(found[1]) > self._limit


def _metrics(path: str) -> str:
    """Triton's metrics, from the socket file on which it shows them."""
    connection = http.client.HTTPConnection("localhost", timeout=METRICS_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(METRICS_SECONDS)
        connection.sock.connect(path)
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _hide_shared_memory() -> None:
    """Take away the name of the memory that this process and Triton share; both have it mapped.

    Triton makes it readable for every user, and whoever may register shared memory could register this under its name
    and read or write other callers' photos. Without a name nobody can, and nothing is left behind however they end.
    """
    for line in os.fsdecode(Path("/proc/self/maps").read_bytes()).splitlines():
        path = line.partition("/")
        if path[2].startswith("dev/shm/unet_matting_"):
            Path("/", path[2]).unlink(missing_ok=True)


def _sign_of_life(model: str, instance: str) -> NDArray[np.int64]:
    """A file that is locked as long as this process lives, and that tells the supervisor some numbers.

    OWED is how many photos `execute` has left to be answered later: Triton fails those that `execute` is at when the
    process dies, but for these it waits for ever. PID is this process's id, BEATS grows as long as it runs, TAKEN and
    ANSWERED count requests.
    """
    folder = os.environ.get("MATTING_LIFE")
    if folder is None:
        return np.zeros(NUMBERS, np.int64)
    home = Path(folder, model)
    home.mkdir(parents=True, exist_ok=True)
    unborn = home.with_name(f"{instance}.{os.getpid()}")
    life = np.memmap(unborn, np.int64, "w+", shape=(NUMBERS,))
    life[PID] = os.getpid()
    fcntl.flock(os.open(unborn, os.O_RDONLY), fcntl.LOCK_EX)  # never closed
    unborn.rename(home / instance)
    return life


def _broken(error: Exception) -> Future[NDArray[np.uint8]]:
    future: Future[NDArray[np.uint8]] = Future()
    future.set_exception(error)
    return future


def _show_device(instance: str) -> str:
    """Let this process see its own of the GPUs that the server leaves alone; returns which, as the log tells it.

    `workspace.with_instances` numbers their groups where there are several; more of them than GPUs share those.
    """
    devices = os.environ.get("MATTING_CUDA_DEVICES", "")
    number = re.fullmatch(r"device_(\d+)_0", instance)
    if number is None or not devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices
        return f" as {instance}" if number else ""
    listed = devices.split(",")
    os.environ["CUDA_VISIBLE_DEVICES"] = listed[int(number[1]) % len(listed)]
    return f" on GPU {os.environ['CUDA_VISIBLE_DEVICES']}"


def _threads(config: dict[str, Any]) -> int:
    """Threads asked for by the command line, else by the key NVIDIA's backend knows; 0 leaves it to the engine."""
    asked = int(os.environ.get("MATTING_THREADS", "0"))
    if asked:
        return asked
    return int(config.get("parameters", {}).get("intra_op_thread_count", {}).get("string_value", 0))


def _is_probe(request: HasParameters) -> bool:
    parameters = request.parameters()
    return bool(parameters) and PROBE in json.loads(parameters)


def _described(engine: Model, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An empty alpha for images of a shape (n, S, S, 3) that begins with the engine's description and device."""
    alpha = np.zeros((*shape[:3], 1), np.uint8)
    text = np.frombuffer(json.dumps({"engine": engine.description, "device": engine.device}).encode(), np.uint8)
    alpha.reshape(-1)[: len(text)] = text
    return alpha


def _answered(alpha: NDArray[np.uint8]) -> object:
    return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor(OUTPUT, alpha)])


def _failed(message: str, code: object) -> object:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))


def _failed_inference(error: BaseException) -> object:
    message = f"{type(error).__name__}: {error}"
    pb_utils.Logger.log_error(f"inference failed: {message}")
    return _failed(message, pb_utils.TritonError.INTERNAL)
