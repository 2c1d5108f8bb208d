"""A child process that is kept running: start, wait until ready, ask how it is, restart with growing pauses."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from matting_client.system import FREE_MEMORY

from matting_server import command_line
from matting_server.errors import ServeError, SetupError
from matting_server.process import Child
from matting_server.pulse import Pulse

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
DEATH_WINDOW_SECONDS = 60.0  # deaths within it make the pause longer
STARTING_SECONDS = 0.1  # between questions to one that starts, or that has not answered the last one
ASKING_SECONDS = 1.0  # between questions to one that runs
HARMLESS = ("CudaDriverHelper has not been initialized.",)  # said on every machine without a GPU
_TRITON_LINE = re.compile(r"[IWEF]\d{4} [\d:.]+ \d+ ")
_OF_MEMORY = {-signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV}  # exit codes of what gets no more memory
_MODEL_ENDED = "is not healthy"  # Triton's word for a model's process that ended, and left no word itself


@dataclass(frozen=True)
class Program:
    """What to run and how to know that it works."""

    name: str
    command: list[str]
    env: dict[str, str]
    ready: Callable[[], bool]
    folder: Path | None = None  # to run it in; None for ours
    sockets: tuple[socket, ...] = ()  # it answers on; ours, so that callers wait while it is started again
    secret: str = ""  # in its command line; hidden from other users as soon as the program has read it
    start_seconds: float = 120.0  # not ready after so long, and not at work on it, counts as a death
    usage_code: int | None = None  # it ends with this where a setting cannot be, and its last line says which


@dataclass(frozen=True)
class Listeners:
    """What is told of a service's life, all from threads other than the main one."""

    say: Callable[[str], None]  # a line of our own log
    line: Callable[[str], None]  # a line the program writes
    ready: Callable[[Service], None] = lambda service: None
    died: Callable[[], None] = lambda: None  # after its process group was killed


class Service:
    """Keeps one `Program` running, in a thread of its own, so that none waits for another.

    Parameters
    ----------
    program
        What to run.
    tell
        Who is told what happens.

    Attributes
    ----------
    failure
        Why it was given up: it never became ready at all.
    """

    def __init__(self, program: Program, tell: Listeners) -> None:
        self.program = program
        self.is_ready = False
        self.starts = 0
        self.failure: Exception | None = None
        self._tell = tell
        self._child: Child | None = None
        self._verdict = ""  # of somebody else, that the running child is not worth keeping
        self._code: int | None = None  # with which the last child ended by itself
        self._was_ready = False
        self._deaths: deque[float] = deque()
        self._started = time.monotonic()
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # a child is not started while another thread stops the service
        self._thread = threading.Thread(target=self._run, name=program.name, daemon=True)

    @property
    def age(self) -> float:
        """Seconds since it was last started."""
        return time.monotonic() - self._started

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        child = self._child
        return child.pid if child is not None else None

    def start(self) -> None:
        """Begin; the thread does the rest."""
        self._thread.start()

    def fail(self, reason: str) -> None:
        """Treat the running program as dead, for ``reason``: kill it and start it again."""
        child = self._child
        if child is not None:
            self._verdict = reason
            child.kill()

    def ask_to_stop(self) -> None:
        """Let it end what it has begun; it is not started again."""
        with self._lock:
            self._stopping.set()
        child = self._child  # the other thread may forget it meanwhile
        if child is not None:
            child.terminate()

    def stop(self, seconds: float) -> None:
        """End it for good, within ``seconds``."""
        self.ask_to_stop()
        child = self._child
        if child is not None:
            child.stop(seconds)
        if self._thread.ident is not None:
            self._thread.join()
        self.is_ready = False

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                reason, child = self._live()
                self.is_ready = False
                if self._stopping.is_set():
                    return  # `stop` waits for the process and collects it
                self._child = None
                if child is not None:
                    self._collect(child)
                self._stopping.wait(self._pause(f"{self.program.name} {reason}", child))
        except Exception as error:  # whatever it is, the main thread has to hear of it
            self.failure = error

    def _live(self) -> tuple[str, Child | None]:
        """From a start to what ended it; without a child when there was no process to be had, as without memory."""
        try:
            child = self._start_child()
        except OSError as error:
            if not self._was_ready:
                raise
            return f"could not be started ({error.strerror})", None
        return (self._watch(child), child) if child is not None else ("", None)

    def _collect(self, child: Child) -> None:
        """Collect what is left of a dead child; what cannot be collected must not keep the next one from starting."""
        try:
            child.bury()
            self._tell.died()
        except (OSError, subprocess.TimeoutExpired) as error:
            self._tell.say(f"{self.program.name}: what it left is not collected ({error})")

    def _start_child(self) -> Child | None:
        with self._lock:
            if self._stopping.is_set():
                return None
            program = self.program
            self._verdict = ""
            self._code = None
            self._child = Child(program.command, program.env, self._tell.line, program.folder, program.sockets)
        self._started = time.monotonic()
        self.starts += 1
        return self._child

    def _watch(self, child: Child) -> str:
        """Return why a running child is to be started again, once it is."""
        pulse = Pulse(child.pid)
        hidden = not self.program.secret
        answers = False
        while (code := child.wait(ASKING_SECONDS if answers else STARTING_SECONDS)) is None:
            if not hidden and child.tail:  # its first line comes after it has read its arguments
                self._hide_secret(child)
                hidden = True
            answers = self.program.ready()
            if answers:
                pulse.answered()
                if not self.is_ready:
                    self.is_ready = self._was_ready = True
                    self._tell.ready(self)
            elif pulse.is_dead(is_starting=not self.is_ready) and self._had_its_time():
                what = "has not answered for" if self.is_ready else "was not ready after"
                return f"{what} {pulse.silence:.0f} s"
        self._code = code
        if self._verdict:
            return self._verdict
        return f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"

    def _had_its_time(self) -> bool:
        return self.is_ready or self.age > self.program.start_seconds

    def _failure(self, what: str, child: Child | None) -> ServeError:
        """Why it never became ready."""
        code = self._code
        if child is not None and child.tail and code is not None and code == self.program.usage_code:
            return SetupError(re.sub(r"^matting \w+: ", "", child.tail[-1]))
        when = " before it was ready" if code is not None else ""
        reason = _last_words(list(child.tail), code) if child is not None else ""
        return ServeError(f"{what}{when}{reason and ': '}{reason}")

    def _hide_secret(self, child: Child) -> None:
        if not command_line.hide(child.pid, self.program.secret) and child.wait(0) is None:
            self._tell.say(f"{self.program.name}: other users can read its token for shared memory with `ps`")

    def _pause(self, what: str, child: Child | None) -> float:
        """How long to wait before the next start: it doubles with each death of the last minute."""
        if not self._was_ready:
            raise self._failure(what, child)
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > DEATH_WINDOW_SECONDS:
            self._deaths.popleft()
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** (len(self._deaths) - 1), LONGEST_PAUSE_SECONDS)
        why = " (by somebody, or for want of memory)" if self._code == -signal.SIGKILL and not self._verdict else ""
        self._tell.say(f"{what}{why}; starting it again in {pause:g} s")
        return pause


def _last_words(tail: list[str], code: int | None) -> str:
    """What is most likely to say why: the last Triton error, else the last line that is none of Triton's notes.

    Parameters
    ----------
    tail : its last lines.
    code : its exit code, negative for a signal; None where it did not end by itself.
    """
    lines = [line.strip() for line in tail if line.strip() and not any(each in line for each in HARMLESS)]
    errors = [line for line in lines if _TRITON_LINE.match(line) and line[0] in "EF"]
    others = [line for line in lines if not _TRITON_LINE.match(line)]
    last = (errors or others or lines or [""])[-1]
    if _MODEL_ENDED in last or (code in _OF_MEMORY and not errors):
        said = f" ({last})" if errors or others else ""
        return f"perhaps of too little memory{said}; {FREE_MEMORY}"
    return last
