"""A server of one's own for the benchmark: `matting serve` on free ports, and what can be seen of it from outside."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from matting_client.errors import ServerUnavailable

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
_METRIC = re.compile(r'^(nv_inference_\w+)\{model="(\w+)",version="\d+"\} (\d+)', re.MULTILINE)


def _candidates() -> Iterator[int]:
    """Ports below those that the kernel gives to connections, round and round, from a place of this process's own."""
    first = 11_000  # browsers refuse 10080
    end = max(int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]), first + 1_000)
    place = os.getpid() * 13_453  # the golden section of 21,768 ports: processes that follow each other begin far apart
    while True:
        yield first + place % (end - first)
        place += 1


_CANDIDATES = _candidates()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different.

    No connection takes one of them before it is listened on, as they lie below the range that the kernel chooses from,
    and no other call in this process is given one of them soon again.
    """
    found: list[int] = []
    while len(found) < count:
        port = next(_CANDIDATES)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found


class Server:
    """One running server of `model`, started on entering and gone on leaving.

    Parameters
    ----------
    repository : the model repository; `model` alone is served from it.
    instances : of the model.

    Attributes
    ----------
    cold_start : seconds from the start of the command until the model was ready.
    """

    def __init__(self, repository: Path, model: str, instances: int = 1) -> None:
        self._own = tempfile.TemporaryDirectory(prefix="matting-bench-")
        self.model = model
        folder = Path(self._own.name)
        shutil.copytree(repository / model, folder / "repository" / model)
        config = folder / "repository" / model / "config.pbtxt"
        config.write_text(re.sub(r"count: \d+", f"count: {instances}", config.read_text()))
        self._log = folder / "log"
        self._ready = folder / "ready"
        ports = free_ports(3)
        self.http, self.grpc, self._metrics = (f"127.0.0.1:{port}" for port in ports)
        flags = [f"--{name}-port={port}" for name, port in zip(("http", "grpc", "metrics"), ports, strict=True)]
        self._command = [
            sys.executable,
            "-m",
            "matting_server.main",
            *flags,
            "--model-repository",
            str(config.parents[1]),
        ]
        self._command += ["--triton-http", "--triton-metrics", "--ready-file", str(self._ready)]

    def __enter__(self) -> Self:
        start = time.monotonic()
        with self._log.open("w") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        while not self._ready.exists():
            if self.process.poll() is not None or time.monotonic() - start > READY_SECONDS:
                text = self.log
                self.__exit__(None, None, None)
                raise ServerUnavailable("the benchmark's own server did not start", problem=text.strip()[-500:])
            time.sleep(0.02)
        self.cold_start = time.monotonic() - start
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._own.cleanup()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    @property
    def engine(self) -> str:
        """The engine that the server says it took."""
        found = re.search(r"engine of \w+: (.*)", self.log)
        return found[1] if found else "unknown"

    def counts(self) -> dict[str, int]:
        """The model's counters from the metrics page, by metric name."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=20) as page:
            text = page.read().decode()
        return {name: int(value) for name, of, value in _METRIC.findall(text) if of == self.model}

    def processes(self) -> list[psutil.Process]:
        """The supervisor, Triton and the processes of the model."""
        supervisor = psutil.Process(self.process.pid)
        everyone = [supervisor, *supervisor.children(recursive=True)]
        return [each for each in everyone if each.status() != psutil.STATUS_ZOMBIE]

    def model_cpu(self) -> float:
        """Seconds of CPU that the model's own processes have used."""
        stubs = [each for each in self.processes() if any(f"/{self.model}/" in part for part in each.cmdline()[1:])]
        return sum(sum(each.cpu_times()[:2]) for each in stubs if each.name() != "tritonserver")

    def memory(self) -> float:
        """Bytes that all its processes hold for themselves."""
        return float(sum(each.memory_full_info().uss for each in self.processes()))
