"""Animated GIF and WebP as a writer of frames, see `writer`."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from matting_client.errors import OutputError
from matting_client.types import Picture
from matting_client.video.ffmpeg import failures
from matting_client.video.writer import rgb_or_rgba, unwritable

ANIMATED = (".gif", ".webp")
# Milliseconds that an animated picture counts in, and those a frame lasts at least: browsers make a GIF's 10 ms 100 ms.
CLOCKS = {".gif": (10, 20), ".webp": (1, 10)}


class AnimatedPicture:
    """An animated GIF or WebP, by Pillow, which needs all frames at once: hence a limit.

    Raises
    ------
    OutputError
        More frames than such a picture is good for.
    """

    MOST_PIXELS = 120_000_000  # of all frames together, four bytes each

    def __init__(self, path: Path, suffix: str, time_base: Fraction) -> None:
        self._path = path
        self._suffix = suffix
        self._time_base = time_base
        self._frames: list[Image.Image] = []
        self._ticks: list[int] = []
        self._pixels = 0

    def write(self, picture: Picture, tick: int) -> None:
        """Keep a frame."""
        self._pixels += picture.shape[0] * picture.shape[1]
        if self._pixels > self.MOST_PIXELS:
            raise OutputError(
                self._path,
                f"{len(self._frames) + 1} frames, too many for {self._suffix} of this size",
                remedy="use a part of the clip, a smaller one, or .webm",
            )
        self._frames.append(Image.fromarray(rgb_or_rgba(picture)))
        self._ticks.append(tick)

    def close(self) -> None:
        """Write the file. Raises OutputError."""
        kind = {".gif": "GIF", ".webp": "WEBP"}[self._suffix]
        numbers, durations = shown_for([tick * self._time_base for tick in self._ticks], *CLOCKS[self._suffix])
        first, *others = (self._frames[number] for number in numbers)
        extra: dict[str, Any] = {"disposal": 2} if kind == "GIF" else {"quality": 80, "method": 3}
        try:
            first.save(self._path, kind, save_all=True, append_images=others, duration=durations, loop=0, **extra)
        except failures() as error:
            raise unwritable(self._path, error) from None


def shown_for(seconds: list[Fraction], unit: int, shortest: int) -> tuple[list[int], list[int]]:
    """The frames that an animated picture shows, and how long: rounding does not add up, so that it stays in time.

    Parameters
    ----------
    seconds : when each frame is shown.
    unit : milliseconds of a tick of the picture's own clock.
    shortest : milliseconds that a frame lasts at least; one that would not is left out.

    Returns
    -------
    Numbers of the frames that stay, and their milliseconds.
    """
    last = seconds[-1] - seconds[-2] if len(seconds) > 1 else Fraction(1, 10)
    *times, end = (round(second * 1000 / unit) * unit for second in [*seconds, seconds[-1] + last])
    numbers = [0]
    for number, time in enumerate(times):
        if time - times[numbers[-1]] >= shortest:
            numbers.append(number)
    begins = [times[number] for number in numbers]
    durations = [after - before for before, after in pairwise([*begins, max(end, begins[-1] + shortest)])]
    return numbers, durations
