"""A real server for tests: `matting serve` on free ports, and what can be seen of it from outside."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import tritonclient.grpc as grpcclient
from matting_client.triton import shm

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90.0  # generous: the machine may be busy with something else
STOP_SECONDS = 30.0
SIZES = {"matting_512": 512, "matting_1024": 1024}
SERVER_NAMES = ("tritonserver", "triton_python_backend_stub")
_METRIC = re.compile(r'^(nv_inference_\w+)\{model="(\w+)",version="\d+"\} (\d+)', re.MULTILINE)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on; all different, since all are held while we look."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@dataclass
class Served:
    """One running `matting serve`."""

    arguments: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    environment: dict[str, str] = field(default_factory=dict)  # beside the test's own
    everything: bool = True  # HTTP and metrics, too, which are off by default

    def __post_init__(self) -> None:
        self.ready_file = Path(tempfile.gettempdir(), f"matting-test-{uuid.uuid4().hex}")
        self.log_file = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the server
        flags = ("--http-port", "--grpc-port", "--metrics-port")
        ports = [text for flag, port in zip(flags, self.ports, strict=True) for text in (flag, str(port))]
        if self.everything:
            ports += ["--triton-http", "--triton-metrics"]
        ports += ["--ready-file", str(self.ready_file)]
        # A terminal's Ctrl-C meant for pytest must not reach it: pytest ends it itself.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "matting_server.main", *ports, *self.arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=self.log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def http(self) -> str:
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.ports[1]}"

    @property
    def log(self) -> str:
        if self.log_file.closed:
            return self._last_log
        # Read through another offset than the one the server writes at.
        size = os.fstat(self.log_file.fileno()).st_size
        return os.pread(self.log_file.fileno(), size, 0).decode(errors="replace")

    def wait_ready(self) -> Served:
        deadline = time.monotonic() + READY_SECONDS
        while not self.ready_file.exists():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < deadline, f"not ready after {READY_SECONDS} s:\n{self.log}"
            time.sleep(0.1)
        return self

    def wait_healed(self) -> None:
        """Wait until it answers, twice in a row: a process that is about to be replaced may answer once."""
        deadline = time.monotonic() + READY_SECONDS
        answers = 0
        while answers < 2:
            assert time.monotonic() < deadline, self.log
            answers = answers + 1 if self.is_ready() else 0
            time.sleep(2.0)

    def is_ready(self) -> bool:
        try:
            return self.get("/v2/health/ready")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path: str, port: int | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.ports[0], timeout=20)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def regions(self) -> list[str]:
        """Names of the shared memory that clients in this process have registered."""
        with grpcclient.InferenceServerClient(self.grpc) as client:
            found = client.get_system_shared_memory_status(headers=shm.token_headers(self.grpc), as_json=True)
        names = list(found.get("regions", {}))
        return [name for name in names if name.startswith(f"{shm.PREFIX}{os.getpid()}_")]

    def counts(self, model: str) -> dict[str, int]:
        """The model's counters from the metrics page, by metric name."""
        text = self.get("/metrics", self.ports[2])[1].decode()
        return {name: int(value) for name, of, value in _METRIC.findall(text) if of == model}

    def processes(self) -> list[psutil.Process]:
        """Triton and the processes of the models."""
        everyone = psutil.Process(self.process.pid).children(recursive=True)
        # Triton never collects a model's process that was killed: it stays in the table as a zombie.
        return [each for each in everyone if _comm(each) in _COMMS and each.status() != psutil.STATUS_ZOMBIE]

    def triton(self) -> psutil.Process:
        return next(each for each in self.processes() if _comm(each) == "tritonserver")

    def stub(self, model: str) -> psutil.Process:
        """The process that runs ``model``."""
        found = [each for each in self.processes() if any(f"/{model}/" in part for part in each.cmdline()[1:])]
        return next(each for each in found if _comm(each) != "tritonserver")

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """End it; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self._last_log = self.log
            self.ready_file.unlink(missing_ok=True)  # of one that was killed
            self.log_file.close()


def leftovers() -> set[str]:
    """Everything our servers may leave on this machine: shared memory, temporary folders, processes."""
    shared = {f"/dev/shm/{path.name}" for path in Path("/dev/shm").glob("unet_matting_*")}
    temporary = Path(tempfile.gettempdir())
    folders = {str(path) for pattern in ("*unet-matting-*", "python_env_*") for path in temporary.glob(pattern)}
    running = {f"process {each.pid} {each.name()}" for each in psutil.process_iter() if each.name() in _COMMS}
    return shared | folders | running


_COMMS = {name[:15] for name in SERVER_NAMES} | set(SERVER_NAMES)


def _comm(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""
