"""Verdicts of the canary against a small real HTTP server that answers as Triton does in each state."""

from __future__ import annotations

import fcntl
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from matting_server import health as health_module
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

    success: int = 0
    infer: tuple[int, dict[str, str]] = FINE
    load: tuple[int, dict[str, str]] = FINE
    heals: bool = True  # a load brings the model back
    asked: list[str] = field(default_factory=list)
    admin: list[str | None] = field(default_factory=list)
    port: int = 0

    def reply(self, path: str) -> tuple[int, object]:
        if path == "/v2/models/stats":
            counts = {"success": {"count": self.success}, "fail": {"count": 0}}
            return 200, {"model_stats": [{"name": MODEL, "inference_stats": counts}]}
        if path == f"/v2/models/{MODEL}":
            return 200, {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}]}
        self.asked.append(path.rsplit("/", 1)[1])
        if path.endswith("/infer"):
            return self.infer
        if path.endswith("/load") and self.load[0] == 200 and self.heals:
            self.infer = FINE
        return self.load


@pytest.fixture
def triton() -> Iterator[Triton]:
    state = Triton()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if "repository" in self.path:
                state.admin.append(self.headers["x-unet-matting-admin"])
            status, content = state.reply(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


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
    return Health(Control("127.0.0.1", triton.port, "secret"), workspace, [MODEL], said.append)


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


def test_dead_stub_is_revived(triton: Triton, health: Health, said: list[str]) -> None:
    triton.infer = UNHEALTHY
    health.check()
    assert triton.asked == ["infer", "load", "infer"]
    assert triton.admin == ["secret"]
    assert said[0].startswith("matting_512: its process had died; revived in ")


def test_a_process_that_lives_is_asked(triton: Triton, health: Health, life: Path) -> None:
    life.write_bytes(bytes(8))
    with life.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        health.check()
    assert triton.asked == ["infer"]


def test_a_process_that_ended_need_not_be_asked(triton: Triton, health: Health, life: Path, said: list[str]) -> None:
    life.write_bytes(bytes(8))
    health.check()
    assert triton.asked == ["load", "infer"]
    assert "revived" in said[0]


def test_answers_that_nobody_can_give_need_a_restart(triton: Triton, health: Health, life: Path) -> None:
    life.write_bytes((2).to_bytes(8, sys.byteorder))
    with pytest.raises(ServerBroken, match="the process of matting_512 died in the middle of photos"):
        health.check()
    assert triton.asked == []


def test_only_what_the_dead_owe_counts(triton: Triton, health: Health, life: Path) -> None:
    life.write_bytes(bytes(8))
    other = life.with_name("matting_512_0_1")
    other.write_bytes((2).to_bytes(8, sys.byteorder))
    with other.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        health.check()
    assert triton.asked == ["load", "infer"]


def test_full_queue_is_not_death(triton: Triton, health: Health) -> None:
    triton.infer = FULL
    health.check()
    assert triton.asked == ["infer"]


def test_load_that_does_not_help_is_followed_by_unload(triton: Triton, health: Health) -> None:
    triton.infer, triton.heals = UNHEALTHY, False
    with pytest.raises(ServerBroken, match="matting_512 is dead and cannot be loaded again"):
        health.check()
    assert triton.asked == ["infer", "load", "infer", "unload", "load", "infer"]


def test_silence_for_long_is_a_hang(triton: Triton, health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    triton.infer = FULL
    health.check()
    monkeypatch.setattr(health_module, "HANG_SECONDS", 0.0)
    with pytest.raises(ServerBroken, match="has not answered for 0 s"):
        health.check()


def test_errors_carry_status_and_message(triton: Triton) -> None:
    triton.infer = FULL
    control = Control("127.0.0.1", triton.port, "secret")
    with pytest.raises(TritonRefused, match="Exceeds maximum queue size") as refused:
        control.probe(MODEL, control.inputs(MODEL), 1.0)
    assert refused.value.status == 503


def test_nobody_there_is_not_ready() -> None:
    assert Control("127.0.0.1", 9, "secret").ready() is False


def test_a_server_that_dies_before_the_first_look_is_no_surprise(said: list[str], tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path)
    try:
        Health(Control("127.0.0.1", 9, "secret"), workspace, [MODEL], said.append).check()
    finally:
        workspace.close()
    assert said == []
