"""A real process is kept running, with growing pauses, until that makes no sense any more."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from matting_server import managed_process as service_module
from matting_server.errors import ServeError
from matting_server.managed_process import Program, Service
from matting_server.process import Child


@pytest.fixture
def make() -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def build(code: str, ready: Callable[[], bool] = lambda: True, **options: float) -> Service:
        program = Program("the program", [sys.executable, "-c", code], dict(os.environ), ready, **options)
        said: list[str] = []
        made.append(Service(program, said.append, lambda line: None))
        made[-1].said = said  # type: ignore[attr-defined]
        return made[-1]

    yield build
    for each in made:
        each.stop()


def _tick_until(service: Service, done: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        service.tick()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_restarts_what_died(make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "FIRST_PAUSE_SECONDS", 0.05)
    service = make("import time; time.sleep(60)")
    _tick_until(service, lambda: service.is_ready)
    assert service._child is not None
    os.kill(service._child.pid, signal.SIGKILL)
    _tick_until(service, lambda: service.starts == 2 and service.is_ready)
    assert service.said == [  # type: ignore[attr-defined]
        "the program was killed by signal 9; starting it again in 0.05 s"
    ]


def test_gives_up_after_quick_deaths(make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "FIRST_PAUSE_SECONDS", 0.01)
    service = make("import time; time.sleep(60)")
    with pytest.raises(ServeError, match="5 times within 60 s; giving up"):
        for _ in range(10):
            _tick_until(service, lambda: service.is_ready)
            service.fail("is stopped for the test")
    pauses = [line.rsplit(" ", 2)[1] for line in service.said]  # type: ignore[attr-defined]
    assert pauses == ["0.01", "0.02", "0.04", "0.08"]


def test_first_death_says_why(make: Callable[..., Service]) -> None:
    service = make("import sys; print('no such model'); sys.exit(3)", ready=lambda: False)
    with pytest.raises(ServeError, match="the program ended with exit code 3 before it was ready: no such model"):
        _tick_until(service, lambda: False)


def test_never_ready_is_a_death(make: Callable[..., Service]) -> None:
    service = make("import time; time.sleep(60)", ready=lambda: False, start_seconds=0.2)
    with pytest.raises(ServeError, match="was not ready after 0 s"):
        _tick_until(service, lambda: False)


def test_burying_takes_the_whole_group() -> None:
    code = (
        "import subprocess, sys; subprocess.Popen(['sleep', '60']); print('on', flush=True); sys.stdin.read(); "
        "import time; time.sleep(60)"
    )
    lines: list[str] = []
    child = Child([sys.executable, "-c", code], dict(os.environ), lines.append)
    while not lines:
        time.sleep(0.01)
    (grandchild,) = psutil.Process(child.pid).children()
    child.bury()
    with contextlib.suppress(psutil.NoSuchProcess):
        grandchild.wait(5)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_stubborn_child_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    lines: list[str] = []
    child = Child([sys.executable, "-c", code], dict(os.environ), lines.append)
    while not lines:
        time.sleep(0.01)
    child.stop(0.2)
    assert child.exit_code() == -signal.SIGKILL


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    code = """
import os, sys, time
from matting_server.process import Child
child = Child(["/bin/sleep", "60"], dict(os.environ), print)
print(child.pid, flush=True)
time.sleep(60)
"""
    root = Path(__file__).resolve().parents[3]
    with psutil.Popen([sys.executable, "-c", code], cwd=root, stdout=-1, text=True) as parent:
        assert parent.stdout is not None
        sleeper = psutil.Process(int(parent.stdout.readline()))
        deadline = time.monotonic() + 20
        while sleeper.name() != "sleep":  # the launcher has handed over
            assert time.monotonic() < deadline
            time.sleep(0.01)
        parent.kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            sleeper.wait(10)
        assert not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE


def test_launcher_restores_signals_and_raises_the_stack() -> None:
    lines: list[str] = []
    code = (
        "import resource, signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), "
        "resource.getrlimit(resource.RLIMIT_STACK))"
    )
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        child = Child([sys.executable, "-c", code], dict(os.environ), lines.append)
        while child.exit_code() is None:
            time.sleep(0.01)
        child.bury()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
    mask, limits = lines[0].split(") (")[0], lines[0].split("(")[-1].rstrip(")").split(", ")
    assert "SIGINT" not in mask
    soft, hard = (int(value) for value in limits)
    assert soft in (-1, hard) or soft >= 256 * 2**20
