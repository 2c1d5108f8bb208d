"""One job: what is wanted, how far it is, and what of it outlives the process."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from matting_client import ServerBusy, ServerUnavailable

from matting_api.jobs.buckets import BucketUnavailable
from matting_api.jobs.disk import write_file

QUEUED = "queued"
WORKING = "working"
DONE = "done"
FAILED = "failed"
OVER = (DONE, FAILED)
NOTE = "job.json"
TRIES, PAUSE_SECONDS = 30, 5.0  # for a model or a bucket that does not answer, beyond the clients' own patience
LOOK_SECONDS = 0.1  # between looks whether somebody still waits for others
Got = TypeVar("Got")
_KINDS: dict[str, tuple[type, ...]] = {  # what outlives the process
    "order": (dict,),
    "total": (int, type(None)),
    "mark": (str,),
    "created": (int, float),
    "state": (str,),
    "done": (int,),
    "error": (dict, type(None)),
    "starts": (int,),
}


class Cancelled(Exception):
    """Nobody wants the result any more, or the process ends."""


@dataclass
class Job:
    """A job on its way.

    Attributes
    ----------
    name : its id, which nobody can guess.
    order : what is wanted, as JSON.
    total : how many photos or frames there are, as far as is known.
    mark : of its sender's, by which one that is sent again is known; "" for none.
    done : how many are finished.
    error : title, code and detail of why it failed.
    starts : how often it was begun since it last got on.
    created : Unix time, for later processes.
    until : `time.monotonic()` at which it is forgotten, unless it waits or is worked on.
    resumed : how many earlier attempts had finished.
    started : `time.monotonic()` at which this attempt began.
    told : whoever is told of its end knows.
    """

    name: str
    folder: Path
    order: dict[str, Any]
    total: int | None
    mark: str = ""
    created: float = field(default_factory=time.time)
    state: str = QUEUED
    done: int = 0
    error: dict[str, str] | None = None
    starts: int = 0
    until: float = math.inf
    resumed: int = 0
    started: float | None = None
    told: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def save(self) -> None:
        """Write down what has to outlive the process. Raises StorageFailed."""
        write_file(self.folder / NOTE, json.dumps({name: getattr(self, name) for name in _KINDS}).encode())

    @classmethod
    def load(cls, folder: Path) -> Job:
        """The job that an earlier process wrote down in a folder.

        Raises
        ------
        OSError, ValueError, TypeError, RecursionError
            There is none, or it was written by a version that knew more.
        """
        note = json.loads((folder / NOTE).read_bytes())
        if not isinstance(note, dict):
            raise TypeError(f"got {type(note).__name__}, expected an object")
        for name, value in note.items():
            if not isinstance(value, _KINDS.get(name, ())):
                raise ValueError(f"got {name[:50]!r} as {type(value).__name__}, which this version cannot read")
        if note.get("state", QUEUED) not in (QUEUED, WORKING, *OVER):
            raise ValueError(f"got the state {note['state'][:50]!r}, which this version does not know")
        return cls(folder.name, folder, **note)

    def wait_for(self, work: Coroutine[Any, Any, Got]) -> Got:
        """What others answer, for whom nobody waits any longer once the job is cancelled.

        Raises
        ------
        Cancelled
            Or what the work raises.
        """

        async def cancelled_or_done() -> Got:
            task = asyncio.ensure_future(work)
            while not (await asyncio.wait([task], timeout=LOOK_SECONDS))[0]:
                if self.stop.is_set():
                    task.cancel()
                    raise Cancelled
            return task.result()

        return asyncio.run(cancelled_or_done())

    def patiently(self, step: Callable[[], Got]) -> Got:
        """Do a step, and wait for a model or a bucket that does not answer.

        Raises
        ------
        Cancelled
        MattingError, ApiError
            As of `step`.
        """
        left = TRIES
        while True:
            before = self.done
            try:
                return step()
            except (ServerBusy, ServerUnavailable, BucketUnavailable):
                left = TRIES if self.done > before else left - 1
                if left < 0:
                    raise
            if self.stop.wait(PAUSE_SECONDS):
                raise Cancelled

    def resume(self, done: int) -> None:
        """Go on where an earlier attempt ended; what gets on is not given up, however often that happens."""
        if done > self.done:
            self.starts = 1
        self.done = self.resumed = done
        self.started = time.monotonic()
        self.save()

    @property
    def rate(self) -> float | None:
        """Photos or frames a second so far."""
        done = self.done - self.resumed
        if not self.started or not done:
            return None
        return done / max(1e-3, time.monotonic() - self.started)

    @property
    def seconds_left(self) -> float | None:
        """Until it is done, at its rate so far."""
        if self.state != WORKING or self.rate is None or self.total is None:
            return None
        return max(0, self.total - self.done) / self.rate
