"""How far a command is, on a terminal's standard error; nothing elsewhere."""

from __future__ import annotations

import sys
import time

from matting_client.cli.parser import one_line


class PhotoProgress:
    """One line: photos done, photos a second, time left, failures; of one photo alone nothing."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.failed = 0
        self.start = time.monotonic()
        self.shown = sys.stderr.isatty() and total > 1

    def step(self, failed: bool = False) -> None:
        """Count one photo."""
        self.done += 1
        self.failed += failed
        if self.shown:
            spent = time.monotonic() - self.start
            left = spent / self.done * (self.total - self.done)
            line = f"{self.done}/{self.total}  {self.done / spent:.1f}/s  {left:.0f} s left  {self.failed} failed"
            print(f"\r{line} \033[K", end="", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Print a line above the progress, on terminals and elsewhere."""
        print(("\r\033[K" if self.shown else "") + one_line(line), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.shown:
            print(file=sys.stderr)


class FrameProgress:
    """One line: frames, frames a second, time left.

    Parameters
    ----------
    total : frames of the clip, where that is known.
    done : frames that were made before.
    """

    def __init__(self, total: int | None, done: int) -> None:
        self._total = total
        self._first = done
        self._done = done
        self._start = time.monotonic()
        self._shown = self._start
        self._visible = sys.stderr.isatty()

    def step(self) -> None:
        """Count a frame."""
        self._done += 1
        now = time.monotonic()
        if self._visible and now - self._shown > 0.2:
            self._shown = now
            print(f"\r{self._line(now)} \033[K", end="", file=sys.stderr, flush=True)

    def _line(self, now: float) -> str:
        rate = (self._done - self._first) / (now - self._start)
        if self._total is None:
            return f"{self._done} frames  {rate:.1f}/s"
        left = max(0, self._total - self._done) / rate
        return f"{self._done}/{self._total}  {rate:.1f}/s  {left // 60:.0f}:{left % 60:02.0f} left"

    def end(self) -> None:
        """Leave the line."""
        if self._visible:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
