"""Signals that ask for the end, noticed wherever the process is at.

A handler of Python's own does nothing but let the C handler write the signal's number to a pipe. So none interrupts
anything halfway, none is lost while the main thread does something else, and it does not matter which thread of which
library the kernel hands it to.
"""

from __future__ import annotations

import logging
import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
log = logging.getLogger("matting")


class StopSignals:
    """From entering to leaving, stop signals are noted; for the main thread."""

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_descriptor = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        # A shell ignores SIGINT for what it starts behind `&`, and we do not; but what `nohup` ignores stays ignored.
        heeded = [number for number in STOP_SIGNALS if not _is_ignored_hangup(number)]
        self._old_handlers = {number: signal.signal(number, _note) for number in heeded}
        self.received = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_descriptor)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float) -> bool:
        """Wait for a stop signal or the time; whether one has come since entering. The log names it."""
        if not self.received:
            select.select([self._read], [], [], seconds)
            self._drain()
        return self.received

    def _drain(self) -> None:
        try:
            numbers = os.read(self._read, 4096)
        except BlockingIOError:
            return
        for number in STOP_SIGNALS:
            if number in numbers:
                log.info("got %s: ending", number.name)
                self.received = True


def _note(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number is in the pipe by now."""


def _is_ignored_hangup(number: signal.Signals) -> bool:
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
