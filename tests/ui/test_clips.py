"""What is said of a clip's progress and end."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matting_client import TooLarge
from matting_client.video import order
from matting_client.video.pipeline import Plan
from matting_client.video.reader import VideoFile
from matting_ui.clips import ended, progress
from matting_ui.i18n import EN, ZH
from matting_ui.tabs.video import Handlers

from tests.unit.client.video_clips import write_clip


def test_progress_tells_what_is_known() -> None:
    assert progress(EN, 0, 60, 0.5) == "0 of 60 frames"
    assert progress(EN, 6, 60, 3.0) == "6 of 60 frames · 2.0 a second · 27 s left"
    assert progress(ZH, 1, 1501, 3.0) == "1 / 1501 帧 · 每秒 0.3 帧 · 剩余 75 分钟"
    assert progress(EN, 1, 15_001, 1.0).endswith(" · 4.2 h left")
    assert progress(EN, 6, None, 3.0) == "6 of ? frames · 2.0 a second"


def test_a_clip_that_ends_early_is_told(tmp_path: Path) -> None:
    """A download that broke off; FFmpeg says nothing of it."""
    write_clip(tmp_path / "clip.mkv", frames=100, sound=None)
    for size, line in ((1, "^Done$"), (2, "after [12].* of 4.0 s")):
        whole = (tmp_path / "clip.mkv").read_bytes()
        (tmp_path / "clip.mkv").write_bytes(whole[: len(whole) // size])
        source = VideoFile(tmp_path / "clip.mkv")
        list(source.frames())
        assert re.search(line, ended(EN, source))


def test_a_clip_that_proves_too_long_is_refused_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its header may tell fewer frames than come."""
    write_clip(tmp_path / "clip.mp4", sound=None)
    asked = order.Order.of("webm")
    plan = Plan(VideoFile(tmp_path / "clip.mp4"), asked.options, asked.background)
    studio: Any = SimpleNamespace(convert=lambda plan, target, step: [step() for _ in plan.source.frames()])
    monkeypatch.setattr(order, "MOST_FRAMES", 5)
    with pytest.raises(TooLarge, match="got 6 frames, expected at most 5"):
        list(Handlers(studio, studio)._work(plan, tmp_path / "out.webm", EN, threading.Event()))
