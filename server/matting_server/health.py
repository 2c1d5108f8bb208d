"""Do the models really answer? Triton keeps calling a model ready whose process has died.

A process that ends lets go of the lock on its file. Whether one that lives answers, a canary shows: a real request
through the batcher into the model's process, marked so that no inference is spent on it. A model that has finished
requests since the last look needs none.
"""

from __future__ import annotations

import http
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

from matting_server.triton_control import Control, Progress, TritonRefused
from matting_server.workspace import Workspace

PROBE_SECONDS = 3.0  # a dead process is reported after 1 s; requests before ours in the queue take 1 s a batch
HANG_SECONDS = 60.0  # no answer and no progress for so long: it hangs
LOAD_SECONDS = 60.0
UNLOAD_PAUSE_SECONDS = 2.5  # Triton needs it to end the processes of an unloaded model


class Verdict(Enum):
    """What one look at a model showed."""

    ALIVE = "alive"
    BUSY = "busy"  # no proof either way: its queue is long, or the server does not answer
    DEAD = "dead"


class ServerBroken(Exception):
    """Only a restart of the whole server can help."""


class Health:
    """Watches the models of one running server, and revives them."""

    def __init__(self, control: Control, workspace: Workspace, models: list[str], say: Callable[[str], None]) -> None:
        self._control = control
        self._workspace = workspace
        self._say = say
        self._models = models
        self._inputs: dict[str, list[dict[str, Any]]] = {}
        self._last: dict[str, Progress] = {}
        self._proven = dict.fromkeys(models, time.monotonic())

    def check(self) -> None:
        """Look at every model once and revive the dead ones.

        Raises
        ------
        ServerBroken
            When a model hangs, cannot be revived, or died with answers that Triton now waits for: it tells their
            clients only by ending.
        """
        try:
            progress = self._control.progress()
        except (OSError, TritonRefused):
            progress = {}
        for model in self._models:
            verdict = self._judge(model, progress.get(model))
            now = time.monotonic()
            if verdict is Verdict.DEAD:
                if self._workspace.lost(model):
                    raise ServerBroken(f"the process of {model} died in the middle of photos")
                self._revive(model)
                self._proven[model] = time.monotonic()
            elif verdict is Verdict.ALIVE:
                self._proven[model] = now
            elif now - self._proven[model] > HANG_SECONDS:
                raise ServerBroken(f"{model} has not answered for {HANG_SECONDS:.0f} s")

    def _judge(self, model: str, progress: Progress | None) -> Verdict:
        if self._workspace.lost(model) is not None:
            return Verdict.DEAD
        last = self._last.pop(model, None)
        if progress is not None:
            self._last[model] = progress
            if last is not None and progress.success > last.success:
                return Verdict.ALIVE
        try:
            self._probe(model)
        except TritonRefused as refusal:
            full = refusal.status == http.HTTPStatus.SERVICE_UNAVAILABLE
            return Verdict.BUSY if full else Verdict.DEAD
        except OSError:
            return Verdict.BUSY
        return Verdict.ALIVE

    def _probe(self, model: str) -> None:
        if model not in self._inputs:
            self._inputs[model] = self._control.inputs(model)
        self._control.probe(model, self._inputs[model], PROBE_SECONDS)

    def _revive(self, model: str) -> None:
        started = time.monotonic()
        self._last.pop(model, None)
        try:
            self._workspace.touch(model)
            self._control.load(model, LOAD_SECONDS)
            self._probe(model)
        except (OSError, TritonRefused):
            self._reload(model)
        self._say(f"{model}: its process had died; revived in {time.monotonic() - started:.1f} s")

    def _reload(self, model: str) -> None:
        try:
            self._control.unload(model, LOAD_SECONDS)
            time.sleep(UNLOAD_PAUSE_SECONDS)
            self._control.load(model, LOAD_SECONDS)
            self._probe(model)
        except (OSError, TritonRefused) as error:
            raise ServerBroken(f"{model} is dead and cannot be loaded again ({error})") from error
