"""What a visitor has begun: one job, which ends with its clip."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event
from matting_ui.gradio_patches import FairQueue
from matting_ui.jobs import Jobs
from matting_ui.page import translations
from matting_ui.tabs import video
from matting_ui.tabs.video import Handlers
from matting_ui.visitors import Visitors
from starlette.requests import Request

from tests.ui.test_parts import cutout, studio_of


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


def test_what_waits_keeps_its_clip(tmp_path: Path) -> None:
    """Longer than an hour; of its own visitor alone."""
    visitors = Visitors(tmp_path)
    request = Request({"type": "http", "headers": [], "client": ("127.0.0.1", 1)})
    clips = [visitors.folder(name) / "clip.mp4" for name in (visitors.name(request), "other")]
    for clip in clips:
        clip.parent.mkdir(parents=True)
        clip.touch()

    async def kept() -> list[Path]:
        with gr.Blocks() as page:
            video.build(studio_of(lambda *_: cutout(), tmp_path), page, translations())
        calls = [Event(None, fn, request, None) for fn in page.fns.values() if fn.concurrency_id == video.LINE]
        for call in calls:
            page._queue.create_event_queue_for_fn(call.fn)
            named = [[{"path": str(clip)} for clip in clips] for each in call.fn.inputs if isinstance(each, gr.File)]
            call.data = PredictBodyInternal(data=named)
        page._queue.event_queue_per_concurrency_id[video.LINE].queue = calls
        return FairQueue(page, visitors).uploads()

    assert asyncio.run(kept()) == [clips[0]] * 2  # of the page, and of a program
