"""Long work that a visitor has begun and may stop.

Gradio's own `cancels` asks for a call by a number which the page does not know yet when somebody is quick, and what the
call said last may come after what is shown of its end. Here the work itself ends, and says so last.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import gradio as gr

MOST_SESSIONS = 10_000  # remembered; the longest unused ones are forgotten first


@dataclass
class Job:
    """A piece of work.

    Parameters
    ----------
    of : path of the upload that it is made of.
    stopped : set for it to end.
    is_wanted : whether its end is told; that of one for an upload which was replaced is not.
    is_taken : whether a call works on it.
    is_over : whether that call has ended.
    """

    of: str | None
    stopped: threading.Event = field(default_factory=threading.Event)
    is_wanted: bool = True
    is_taken: bool = False
    is_over: bool = False


class Jobs:
    """At most one for each session; safe with threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def begin(self, of: str | None, request: gr.Request) -> bool:
        """Note that a session wants one, unless it has one of the same upload that goes on; returns whether it was."""
        with self._lock:
            going = self._going(request)
            if going is not None and going.of == of:
                return False
            self._drop(request)
            self._jobs[_session(request)] = Job(of)
            self._jobs.move_to_end(_session(request))
            while len(self._jobs) > MOST_SESSIONS:
                self._jobs.popitem(last=False)
        return True

    def take(self, request: gr.Request) -> Job | None:
        """What a call is to work on; None if another call does, or did."""
        with self._lock:
            job = self._jobs.get(_session(request))
            if job is None or job.is_taken:
                return None
            job.is_taken = True
            return job

    def stop(self, request: gr.Request) -> None:
        """Let a session's work end."""
        with self._lock:
            job = self._jobs.get(_session(request))
            if job is not None:
                job.stopped.set()

    def keep_only(self, of: str | None, request: gr.Request) -> bool:
        """Let a session's work end untold, unless it is made of a certain upload; returns whether it has such work."""
        with self._lock:
            job = self._jobs.get(_session(request))
            if job is not None and job.of != of:
                self._drop(request)
            return job is not None and job.is_wanted

    def is_busy(self, request: gr.Request) -> bool:
        """Whether a session has work that goes on."""
        with self._lock:
            return self._going(request) is not None

    def _drop(self, request: gr.Request) -> None:
        job = self._jobs.get(_session(request))
        if job is not None:
            job.is_wanted = False
            job.stopped.set()

    def _going(self, request: gr.Request) -> Job | None:
        job = self._jobs.get(_session(request))
        return None if job is None or job.is_over or job.stopped.is_set() else job


def _session(request: gr.Request) -> str:
    return request.session_hash or ""
