"""Signals that ask for an end: noted, not raised; obeyed even where a photo never comes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from matting_client.cli import interruption, outage
from matting_client.cli.inputs import Job
from matting_client.cli.interruption import Interruption
from matting_client.cli.outage import Outage
from matting_client.cli.review import Outcome
from matting_client.cli.work import Work
from matting_client.client import MattingClient
from matting_client.errors import ServerBusy, ServerUnavailable
from matting_client.imaging import encode
from matting_client.options import Options

GONE = ServerUnavailable("127.0.0.1:1", problem="gone")
RUN = """
import sys
from matting_client.cli import interruption, main
interruption.GRACE = float(sys.argv.pop(1))
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_a_signal_is_noted_and_strikes_nobody(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock's owner would be cut off between taking it and giving it back."""
    monkeypatch.setattr(
        interruption, "ECHO", 60.0
    )  # a busy machine may pause between the two, and this process would end
    every = (*interruption.SIGNALS, signal.SIGALRM)
    before = [signal.getsignal(each) for each in every]
    condition = threading.Condition()
    with Interruption() as noted:
        noted.check()
        with condition:
            signal.raise_signal(number)
            signal.raise_signal(number)  # one wish that comes twice
        assert noted.is_set()
        noted.sleep(3600)
        with pytest.raises(KeyboardInterrupt):
            noted.check()
    assert [signal.getsignal(each) for each in every] == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_what_is_done_after_the_signal_is_told() -> None:
    """Its result is written, so that a list of results without it would never have it."""

    class Late(Work):
        def one(self, job: Job) -> Outcome | None:
            if self.interruption.is_set():
                return None
            both.wait(60)
            if job is jobs[0]:
                signal.raise_signal(signal.SIGINT)
            until(self.interruption.is_set)
            time.sleep(0.2)
            return Outcome(False, 0.0)

    both = threading.Barrier(2)
    jobs = [Job(Path(name), Path(name)) for name in ("a", "b", "c", "d")]
    told: list[Outcome | None] = []
    with Interruption() as noted:
        work = Late(cast(MattingClient, None), Options(), noted, Outage(0, print, noted))
        with pytest.raises(KeyboardInterrupt):
            for _, done in work.through(jobs, workers=2):
                told.append(done.result())
    assert [each for each in told if each] == [Outcome(False, 0.0)] * 2


def test_no_other_thread_may_note_signals() -> None:
    def enter() -> None:
        with Interruption() as noted:
            seen.append(noted.is_set())

    seen: list[bool] = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]


@contextmanager
def waiting_for_its_photo(environment: dict[str, str], grace: float) -> Iterator[subprocess.Popen[bytes]]:
    """`matting cutout -`, whose photo never comes."""
    command = [sys.executable, "-c", RUN, str(grace), "cutout", "-", "-o", "-", "--engine", "local"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until(lambda: catches(process.pid, signal.SIGTERM))
        try:
            yield process
        finally:
            process.kill()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def catches(pid: int, number: signal.Signals) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(mask >> (number - 1) & 1)


def test_a_second_signal_ends_it_at_once(environment: dict[str, str]) -> None:
    with waiting_for_its_photo(environment, grace=3600) as process:
        process.send_signal(signal.SIGINT)
        until(lambda: catches(process.pid, signal.SIGALRM))  # noted
        assert process.poll() is None
        time.sleep(2 * interruption.ECHO)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        assert process.stderr is not None and process.stderr.read() == b"matting cutout: interrupted\n"


def test_one_signal_ends_what_would_wait_for_ever(environment: dict[str, str]) -> None:
    with waiting_for_its_photo(environment, grace=0.1) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        assert process.stderr is not None and process.stderr.read() == b"matting cutout: interrupted\n"


def test_an_end_without_clean_up_leaves_no_half_file(tmp_path: Path) -> None:
    """A pipe in place of the file's beginning: its writer waits, as for a slow disk."""
    script = """
import os, sys, threading
from pathlib import Path
from matting_client.imaging import encode
from matting_client.cli.interruption import Interruption
folder = Path(sys.argv[1])
encode.secrets.token_hex = lambda count: "0"
open_file = Path.open
def slow(path, mode):
    file = open_file(path, mode)
    begun.set()
    threading.Event().wait()
Path.open = slow
begun = threading.Event()
threading.Thread(target=encode.write, args=(folder / "a.png", b"x"), daemon=True).start()
begun.wait()
assert os.listdir(folder), "the beginning is there"
Interruption("matting cutout")._leave()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, b"matting cutout: interrupted\n")
    assert list(tmp_path.iterdir()) == []
    encode.write(tmp_path / "b.png", b"x")
    assert encode._unfinished == set()


@pytest.mark.parametrize(("error", "word"), [(GONE, "gone"), (ServerBusy("127.0.0.1:1", problem="full"), "busy")])
def test_an_outage_is_told_once_and_ends(
    error: ServerBusy | ServerUnavailable, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "PAUSE", 0.0)
    said: list[str] = []
    out = Outage(3600, said.append, Interruption())
    assert not out.is_given_up()
    assert [out.wait(error) for _ in range(3)] == [True] * 3
    assert said == [f"the server is {word}, waiting"]
    out.end()
    assert out.wait(error)
    assert len(said) == 2  # another one


def test_without_patience_it_is_given_up_at_once_and_begins_anew_with_an_answer() -> None:
    said: list[str] = []
    out = Outage(0, said.append, Interruption())
    assert not out.wait(GONE) and out.is_given_up() and said == []
    out.end()
    assert not out.is_given_up()


def test_nobody_waits_once_the_end_is_asked_for() -> None:
    with Interruption() as noted:
        signal.raise_signal(signal.SIGTERM)
        assert not Outage(3600, print, noted).wait(GONE)
