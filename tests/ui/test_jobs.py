"""What a visitor has begun: one job, which ends with its clip."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from matting_ui.jobs import Jobs
from matting_ui.tabs.video import Handlers


def test_a_session_has_one_job() -> None:
    jobs, mine, other = Jobs(), request_of("mine"), request_of("other")
    assert jobs.take(mine) is None
    jobs.begin("one.mp4", mine)
    assert jobs.keep_only("one.mp4", mine) and not jobs.keep_only("one.mp4", other)
    assert jobs.is_busy(mine) and not jobs.is_busy(other)
    first = jobs.take(mine)
    assert first is not None and jobs.take(mine) is None  # a second call that waited for the same
    jobs.stop(other)
    jobs.stop(mine)
    assert first.stopped.is_set() and first.is_wanted and not jobs.is_busy(mine)
    jobs.begin("two.mp4", mine)
    assert not first.is_wanted  # what it has to say would come in between
    second = jobs.take(mine)
    assert second is not None and not second.stopped.is_set()
    assert not jobs.keep_only("three.mp4", mine)
    assert second.stopped.is_set() and not second.is_wanted
    jobs.begin("three.mp4", mine)
    third = jobs.take(mine)
    assert third is not None
    jobs.begin("three.mp4", mine)  # pressed twice
    assert not third.stopped.is_set() and jobs.take(mine) is None
    jobs.begin("four.mp4", mine)  # before the page has told that the clip is another one
    assert third.stopped.is_set() and not third.is_wanted
    fourth = jobs.take(mine)
    assert fourth is not None
    fourth.is_over = True
    assert not jobs.is_busy(mine)


def test_the_longest_unused_jobs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matting_ui.jobs.MOST_SESSIONS", 2)
    jobs, visitors = Jobs(), [request_of(name) for name in "abc"]
    for each in visitors:
        jobs.begin("clip.mp4", each)
    assert [jobs.is_busy(each) for each in visitors] == [False, True, True]


def request_of(session: str) -> Any:
    return SimpleNamespace(session_hash=session)


def test_who_starts_a_clip_at_once_keeps_what_is_made_of_it() -> None:
    """The call that lets go of the clip before may come when this one is done."""
    do, mine = Handlers(SimpleNamespace(), SimpleNamespace()), request_of("mine")  # type: ignore[arg-type]
    do.jobs.begin("two.mp4", mine)
    job = do.jobs.take(mine)
    assert job is not None
    job.is_over = True
    assert do.forget("two.mp4", mine) == (gr.skip(), gr.skip(), gr.skip())
