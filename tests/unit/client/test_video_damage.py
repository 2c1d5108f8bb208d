"""Clips that are not what their header says, or of which something is missing."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from matting_client import InputError, OptionError, Options
from matting_client.video.background import FromOptions
from matting_client.video.job import make_container
from matting_client.video.pipeline import Plan
from matting_client.video.reader import VideoFile

from tests.unit.client.pictures import file_of
from tests.unit.client.test_video import run
from tests.unit.client.video_clips import FRAMES, picture, read_clip, write_clip, write_pictures


@pytest.fixture(autouse=True)
def _here(local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def damaged_jpeg() -> bytes:
    """A JPEG of a subsampling that FFmpeg has not learnt yet."""
    data = bytearray(file_of(picture(0), "JPEG", subsampling="4:2:0"))
    data[data.index(b"\xff\xc0") + 11] = 0x13
    return bytes(data)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (lambda: file_of(np.zeros((5000, 5000, 3), np.uint8), "JPEG"), "damaged after frame 2"),
        (damaged_jpeg, "damaged after frame 2 .*patches welcome"),
    ],
    ids=["larger than the header says", "not in FFmpeg"],
)
def test_a_later_frame_that_cannot_be_taken_is_told_in_a_line(later: Callable[[], bytes], message: str) -> None:
    good = file_of(picture(0), "JPEG")
    write_pictures(Path("clip.avi"), [good, good, later(), good])
    with pytest.raises(InputError, match=message):
        list(VideoFile(Path("clip.avi")).frames())
    assert run("clip.avi", "-o", "out.webm") == 1


def test_a_codec_that_nobody_knows_is_told_in_a_line() -> None:
    write_pictures(Path("clip.avi"), [file_of(picture(0), "JPEG")] * 2)
    Path("clip.avi").write_bytes(Path("clip.avi").read_bytes().replace(b"MJPG", b"ZZZZ"))
    with pytest.raises(InputError, match="got a codec that FFmpeg does not know"):
        VideoFile(Path("clip.avi"))


def test_a_part_without_frames_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(Path("slow.mp4"), steps=(12800,), frames=2, sound=None)
    for out in ("out.webm", "out.gif"):
        assert run("slow.mp4", "-o", out, "--start", "1.02") == 1
        assert "--start 1.02: got no frames from there on" in capsys.readouterr().err
    with pytest.raises(OptionError, match=r"^start 1.02: got no frames from there to 1.5 s; choose another part$"):
        list(VideoFile(Path("slow.mp4"), Fraction("1.02"), Fraction("1.5")).frames())


def test_damaged_sound_costs_no_frame(caplog: pytest.LogCaptureFixture) -> None:
    write_clip(Path("clip.mkv"), sound="flac")
    data = bytearray(Path("clip.mkv").read_bytes())
    with av.open("clip.mkv") as container:
        places = [packet.pos for packet in container.demux(audio=0) if packet.size]
    for place in places[2:]:  # each packet's first bytes
        data[place + 8 : place + 40] = bytes(32)
    Path("clip.mkv").write_bytes(bytes(data))
    assert run("clip.mkv", "-o", "out.webm") == 0
    frames, _, _ = read_clip(Path("out.webm"))
    assert len(frames) == FRAMES
    assert "the sound ends early, where it is damaged" in caplog.text


class Stopped(Exception):
    """The clip is wanted no more."""


def test_work_on_sound_can_be_stopped() -> None:
    """It may go on for hours behind a second of picture."""
    write_clip(Path("clip.mp4"), sound="aac")
    source = VideoFile(Path("clip.mp4"))
    engine: Any = SimpleNamespace(size=64, infer=lambda batch: np.zeros((len(batch), 64, 64, 1), np.uint8))
    made: list[int] = []

    def go_on() -> None:
        assert len(made) == FRAMES  # it is called when all frames are made
        raise Stopped

    source.go_on = go_on
    plan, target = Plan(source, Options(), FromOptions()), Path("out.webm")
    with pytest.raises(Stopped):
        make_container(engine, plan, target, {}, on_frame=lambda: made.append(1))
    assert not target.exists()
    source.go_on = lambda: None
    make_container(engine, plan, target, {}, on_frame=lambda: made.append(1))
    assert len(made) == FRAMES and len(read_clip(target)[0]) == FRAMES  # nothing is made anew


def test_pictures_that_end_early_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A download that broke off: FFmpeg says nothing of it."""
    path = Path("clip.mkv")
    write_clip(path, frames=50, sound=None)
    for part, end, told in ((1, 2, False), (2, 2, True), (1, 0.2, False)):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // part])
        assert run(path, "-o", "out.gif", "--end", end) == 0
        assert ("its pictures end after" in capsys.readouterr().err) == told
