"""Verdicts of the canary against a small real HTTP server that answers as Triton does in each state."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from matting_server import health as health_module
from matting_server import pulse
from matting_server.connections import end_connections
from matting_server.health import Health, ServerBroken
from matting_server.triton_control import Control, TritonRefused
from matting_server.workspace import Workspace, create_workspace

MODEL = "matting_512"
UNHEALTHY = (500, {"error": "Stub process 'matting_512_0_0' is not healthy."})
FULL = (503, {"error": "Exceeds maximum queue size"})
FINE: tuple[int, dict[str, str]] = (200, {})


@dataclass
class Triton:
    """What the server answers, to be changed by a test, and what it was asked."""

    success: int = 0  # of the first version
    versions: tuple[str, ...] = ("1",)
    infer: tuple[int, dict[str, str]] = FINE
    load: tuple[int, dict[str, str]] = FINE
    heals: bool = True  # a load brings the model back
    lets_go: bool = True  # of those who wait for answers that cannot come
    asked: list[str] = field(default_factory=list)
    path: Path = Path()  # of its socket

    def reply(self, path: str) -> tuple[int, object]:
        if path == f"/v2/models/{MODEL}/stats":
            return 200, {"model_stats": [self._stats(version) for version in self.versions]}
        if path == f"/v2/models/{MODEL}":
            return 200, {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}]}
        self.asked.append(path.rsplit("/", 1)[1])
        if path.endswith("/infer"):
            return self.infer
        if path.endswith("/load") and self.load[0] == 200 and self.heals:
            self.infer = FINE
        return self.load

    def _stats(self, version: str) -> dict[str, object]:
        counts = {"success": {"count": self.success if version == "1" else 0}, "fail": {"count": 0}}
        return {"name": MODEL, "version": version, "inference_stats": counts}


@pytest.fixture
def triton() -> Iterator[Triton]:
    state = Triton()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = state.reply(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_UNIX

        def server_bind(self) -> None:
            self.socket.bind(self.server_address)
            self.server_name, self.server_port = "localhost", 0

        def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
            return self.socket.accept()[0], ("", 0)

    folder = tempfile.TemporaryDirectory()  # the path of a socket must be short
    state.path = Path(folder.name) / "http"
    server = Server(str(state.path), Handler)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
    folder.cleanup()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = create_workspace(tmp_path)
    (workspace.models / MODEL / "1").mkdir(parents=True)
    yield workspace
    workspace.close()


@pytest.fixture
def life(workspace: Workspace) -> Path:
    """What the model's process leaves for the supervisor; there is none before it has started."""
    home = workspace.life / MODEL
    home.mkdir(parents=True)
    return home / "matting_512_0_0"


@pytest.fixture
def health(triton: Triton, said: list[str], workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Health:
    monkeypatch.setattr(health_module, "UNLOAD_PAUSE_SECONDS", 0.0)
    return Health(Control(triton.path), workspace, MODEL, said.append, lambda: triton.lets_go)


def test_alive_is_left_alone(triton: Triton, health: Health, said: list[str]) -> None:
    health.check()
    assert triton.asked == ["infer"]
    assert said == []


def test_progress_saves_the_canary(triton: Triton, health: Health) -> None:
    health.check()
    triton.success = 5
    health.check()
    assert triton.asked == ["infer"]
    health.check()
    assert triton.asked == ["infer", "infer"]


def test_work_of_one_version_does_not_hide_another_that_is_dead(
    triton: Triton, health: Health, said: list[str]
) -> None:
    triton.versions = ("1", "2")
    health.check()
    assert triton.asked == ["infer", "infer"]
    triton.success, triton.infer = 5, UNHEALTHY
    health.check()
    assert triton.asked[2:] == ["infer", "load", "infer", "infer"]  # of the second; then of both
    assert "revived" in said[0]


def test_dead_stub_is_revived(triton: Triton, health: Health, said: list[str]) -> None:
    triton.infer = UNHEALTHY
    health.check()
    assert triton.asked == ["infer", "load", "infer"]
    assert said[0].startswith("matting_512: its process had died; revived in ")


def shown(owed: int, pid: int = 0) -> bytes:
    """What a model's process shows of itself."""
    return struct.pack("=5q", owed, pid, 0, 0, 0)


@contextmanager
def living(file: Path, owed: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps; its file is locked, as if by itself."""
    with subprocess.Popen(["/bin/sleep", "600"]) as process, file.open("w+b") as opened:
        opened.write(shown(owed, process.pid))
        opened.flush()
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield process
        process.kill()


def test_a_process_that_lives_is_asked(triton: Triton, health: Health, life: Path) -> None:
    with living(life):
        health.check()
    assert triton.asked == ["infer"]


def test_a_process_that_ended_need_not_be_asked(triton: Triton, health: Health, life: Path, said: list[str]) -> None:
    life.write_bytes(shown(0))
    health.check()
    assert triton.asked == ["load", "infer"]
    assert "revived" in said[0]


@pytest.mark.parametrize("lets_go", [True, False])
def test_who_waits_for_answers_that_cannot_come_has_to_ask_again(
    triton: Triton, health: Health, life: Path, said: list[str], lets_go: bool
) -> None:
    """That is enough; only where the machine forbids it, the whole server is started again."""
    triton.lets_go = lets_go
    life.write_bytes(shown(2))
    if lets_go:
        health.check()
        assert said[0].endswith(", and the callers of its last photos were made to ask again")
    else:
        with pytest.raises(ServerBroken, match="the process of matting_512 died in the middle of photos"):
            health.check()
    assert triton.asked == ["load", "infer"]


def test_only_what_the_dead_owe_counts(triton: Triton, health: Health, life: Path, said: list[str]) -> None:
    life.write_bytes(shown(0))
    with living(life.with_name("matting_512_0_1"), owed=2):
        health.check()
    assert triton.asked == ["load", "infer"]
    assert "ask again" not in said[0]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_process_that_hangs_is_killed(
    triton: Triton, health: Health, life: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """One that is silent and does nothing, but neither at once nor one that works."""
    monkeypatch.setattr(pulse, "HANG_SECONDS", 0.5)
    with living(life) as process:
        if stopped:
            process.send_signal(signal.SIGSTOP)
        health.check()
        triton.infer = UNHEALTHY
        health.check()
        assert process.poll() is None
        time.sleep(0.6)
        health.check()
        assert process.wait(10) == -signal.SIGKILL
    assert "its process has not answered for" in said[0]
    assert "load" not in triton.asked


def test_a_process_that_works_is_left_alone(
    triton: Triton, health: Health, life: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "HANG_SECONDS", 0.5)
    life.write_bytes(shown(0, os.getpid()))  # this process answers nothing, and is at work
    with life.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        triton.infer = UNHEALTHY
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            health.check()
    assert "load" not in triton.asked


def test_full_queue_is_not_death(triton: Triton, health: Health) -> None:
    triton.infer = FULL
    health.check()
    assert triton.asked == ["infer"]


def test_load_that_does_not_help_is_followed_by_unload(triton: Triton, health: Health) -> None:
    triton.infer, triton.heals = UNHEALTHY, False
    with pytest.raises(ServerBroken, match="matting_512 is dead and cannot be loaded again"):
        health.check()
    assert triton.asked == ["infer", "load", "infer", "unload", "load", "infer"]


def test_errors_carry_status_and_message(triton: Triton) -> None:
    triton.infer = FULL
    control = Control(triton.path)
    with pytest.raises(TritonRefused, match="Exceeds maximum queue size") as refused:
        control.probe(MODEL, "", control.inputs(MODEL), 1.0)
    assert refused.value.status == 503


def test_nobody_there_is_not_ready(tmp_path: Path) -> None:
    assert Control(tmp_path / "none").ready() is False


def test_a_server_that_dies_before_the_first_look_is_no_surprise(said: list[str], tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path)
    try:
        Health(Control(tmp_path / "none"), workspace, MODEL, said.append, lambda: True).check()
    finally:
        workspace.close()
    assert said == []


def test_descriptors_that_change_meanwhile_are_passed_over() -> None:
    def change() -> None:
        while not stop.is_set():
            for kind in (socket.socket, lambda: os.fdopen(os.open("/dev/null", 0))):
                for each in [kind() for _ in range(40)]:
                    each.close()

    before, stop = psutil.Process().num_fds(), threading.Event()
    thread = threading.Thread(target=change)
    thread.start()
    ended = {end_connections(os.getpid(), 1, Path("/nowhere")) for _ in range(300)}
    stop.set()
    thread.join()
    assert ended == {0} and psutil.Process().num_fds() < before + 20  # other tests may have some at work
