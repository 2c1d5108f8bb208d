"""A child process that is kept running: start, wait until ready, restart with growing pauses, give up in the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matting_server.errors import ServeError
from matting_server.process import Child

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
QUICK_DEATHS = 5  # so many within the window below: it is not going to get better
QUICK_DEATH_WINDOW_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Program:
    """What to run and how to know that it works."""

    name: str
    command: list[str]
    env: dict[str, str]
    ready: Callable[[], bool]
    folder: Path | None = None  # to run it in; None for ours
    start_seconds: float = 120.0  # not ready after so long counts as a death


class Service:
    """Keeps one `Program` running; call `tick` regularly.

    Parameters
    ----------
    program
        What to run.
    say
        Writes one log line.
    on_line
        Called from another thread with each line the program writes.
    on_death
        Called after the program died and its process group was killed.
    """

    def __init__(
        self,
        program: Program,
        say: Callable[[str], None],
        on_line: Callable[[str], None],
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self.program = program
        self.is_ready = False
        self._say = say
        self._on_line = on_line
        self._on_death = on_death
        self._child: Child | None = None
        self._was_ready = False
        self._deaths: deque[float] = deque()
        self._started = self._start_at = time.monotonic()
        self.starts = 0

    @property
    def age(self) -> float:
        """Seconds since it was last started."""
        return time.monotonic() - self._started

    def tick(self) -> bool:
        """Do what is due now; True when the program became ready in this call.

        Raises
        ------
        ServeError
            When it died before it was ever ready, or too often.
        """
        now = time.monotonic()
        if self._child is None:
            if now >= self._start_at:
                self._child = Child(self.program.command, self.program.env, self._on_line, self.program.folder)
                self._started = now
                self.starts += 1
            return False
        code = self._child.exit_code()
        if code is not None:
            self._died(f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}")
            return False
        if self.is_ready:
            return False
        if self.program.ready():
            self.is_ready = self._was_ready = True
            return True
        if now - self._started > self.program.start_seconds:
            self.fail(f"was not ready after {self.program.start_seconds:.0f} s")
        return False

    def fail(self, reason: str) -> None:
        """Treat the running program as dead, for ``reason``: kill it and start it again."""
        if self._child is not None:
            self._died(reason)

    def stop(self) -> None:
        """End it for good."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)
            self._child = None
        self.is_ready = False

    def _died(self, reason: str) -> None:
        assert self._child is not None
        child, self._child = self._child, None
        child.bury()
        self.is_ready = False
        self._on_death()
        what = f"{self.program.name} {reason}"
        if not self._was_ready:
            raise ServeError(f"{what} before it was ready{_last_words(child)}")
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > QUICK_DEATH_WINDOW_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) >= QUICK_DEATHS:
            window = f"{QUICK_DEATHS} times within {QUICK_DEATH_WINDOW_SECONDS:.0f} s"
            raise ServeError(f"{what}, {window}; giving up{_last_words(child)}")
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (len(self._deaths) - 1), LONGEST_PAUSE_SECONDS)
        self._start_at = now + pause
        self._say(f"{what}; starting it again in {pause:g} s")


def _last_words(child: Child) -> str:
    """Pick the line most likely to say why: the last Triton error, else the last line of all."""
    lines = [line for line in child.tail if line.strip()]
    errors = [line for line in lines if line[:1] == "E" and line[1:5].isdecimal()]
    for line in (errors or lines)[-1:]:
        return f": {line}"
    return ""
