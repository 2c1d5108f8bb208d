"""Ctrl-C and SIGTERM as a wish that is looked at, instead of an exception that strikes anywhere.

An exception out of a signal's handler may leave a lock of the standard library held for ever: a main thread that waits
for its workers stands inside one most of the time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn, Self

from matting_client.cli.parser import INTERRUPTED
from matting_client.imaging import encode
from matting_client.triton import shm

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 5.0  # seconds for what is in work, and what waits for a server that hangs, to come to its end
STEP = 0.1  # seconds after which a signal is noticed
ECHO = 0.1  # seconds within which a further signal is the same wish: `timeout` sends one to a command and to its group


class Interruption:
    """Notes the first signal that asks for an end; a second one, or `GRACE`, ends the process at once.

    It does so within a `with` block of the main thread; no other thread may set handlers, and there nothing is noted.
    SIGINT stays ignored where it is, as in what a shell starts with `&`.

    Parameters
    ----------
    command : what its line on standard error calls the command.
    """

    def __init__(self, command: str = "matting") -> None:
        self._command = command
        self._noted: float | None = None  # when; a plain value, since a handler may interrupt whoever holds a lock
        self._before: dict[signal.Signals, Any] = {}

    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._noted is not None

    def check(self) -> None:
        """Raise when the end was asked for.

        Raises
        ------
        KeyboardInterrupt
        """
        if self.is_set():
            raise KeyboardInterrupt

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until the end is asked for."""
        end = time.monotonic() + seconds
        while not self.is_set() and (left := end - time.monotonic()) > 0:
            time.sleep(min(STEP, left))

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted is None:
            self._noted = time.monotonic()
            if hasattr(signal, "setitimer"):  # not on Windows, where the second signal has to do
                self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._leave)
                signal.setitimer(signal.ITIMER_REAL, GRACE)
        elif time.monotonic() - self._noted > ECHO:
            self._leave()

    def _leave(self, *_: object) -> NoReturn:
        """End the process at once: Python would wait for its threads, and they for the server."""
        line_start = "\r\033[K" if sys.stderr.isatty() else ""
        os.write(2, f"{line_start}{self._command}: interrupted\n".encode())
        encode.remove_unfinished()
        shm.unlink_all()
        os._exit(INTERRUPTED)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if number != signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            if number == getattr(signal, "SIGALRM", None):
                signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(number, handler)
        self._before.clear()
