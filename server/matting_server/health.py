"""Does a model really answer? Triton keeps calling a model ready whose process has died.

A process that ends lets go of the lock on its file. Whether one that lives answers, a canary shows: a real request
through the batcher into the model's process, marked so that no inference is spent on it. A model that has finished
requests since the last look needs none.
"""

from __future__ import annotations

import http
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any

from matting_server.pulse import Pulse
from matting_server.triton_control import Control, Progress, TritonRefused
from matting_server.workspace import Life, Workspace

CANARY_SECONDS = 1.0  # one probe costs about 2 ms
PROBE_SECONDS = 3.0  # a dead process is reported after 1 s; requests before ours in the queue take 1 s a batch
LOAD_SECONDS = 60.0
END_SECONDS = 2.0  # for processes that are killed
UNLOAD_PAUSE_SECONDS = 2.5  # Triton needs it to end the processes of an unloaded model


class Verdict(Enum):
    """What one look at a model showed; of several versions the last of these counts."""

    ALIVE = "alive"
    BUSY = "busy"  # no proof either way: its queue is long, or the server does not answer
    SILENT = "silent"  # the server answers, the model does not
    DEAD = "dead"


class ServerBroken(Exception):
    """Only a restart of the whole server can help."""


class Health:
    """Watches one model of one running server, in all its versions, and revives it without the others.

    Parameters
    ----------
    control
        Calls to the server.
    workspace
        Where the model's process shows that it lives.
    model
        Its name.
    say
        Writes one log line.
    end_connections
        Makes callers ask again whose answers a dead process owed; whether that could be done.
    """

    def __init__(
        self,
        control: Control,
        workspace: Workspace,
        model: str,
        say: Callable[[str], None],
        end_connections: Callable[[], bool],
    ) -> None:
        self._control = control
        self._workspace = workspace
        self._model = model
        self._say = say
        self._end_connections = end_connections
        self._inputs: list[dict[str, Any]] = []
        self._last: dict[str, Progress] = {}  # by version; empty while nothing is known
        self._lives: dict[int, Life] = {}  # by process, as of the last look
        self._pulses: dict[int, Pulse] = {}  # of its processes, since it last answered

    def watch(self, ended: threading.Event, broken: Callable[[str], None]) -> None:
        """Look again and again until the server has ``ended``; tell when it is ``broken``."""
        while not ended.wait(CANARY_SECONDS):
            try:
                self.check()
            except ServerBroken as reason:
                if not ended.is_set():
                    broken(f"is stopped, since {reason}")
                return

    def check(self) -> None:
        """Look at the model once; end its process if it hangs, and revive it if it is dead.

        Raises
        ------
        ServerBroken
            When it cannot be revived, or died with answers that Triton waits for and whose callers it cannot be made
            to let go.
        """
        verdict = self._judge()
        before = self._lives
        self._lives = {life.pid: life for life in self._workspace.processes(self._model)}
        for pid, life in self._lives.items():
            # Of several processes one may answer for another that hangs.
            alone_silent = len(self._lives) > 1 and pid in before and life.stands_still(before[pid])
            if verdict is Verdict.SILENT or alone_silent:
                self._end_if_hanging(pid)
            else:
                self._pulses[pid] = Pulse(pid)
        self._pulses = {pid: pulse for pid, pulse in self._pulses.items() if pid in self._lives}
        if verdict is Verdict.DEAD:
            self._revive()

    def _judge(self) -> Verdict:
        if self._workspace.lost(self._model) is not None:
            return Verdict.DEAD
        last = self._last
        self._last = self._progress()
        verdicts = {self._judge_version(version, last.get(version)) for version in self._last or [""]}
        return max(verdicts, key=list(Verdict).index)

    def _judge_version(self, version: str, last: Progress | None) -> Verdict:
        now = self._last.get(version)
        if now is not None and last is not None and now.success > last.success:
            return Verdict.ALIVE
        try:
            self._probe(version)
        except TritonRefused as refusal:
            if refusal.status == http.HTTPStatus.SERVICE_UNAVAILABLE:  # its queue is full
                return Verdict.BUSY
            # Triton gives a process one second to say that it is healthy, and a starved one may need more.
            return Verdict.SILENT if self._workspace.processes(self._model) else Verdict.DEAD
        except OSError:
            return Verdict.BUSY if now is None else Verdict.SILENT
        return Verdict.ALIVE

    def _progress(self) -> dict[str, Progress]:
        try:
            return self._control.progress(self._model)
        except (OSError, TritonRefused):
            return {}

    def _probe(self, version: str) -> None:
        if not self._inputs:
            self._inputs = self._control.inputs(self._model)
        self._control.probe(self._model, version, self._inputs, PROBE_SECONDS)

    def _probe_all(self) -> None:
        for version in self._progress() or [""]:
            self._probe(version)

    def _end_if_hanging(self, pid: int) -> None:
        pulse = self._pulses.get(pid)
        if pulse is not None and pulse.is_dead():
            self._say(f"{self._model}: its process has not answered for {pulse.silence:.0f} s and is killed")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _revive(self) -> None:
        started = time.monotonic()
        self._end_others()
        owed = self._workspace.lost(self._model)
        self._last = {}
        try:
            self._workspace.touch(self._model)
            self._control.load(self._model, LOAD_SECONDS)
            self._probe_all()
        except (OSError, TritonRefused):
            self._reload()
        if owed and not self._end_connections():
            raise ServerBroken(f"the process of {self._model} died in the middle of photos")
        asked = ", and the callers of its last photos were made to ask again" if owed else ""
        self._say(f"{self._model}: its process had died; revived in {time.monotonic() - started:.1f} s{asked}")

    def _end_others(self) -> None:
        """End what is left of a model that is loaded anew; Triton, which cannot unload it in order, would leave it."""
        deadline = time.monotonic() + END_SECONDS
        while (left := self._workspace.processes(self._model)) and time.monotonic() < deadline:
            for life in left:
                with suppress(ProcessLookupError):
                    os.kill(life.pid, signal.SIGKILL)
            time.sleep(0.01)

    def _reload(self) -> None:
        try:
            self._control.unload(self._model, LOAD_SECONDS)
            time.sleep(UNLOAD_PAUSE_SECONDS)
            self._control.load(self._model, LOAD_SECONDS)
            self._probe_all()
        except (OSError, TritonRefused) as error:
            raise ServerBroken(f"{self._model} is dead and cannot be loaded again ({error})") from error
