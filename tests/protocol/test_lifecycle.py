"""Starting, refusing to start, and ending without a trace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from matting_bench.server_process import free_ports

from tests.protocol.serving import ROOT, SIZES, Served, left_since, leftovers
from tests.support.processes import still_running


@pytest.fixture
def start() -> Iterator[Callable[..., Served]]:
    """Start servers of this test's own; whatever the test does, they are ended."""
    started: list[Served] = []

    def begin(*arguments: str, ports: list[int] | None = None) -> Served:
        started.append(Served(list(arguments), ports or free_ports(3)))
        return started[-1]

    yield begin
    for server in started:
        server.stop()


class Ignoring:
    """Processes started inside ignore a signal, as under `nohup`."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __enter__(self) -> None:
        self._old = signal.signal(self._number, signal.SIG_IGN)

    def __exit__(self, *reason: object) -> None:
        signal.signal(self._number, self._old)


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ends_without_a_trace(start: Callable[..., Served], with_signal: signal.Signals) -> None:
    before = leftovers()
    server = start().wait_ready()
    assert leftovers() - before, "the check below would see nothing"
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert len(family) == 4  # Triton, two models, the gateway
    assert server.stop(with_signal) == 0
    assert still_running(family, 0) == []
    assert left_since(before) == set()


def test_nohup_is_obeyed(one_model: list[str]) -> None:
    with Ignoring(signal.SIGHUP):
        server = Served(one_model).wait_ready()
    try:
        server.process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(3)
        assert server.is_ready()
    finally:
        assert server.stop() == 0


def test_stops_at_once_while_starting(start: Callable[..., Served]) -> None:
    before = leftovers()
    server = start()
    deadline = time.monotonic() + 30
    while leftovers() <= before:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.02)
    assert server.stop() == 0
    assert left_since(before) == set()


def test_killed_supervisor_takes_its_server_along(start: Callable[..., Served], one_model: list[str]) -> None:
    before = leftovers()
    server = start(*one_model).wait_ready()
    family = server.processes()
    server.process.kill()
    server.process.wait()
    assert still_running(family) == []
    # What only the supervisor could remove is removed by the next one.
    assert start(*one_model).wait_ready().stop() == 0
    assert left_since(before) == set()


def test_start_at_once_after_a_kill_of_everything(start: Callable[..., Served]) -> None:
    """Supervisor and Triton are gone without a word; the models' processes, and perhaps the ports, are not."""
    before = leftovers()
    server = start().wait_ready()
    stubs = [server.stub(model) for model in SIZES]
    for stub in stubs:
        stub.suspend()  # one that cannot notice that its parent has died
    triton = server.triton()
    server.process.kill()
    triton.kill()
    server.process.wait()
    again = start(ports=server.ports).wait_ready()
    assert still_running(stubs) == []
    assert again.stop() == 0
    assert left_since(before) == set()


def test_two_servers_live_side_by_side(served: Served, start: Callable[..., Served], one_model: list[str]) -> None:
    before = leftovers()
    other = start(*one_model).wait_ready()
    assert other.is_ready()
    assert other.stop() == 0
    assert left_since(before) == set()
    assert {each for each in before - leftovers() if "python_env" not in each} == set()  # those are of nobody's use


@pytest.mark.parametrize(("index", "option"), [(0, "--http-port"), (1, "--grpc-port"), (2, "--metrics-port")])
def test_a_taken_port_is_named(served: Served, start: Callable[..., Served], index: int, option: str) -> None:
    ports = free_ports(3)
    ports[index] = served.ports[index]
    second = start(ports=ports)
    assert second.process.wait(30) == 2
    line = f"matting serve: port {ports[index]} on 127.0.0.1 is taken: stop the program that uses it, or choose"
    assert second.log.startswith(line)
    assert option in second.log
    assert second.log.count("\n") == 1


def test_a_broken_model_is_named(start: Callable[..., Served], tmp_path: Path) -> None:
    model = tmp_path / "matting_512"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.onnx").write_bytes(b"not a model")
    (model / "config.pbtxt").write_bytes((ROOT / "model_repository/matting_512/config.pbtxt").read_bytes())
    before = leftovers()
    server = start("--model-repository", str(tmp_path))
    assert server.process.wait(60) == 1
    last = server.log.strip().splitlines()[-1]
    assert last.startswith("matting serve: Triton ended with exit code 1 before it was ready: ")
    assert "matting_512" in server.log
    assert left_since(before) == set()


def test_a_cleaned_folder_ends_it(one_model: list[str], tmp_path: Path) -> None:
    """Whoever watches it starts it again, in a new one."""
    server = Served(one_model, environment={"TMPDIR": str(tmp_path)}).wait_ready()
    try:
        (folder,) = tmp_path.glob("unet-matting-*")
        shutil.rmtree(folder / "models")
        assert server.process.wait(30) == 1
        assert server.log.strip().splitlines()[-1].startswith(f"matting serve: {folder}: somebody, or what cleans")
    finally:
        server.stop()


def test_a_read_only_repository_is_enough(start: Callable[..., Served], tmp_path: Path) -> None:
    """Reviving touches files: never those of the user."""
    repository = ROOT / "model_repository"
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    server = start().wait_ready()
    server.stub("matting_512").kill()
    deadline = time.monotonic() + 30
    while "revived" not in server.log:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.1)
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_other_machines_are_warned_about(start: Callable[..., Served], one_model: list[str]) -> None:
    server = start("--host", "0.0.0.0", *one_model).wait_ready()
    assert "warning supervisor: 0.0.0.0 opens Triton to other machines." in server.log.splitlines()[0]
    assert server.is_ready()


def test_help_shows_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "matting_server.main", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 0
    assert "matting serve --page" in done.stdout
