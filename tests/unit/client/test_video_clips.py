"""Clips as cameras and editing programs write them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matting_client import InputError
from matting_client.video.reader import VideoFile

from tests.unit.client.video_clips import HEIGHT, WIDTH, write_long_groups, write_still


@pytest.mark.parametrize("start", ["0.1", "0.5", "0.9", "1.7"])
@pytest.mark.parametrize("name", ["clip.ts", "clip.mp4", "clip.mkv"])
def test_a_part_begins_where_it_is_told_to(tmp_path: Path, name: str, start: str) -> None:
    write_long_groups(tmp_path / name)
    whole = VideoFile(tmp_path / name)
    expected = [frame.rgb for frame in whole.frames() if frame.tick * whole.clip.time_base >= Fraction(start)]
    frames = [frame.rgb for frame in VideoFile(tmp_path / name, Fraction(start)).frames()]
    np.testing.assert_array_equal(frames, expected)


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
    with pytest.raises(InputError, match="matrix 8.*; convert it to BT.709"):
        list(VideoFile(tmp_path / "clip.mkv").frames())
