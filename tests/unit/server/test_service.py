"""A real process is kept running, with growing pauses, until that makes no sense any more."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from matting_server import managed_process, pulse
from matting_server.managed_process import Listeners, Program, Service
from matting_server.process import Child

from tests.support.processes import still_running


@dataclass
class Kept:
    """A service of one test, and what it said."""

    service: Service
    said: list[str]

    def until(self, done: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)


@pytest.fixture
def make() -> Iterator[Callable[..., Kept]]:
    made: list[Kept] = []

    def build(code: str, ready: Callable[[], bool] = lambda: True, **options: float) -> Kept:
        program = Program("the program", [sys.executable, "-c", code], dict(os.environ), ready, **options)
        said: list[str] = []
        made.append(Kept(Service(program, Listeners(said.append, lambda line: None)), said))
        made[-1].service.start()
        return made[-1]

    yield build
    for each in made:
        each.service.stop(5)


SLEEP = "import time; time.sleep(600)"


def test_restarts_what_died(make: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managed_process, "FIRST_PAUSE_SECONDS", 0.05)
    kept = make(SLEEP)
    kept.until(lambda: kept.service.is_ready)
    assert kept.service.pid is not None
    os.kill(kept.service.pid, signal.SIGKILL)
    kept.until(lambda: kept.service.starts == 2 and kept.service.is_ready)
    (said,) = kept.said
    assert said.endswith("was killed by signal 9 (by somebody, or for want of memory); starting it again in 0.05 s")


def test_a_start_that_fails_once_is_tried_again(make: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a limit of processes or memory is reached just after a death."""
    monkeypatch.setattr(managed_process, "FIRST_PAUSE_SECONDS", 0.05)
    kept = make(SLEEP)
    kept.until(lambda: kept.service.is_ready)
    failures = [BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")]

    def start(*given: Any) -> Child:
        if failures:
            raise failures.pop()
        return Child(*given)

    monkeypatch.setattr(managed_process, "Child", start)
    kept.service.fail("is stopped for the test")
    kept.until(lambda: kept.service.starts == 2 and kept.service.is_ready)
    assert kept.said[1] == (
        "the program could not be started (Resource temporarily unavailable); starting it again in 0.1 s"
    )
    assert kept.service.failure is None


def test_what_cannot_be_collected_keeps_nobody_from_starting(
    make: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managed_process, "FIRST_PAUSE_SECONDS", 0.05)
    kept = make(SLEEP)
    kept.until(lambda: kept.service.is_ready)

    def stuck(child: Child) -> None:
        monkeypatch.undo()
        raise subprocess.TimeoutExpired("the program", 5)

    monkeypatch.setattr(Child, "bury", stuck)
    kept.service.fail("is stopped for the test")
    kept.until(lambda: kept.service.starts == 2 and kept.service.is_ready)
    assert "what it left is not collected" in kept.said[0]


def test_it_is_started_again_without_end(make: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses grow, up to the longest one."""
    monkeypatch.setattr(managed_process, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(managed_process, "LONGEST_PAUSE_SECONDS", 0.1)
    kept = make(SLEEP)
    for starts in range(1, 8):
        kept.until(lambda starts=starts: kept.service.starts == starts and kept.service.is_ready)
        kept.service.fail("is stopped for the test")
    kept.until(lambda: len(kept.said) == 7)
    assert [line.rsplit(" ", 2)[1] for line in kept.said] == ["0.01", "0.02", "0.04", "0.08", "0.1", "0.1", "0.1"]
    assert kept.service.failure is None


def test_none_waits_for_another(make: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    """One dies all the time and one is asked in vain; the third comes back at once."""
    monkeypatch.setattr(managed_process, "FIRST_PAUSE_SECONDS", 0.05)
    dying = make("", ready=lambda: True)
    over = threading.Event()
    deaf = make(SLEEP, ready=lambda: over.wait(60) and False)
    kept = make(SLEEP)
    kept.until(lambda: kept.service.is_ready)
    assert kept.service.pid is not None
    os.kill(kept.service.pid, signal.SIGKILL)
    kept.until(lambda: kept.service.starts == 2 and kept.service.is_ready, 10)
    assert not deaf.service.is_ready
    assert dying.service.pid != kept.service.pid
    over.set()
    monkeypatch.undo()


def test_one_that_hangs_is_found_out_as_long_as_it_runs(
    make: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managed_process, "ASKING_SECONDS", 0.05)
    monkeypatch.setattr(managed_process, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(pulse, "HANG_SECONDS", 0.5)
    answers = [True]
    kept = make(SLEEP, ready=lambda: answers[0])
    kept.until(lambda: kept.service.is_ready)
    answers[0] = False
    kept.until(lambda: kept.service.starts == 2)
    answers[0] = True
    kept.until(lambda: kept.service.is_ready)
    assert kept.said[0].startswith("the program has not answered for ")


def test_one_that_is_slow_is_left_alone(make: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers nothing, and is at work, beside eight other processes that burn CPU."""
    monkeypatch.setattr(managed_process, "ASKING_SECONDS", 0.05)
    monkeypatch.setattr(pulse, "HANG_SECONDS", 0.1)
    looks: list[bool] = []

    class CountedPulse(pulse.Pulse):
        def is_dead(self, *, is_starting: bool = False) -> bool:
            looks.append(super().is_dead(is_starting=is_starting))
            return looks[-1]

    monkeypatch.setattr(managed_process, "Pulse", CountedPulse)
    burn = "while True: pass"
    burners = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(8)]
    try:
        answers = [True]
        kept = make(burn, ready=lambda: answers[0])
        kept.until(lambda: kept.service.is_ready)
        answers[0] = False
        kept.until(lambda: len(looks) >= 10)
        assert (kept.service.starts, kept.said, any(looks)) == (1, [], False)
    finally:
        for each in burners:
            each.kill()
            each.wait()


def test_it_is_asked_as_one_that_starts_until_it_is_ready(
    make: Callable[..., Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    class Noted(pulse.Pulse):
        def is_dead(self, *, is_starting: bool = False) -> bool:
            asked.append(is_starting)
            return False

    monkeypatch.setattr(managed_process, "Pulse", Noted)
    monkeypatch.setattr(managed_process, "ASKING_SECONDS", 0.05)
    answers = [False]
    kept = make(SLEEP, ready=lambda: answers[0])
    kept.until(lambda: len(asked) > 1)
    assert all(asked)
    answers[0] = True
    kept.until(lambda: kept.service.is_ready)
    answers[0] = False
    asked.clear()
    kept.until(lambda: len(asked) > 1)
    assert not any(asked[1:])


def test_one_that_was_stopped_ends_cleanly(make: Callable[..., Kept], tmp_path: Path) -> None:
    file = tmp_path / "ended"
    code = f"import pathlib, signal, sys; signal.signal(15, lambda *_: sys.exit(pathlib.Path({str(file)!r}).touch()))"
    kept = make(f"{code}; pathlib.Path({str(tmp_path)!r}, 'on').touch(); import time; time.sleep(600)")
    kept.until((tmp_path / "on").exists)
    assert kept.service.pid is not None
    os.kill(kept.service.pid, signal.SIGSTOP)
    kept.service.stop(20)
    assert file.exists()


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
    assert still_running([grandchild]) == []


def test_burying_collects_what_the_child_left() -> None:
    """Without help from the first process of the machine: what nobody collects stays in the table for ever."""
    code = """
import os, sys, time
import psutil
from matting_server.process import Child, adopt_orphans
adopt_orphans()
lines = []
start = "import subprocess; subprocess.Popen(['sleep', '60']); print('on', flush=True); import time; time.sleep(60)"
child = Child([sys.executable, "-c", start], dict(os.environ), lines.append)
while not lines:
    time.sleep(0.01)
grandchild, = psutil.Process(child.pid).children()
child.kill()
while grandchild.ppid() != os.getpid():
    time.sleep(0.01)
child.bury()
print(psutil.Process().children(), grandchild.is_running())
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[] False\n", done.stderr


def test_stubborn_child_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    lines: list[str] = []
    child = Child([sys.executable, "-c", code], dict(os.environ), lines.append)
    while not lines:
        time.sleep(0.01)
    child.stop(0.2)
    assert child.wait(0) == -signal.SIGKILL


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
        assert still_running([sleeper]) == []


def test_launcher_restores_signals_and_raises_the_stack() -> None:
    lines: list[str] = []
    code = (
        "import resource, signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), "
        "resource.getrlimit(resource.RLIMIT_STACK))"
    )
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        child = Child([sys.executable, "-c", code], dict(os.environ), lines.append)
        assert child.wait(20) == 0
        child.bury()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
    mask, limits = lines[0].split(") (")[0], lines[0].split("(")[-1].rstrip(")").split(", ")
    assert "SIGINT" not in mask
    soft, hard = (int(value) for value in limits)
    assert soft in (-1, hard) or soft >= 256 * 2**20
