"""A stop signal is heeded wherever it strikes: outside the wait, in another thread, behind `&`."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from matting_server.signals import StopSignals

# A thread of a library, which blocks nothing, while the main thread does something else; then it waits.
CODE = """
import signal, sys, threading, time
from matting_server.signals import StopSignals
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
with StopSignals() as signals:
    print("working", flush=True)
    busy, end = sys.argv[1], time.monotonic() + 1.5
    while time.monotonic() < end:
        time.sleep(0.05) if busy == "sleeping" else sum(range(1000))
    print("noticed" if signals.wait(0) else "lost", flush=True)
    print("still noticed" if signals.wait(0) else "forgotten", flush=True)
"""


@pytest.mark.parametrize("busy", ["sleeping", "computing"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("count", [1, 3])
def test_none_is_lost_and_none_interrupts(number: signal.Signals, busy: str, count: int) -> None:
    with subprocess.Popen([sys.executable, "-c", CODE, busy], stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        for _ in range(count):
            process.send_signal(number)
        assert process.stdout.read() == "noticed\nstill noticed\n"
        assert process.wait() == 0


@pytest.mark.parametrize(("number", "heeded"), [(signal.SIGINT, True), (signal.SIGHUP, False)])
def test_what_was_ignored(number: signal.Signals, heeded: bool) -> None:
    """A shell ignores SIGINT for what it starts behind `&`, which is no wish; `nohup` is one."""
    ignoring = f"import signal; signal.signal({int(number)}, signal.SIG_IGN)\n"
    with subprocess.Popen([sys.executable, "-c", ignoring + CODE, "sleeping"], stdout=-1, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.stdout.read() == ("noticed\nstill noticed\n" if heeded else "lost\nforgotten\n")
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_log_names_it(number: signal.Signals, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "matting")
    before = signal.getsignal(number)
    with StopSignals() as signals:
        assert not signals.wait(0)
        signal.raise_signal(number)
        assert signals.wait(0) and signals.wait(0)
    assert caplog.messages == [f"got {number.name}: ending"] and signal.getsignal(number) is before
