"""Clips as cameras and editing programs write them."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from matting_client import InputError, OptionError
from matting_client.cli import video
from matting_client.cli.main import main
from matting_client.types import Picture
from matting_client.video.animation import CLOCKS, shown_for
from matting_client.video.reader import VideoFile
from matting_client.video.source import Folder
from PIL import Image, ImageSequence

from tests.unit.client.conftest import LOCAL
from tests.unit.client.video_clips import (
    FRAMES,
    HEIGHT,
    SWATCHES,
    WIDTH,
    picture,
    write_clip,
    write_hdr,
    write_interlaced,
    write_long_groups,
    write_still,
    write_without_length,
)


@pytest.fixture(autouse=True)
def _here(local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("start", ["0.1", "0.5", "0.9", "1.7"])
@pytest.mark.parametrize("name", ["clip.ts", "clip.mp4", "clip.mkv"])
def test_a_part_begins_where_it_is_told_to(tmp_path: Path, name: str, start: str) -> None:
    write_long_groups(tmp_path / name)
    whole = VideoFile(tmp_path / name)
    expected = [frame.rgb for frame in whole.frames() if frame.tick * whole.clip.time_base >= Fraction(start)]
    frames = [frame.rgb for frame in VideoFile(tmp_path / name, Fraction(start)).frames()]
    np.testing.assert_array_equal(frames, expected)


@pytest.mark.parametrize(("name", "codec"), [("clip.ts", "mpeg2video"), ("clip.mp4", "libx264"), ("clip.avi", "mpeg4")])
def test_the_lines_of_a_frame_are_of_one_moment(tmp_path: Path, name: str, codec: str) -> None:
    """Whole frames are as many as interlaced ones were, at the same times, and without the comb beside what moves."""

    def comb(rgb: Picture) -> float:
        lines = rgb[32:68, :, 1].astype(float)
        return float(np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:]).mean())

    write_interlaced(tmp_path / name, codec)
    with av.open(str(tmp_path / name)) as container:
        decoded = list(container.decode(video=0))
    assert all(frame.interlaced_frame for frame in decoded)
    source = VideoFile(tmp_path / name)
    frames = list(source.frames())
    begin = decoded[0].pts
    assert [frame.tick for frame in frames] == [frame.pts - begin for frame in decoded]
    for frame, raw in zip(frames, decoded, strict=True):
        assert comb(frame.rgb) < 0.2 * comb(raw.to_ndarray(format="rgb24"))


def test_a_clip_that_does_not_say_its_length_is_measured(tmp_path: Path) -> None:
    write_without_length(tmp_path / "live.webm")
    with av.open(str(tmp_path / "live.webm")) as container:
        assert container.duration is None and not container.streams.video[0].duration
    whole = VideoFile(tmp_path / "live.webm")
    assert whole.clip.count == FRAMES == len(list(whole.frames()))
    with pytest.raises(OptionError, match=r"a clip of 0\.48 s"):
        VideoFile(tmp_path / "live.webm", Fraction(30))


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (Fraction(4, 3), (round(WIDTH * 4 / 3), HEIGHT)),
        (Fraction(8, 9), (WIDTH, HEIGHT * 9 // 8)),
        (Fraction(100), (WIDTH, HEIGHT)),
    ],
)
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, size: tuple[int, int]) -> None:
    write_still(tmp_path / "clip.mkv", aspect=aspect)
    (frame,) = VideoFile(tmp_path / "clip.mkv").frames()
    assert frame.rgb.shape[1::-1] == size


def test_colours_that_nobody_reads_are_told_in_a_line(tmp_path: Path) -> None:
    write_still(tmp_path / "clip.mkv", matrix=8)
    with pytest.raises(InputError, match=r"matrix 8: .*; convert it to BT\.709"):
        list(VideoFile(tmp_path / "clip.mkv").frames())


@pytest.mark.parametrize("curve", [16, 18, 14])
def test_hdr_and_wide_colours_become_what_a_screen_shows(tmp_path: Path, curve: int) -> None:
    write_hdr(tmp_path / "clip.mp4", curve)
    (frame,) = VideoFile(tmp_path / "clip.mp4").frames()
    np.testing.assert_allclose(frame.rgb[16, 8::16].astype(int), SWATCHES, atol=10)


@pytest.mark.parametrize("name", ["out.webm", "out.mov"])
def test_every_track_of_sound_is_kept(name: str) -> None:
    write_clip(Path("two.mkv"), frames=10, tracks=2)
    assert video.main(["two.mkv", "-o", name, *LOCAL]) == 0
    for number in range(2):
        with av.open(name) as container:
            assert len(container.streams.audio) == 2
            length = sum(frame.samples / frame.rate for frame in container.decode(audio=number))
        assert length == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(50), Fraction(60)])
@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_the_clock_of_an_animated_picture_does_not_drift(suffix: str, fps: Fraction) -> None:
    numbers, durations = shown_for([number / fps for number in range(200)], *CLOCKS[suffix])
    assert min(durations) >= CLOCKS[suffix][1]
    for number, begin in zip(numbers, np.cumsum([0, *durations]), strict=False):
        assert begin == pytest.approx(float(number / fps) * 1000, abs=CLOCKS[suffix][0] / 2 + 0.001)
    assert sum(durations) == pytest.approx(200_000 / fps, abs=CLOCKS[suffix][1])


def test_a_gif_lasts_as_long_as_its_clip() -> None:
    frames = [Image.fromarray(picture(number)) for number in range(10)]
    frames[0].save("in.webp", save_all=True, append_images=frames[1:], duration=33, lossless=True)
    assert video.main(["in.webp", "-o", "out.gif", "--background", "blur", *LOCAL]) == 0
    with Image.open("out.gif") as made:
        assert sum(frame.info["duration"] for frame in ImageSequence.Iterator(made)) == 330


def test_pictures_of_a_folder_come_by_number() -> None:
    Path("in").mkdir()
    for name in ("10.png", "9.png", "9b.png", "1.png", "a.png", "._1.png", "notes.txt"):
        (Path("in") / name).touch()
    assert [file.name for file in Folder(Path("in"), None).files] == ["1.png", "9.png", "9b.png", "10.png", "a.png"]


def test_a_picture_of_another_size_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Image.new("RGB", (64, 48)).save("in/1.png")
    Image.new("RGB", (32, 48)).save("in/2.png")
    assert video.main(["in", "-o", "out.webm", *LOCAL]) == 1
    assert capsys.readouterr().err == (
        "matting video: in/2.png: got 32x48 pixels, expected 64x48 as 1.png; scale it first\n"
    )


def test_a_folder_whose_picture_has_changed_begins_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("matting_client.video.job.SEGMENT", 2)
    Path("in").mkdir()
    for number in range(16):
        Image.fromarray(picture(number)).save(f"in/{number}.png")
    Path("in/15.png").write_bytes(b"damaged")
    order = ["in", "-o", "out.webm", *LOCAL]
    assert video.main(order) == 1
    Image.fromarray(picture(15)).save("in/15.png")
    os.utime("in/0.png", (1, 1))
    capsys.readouterr()
    assert video.main(order) == 0
    assert "goes on" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dance.webp", "-o", "out.webm", "--fps", "10"], "--fps: got it with dance.webp"),
        (["dance.webp", "-o", "out.mp4", "--alpha-only", "--background", "red"], "--alpha-only: got --background"),
        (["dance.webp", "-o", "frames/%05d.webp"], "got numbered pictures as .webp, expected %05d.png"),
        (["dance.webp", "-o", "folder.gif"], "-o folder.gif: got a folder"),
    ],
)
def test_what_cannot_be_had_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    Image.new("RGB", (8, 8)).save("dance.webp")
    Path("folder.gif").mkdir()
    assert main(["video", *arguments, *LOCAL]) == 2
    assert said in capsys.readouterr().err


def test_an_animated_picture_makes_its_folder() -> None:
    Image.fromarray(picture(0)).save("dance.webp")
    assert video.main(["dance.webp", "-o", "new/out.gif", *LOCAL]) == 0
    assert [path.name for path in Path("new").iterdir()] == ["out.gif"]


@contextmanager
def _room(most: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [200, 9000])
def test_a_full_disk_is_told_in_a_line(capsys: pytest.CaptureFixture[str], room: int) -> None:
    write_clip(Path("clip.mp4"), frames=1, sound=None)
    with _room(room):
        assert video.main(["clip.mp4", "-o", "out.mp4", "--background", "red", *LOCAL]) == 1
    assert "cannot be written (File too large); free space or write elsewhere" in capsys.readouterr().err
    assert not Path("out.mp4").exists()
