"""A child process that cannot outlive us, whose last words are kept."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_TAIL_LINES = 60
_KILL_SECONDS = 5.0


def adopt_orphans() -> None:
    """Become the parent of what a dead child leaves running, so that `Child.bury` sees all of it end.

    Else that is the first process of the machine, and in a container nothing may be there that collects the dead.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


class Child:
    """One run of ``command`` in its own process group, so that Ctrl-C in a terminal reaches only the supervisor.

    Parameters
    ----------
    command
        Absolute path of the program, and its arguments.
    env
        Its whole environment.
    on_line
        Called from another thread with each line the process (or a process it started) writes.
    folder
        Its working directory; None for ours.
    sockets
        Listening sockets for the process, which finds them as systemd would hand them over.
    """

    def __init__(
        self,
        command: list[str],
        env: dict[str, str],
        on_line: Callable[[str], None],
        folder: Path | None = None,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._on_line = on_line
        descriptors = [each.fileno() for each in sockets]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), ",".join(map(str, descriptors)), *command],
            env=env,
            cwd=folder,
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Exit code (negative: the signal that killed it); None when it still runs after ``seconds``."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask it to end, and let it hear that if it was stopped."""
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; `bury` collects what is left."""
        self._process.kill()

    def stop(self, seconds: float) -> None:
        """Ask it to end, wait up to ``seconds``, then kill it and whatever it started."""
        self.terminate()
        if self.wait(seconds) is None:
            self.kill()
        self.bury()

    def bury(self) -> None:
        """Kill what is left of its process group and collect it; for a child that has died, or must."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_KILL_SECONDS)
        self._collect_orphans()
        self._reader.join(_KILL_SECONDS)

    def _collect_orphans(self) -> None:
        """Wait until what was killed is gone, with its memory; the child itself has been waited for."""
        end = time.monotonic() + _KILL_SECONDS
        with contextlib.suppress(ChildProcessError):  # nobody is left
            while time.monotonic() < end:
                pid, _ = os.waitpid(-self.pid, os.WNOHANG)
                if pid == 0:
                    time.sleep(0.01)

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.tail.append(line.rstrip())
                self._on_line(line.rstrip())
