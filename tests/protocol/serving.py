"""A real server for tests: `matting serve` on free ports, and what can be seen of it from outside."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import tritonclient.grpc as grpcclient
from matting_bench.server_process import free_ports
from matting_client import shared_folders
from matting_client.triton import shm
from matting_server.orphans import FOLDER_PREFIX, OWNER_VARIABLE, SHM, SHM_PREFIX

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90.0  # generous: the machine may be busy with something else
STOP_SECONDS = 30.0
STAYS_SECONDS = 10.0
SIZES = {"matting_512": 512, "matting_1024": 1024}
SERVER_NAMES = ("tritonserver", "triton_python_backend_stub")
_METRIC = re.compile(r'^(nv_inference_\w+)\{model="(\w+)",version="\d+"\} (\d+)', re.MULTILINE)


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
        while True:
            answers = answers + 1 if self.is_ready() else 0
            if answers == 2:
                return
            assert time.monotonic() < deadline, self.log
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
    """Everything that servers of this test process may leave: shared memory, temporary folders, processes.

    Test processes that run beside each other have a TMPDIR each (`tests/conftest.py`), which shows whose a thing is.
    """
    temporary = Path(tempfile.gettempdir())
    folders = {str(path) for path in temporary.glob("*unet-matting-*")}
    running = {f"process {each.pid} {each.name()}" for each in psutil.process_iter() if _is_ours(each, temporary)}
    return _shared_memory(temporary) | _scratch_folders(temporary) | folders | running


def left_since(before: set[str]) -> set[str]:
    """What has come since `leftovers` were looked at, and stays: servers beside us come and go."""
    end = time.monotonic() + STAYS_SECONDS
    while (left := leftovers() - before) and time.monotonic() < end:
        time.sleep(0.5)
    return left


def _is_ours(process: psutil.Process, temporary: Path) -> bool:
    try:
        if process.name() not in _COMMS:
            return False
        return Path(process.environ().get(OWNER_VARIABLE, "")).is_relative_to(temporary)
    except psutil.Error:  # it has just ended
        return False


def _shared_memory(temporary: Path) -> set[str]:
    """All but that of servers beside us that live, and of their clients."""
    tokens = {folder.name.removeprefix(FOLDER_PREFIX) for folder in _servers_beside(temporary)}
    found = set()
    for path in SHM.glob(f"{SHM_PREFIX}*"):
        client = re.match(rf"{shm.PREFIX}(\d+)_", path.name)
        token = re.split("[_.]", path.name.removeprefix(SHM_PREFIX))[0]
        if not (_is_beside_us(int(client[1])) if client else token in tokens):
            found.add(str(path))
    return found


def _is_beside_us(pid: int) -> bool:
    """Whether a process lives that is neither this one nor of its family."""
    try:
        return os.getpid() not in {pid, *(each.pid for each in psutil.Process(pid).parents())}
    except psutil.NoSuchProcess:
        return False


def _scratch_folders(temporary: Path) -> set[str]:
    """All in /tmp, which Triton takes for them whatever TMPDIR says, but those that servers beside us have noted."""
    end = time.monotonic() + READY_SECONDS
    while True:
        beside = _servers_beside(temporary)
        found = {str(path) for path in Path("/tmp").glob("python_env_*")}
        noted = {line for folder in beside for line in _lines(folder / "scratch")}
        if found <= noted or not any(_is_starting(folder) for folder in beside) or time.monotonic() > end:
            return found - noted
        time.sleep(0.1)  # one that is starting will note its own


def _is_starting(workspace: Path) -> bool:
    """Whether a server starts there, and lives: it holds the folder's lock."""
    if not (workspace / "starting").exists():
        return False
    try:
        place = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(place, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(place)
    return False


def _servers_beside(temporary: Path) -> list[Path]:
    """The folders of servers that others have started: those that live, and those of other test processes."""
    above = temporary.parent
    found = {path for inner in ("", "*/") for path in shared_folders.find_below(above, f"{inner}{FOLDER_PREFIX}*")}
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has just ended, or is another user's
            found.add(Path(process.environ().get(OWNER_VARIABLE, temporary)))
    return [path for path in found if not path.is_relative_to(temporary)]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except FileNotFoundError:
        return []


_COMMS = {name[:15] for name in SERVER_NAMES} | set(SERVER_NAMES)


def _comm(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""
