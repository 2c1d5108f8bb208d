"""What shows that a process is at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from matting_server import pulse


def test_a_start_is_at_work_while_a_child_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Triton, which sleeps while the processes of its models load, however slowly."""
    monkeypatch.setattr(pulse, "HANG_SECONDS", 0.0)
    burn = "print(flush=True)\nwhile True: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    starting = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
    try:
        assert starting.stdout is not None
        starting.stdout.readline()
        signs = pulse.Pulse(starting.pid)
        assert not any(signs.is_dead(is_starting=True) for _ in range(10))
        assert signs.is_dead()  # what was ready has to answer by itself
    finally:
        os.killpg(starting.pid, signal.SIGKILL)
        starting.communicate()
