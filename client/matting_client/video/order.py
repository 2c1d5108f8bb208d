"""What may be asked of a clip by those who send one, to the API or to the page."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Self

from matting_client.budget import SHARE, room_for
from matting_client.errors import OptionError, TooLarge
from matting_client.imaging.decode import decode
from matting_client.imaging.limits import Limits
from matting_client.options import Options
from matting_client.processing import BLUR
from matting_client.processing.scene import limited
from matting_client.system import memory_limit
from matting_client.types import Picture
from matting_client.video.background import Background, Blurred, FromOptions, Still
from matting_client.video.inspection import inspected
from matting_client.video.reader import MAX_VIDEO_PIXELS, VideoFile
from matting_client.video.writer import CODECS

FORMATS = tuple(suffix[1:] for suffix in CODECS)
MOST_FRAMES = 20_000  # of a clip: 11 minutes at 30 a second
# Of a frame, for all that is in work beside the model, measured at 3840x2160; VP9 with alpha has two encoders.
BYTES_PER_PIXEL = {".webm": 210, ".mov": 95, ".mp4": 95}
_MOMENT = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
BEHIND_SIDE = 3840  # pixels of a picture behind a clip, which is fitted to every frame


@dataclass(frozen=True)
class Order:
    """How a clip is made.

    Attributes
    ----------
    suffix : .webm, .mov or .mp4.
    start, end : seconds; frames from `start` on and before `end` are wanted. None is the clip's end.
    """

    suffix: str
    options: Options
    background: Background
    start: Fraction = Fraction(0)
    end: Fraction | None = None

    @classmethod
    def of(cls, format: str, background: str | Picture | None = None, alpha_only: bool = False) -> Self:
        """What a format and a colour, "blur", a picture or None for transparent ask for.

        Raises
        ------
        OptionError
            One of them cannot be had, or not beside the others.
        """
        if format not in FORMATS:
            raise OptionError("format", f"{format[:50]!r}", f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
        if alpha_only and background is not None:
            raise OptionError("alpha_only", "background beside it", "one of them")
        suffix = f".{format}"
        if CODECS[suffix].transparent is None and background is None and not alpha_only:
            remedy = "add a background, or take another format"
            raise OptionError("format", problem=f"{format} cannot be transparent", remedy=remedy)
        if not (background is None or isinstance(background, str)):
            return cls(suffix, Options(), Still(background))
        if background == BLUR:
            return cls(suffix, Options(), Blurred())
        return cls(suffix, Options(background=background, alpha_only=alpha_only), FromOptions())

    def between(self, start: Fraction, end: Fraction | None) -> Self:
        """The same of a part of the clip. Raises OptionError where that is nothing."""
        if end is not None and end <= start:
            raise OptionError("end", f"{float(end):g} s", f"more than the start, {float(start):g} s")
        return replace(self, start=start, end=end)

    def open(self, path: Path, name: str) -> VideoFile:
        """The clip or its part, with its number of frames, as far as that is known.

        Parameters
        ----------
        name : what errors call it.

        Raises
        ------
        MattingError
            It cannot be used; TooLarge where it has too many frames.
        """
        count = inspected(path, name).count
        source = self.source(path, name)
        if self.start == 0 and self.end is None:
            source.clip = replace(source.clip, count=count)
        check_frames(name, source.clip.count)
        return source

    def source(self, path: Path, name: str) -> VideoFile:
        """As `open`, of a clip that was opened before."""
        return VideoFile(path, self.start, self.end, name=name, most_pixels=_largest_frame(self.suffix))


def _largest_frame(suffix: str) -> int:
    """Pixels of a frame for which such a share of the memory is enough as photos have."""
    limit = memory_limit()
    return MAX_VIDEO_PIXELS if limit is None else min(MAX_VIDEO_PIXELS, limit // SHARE // BYTES_PER_PIXEL[suffix])


def parse_moment(text: str) -> Fraction:
    """Seconds, or [hh:]mm:ss, as seconds. Raises ValueError where it is neither."""
    match = _MOMENT.fullmatch(text)
    if not match:
        raise ValueError(f"got {text[:50]!r}, expected seconds or [hh:]mm:ss, such as 1:30.5")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds)


def read_behind(data: bytes, name: str, limits: Limits) -> Picture:
    """A picture to put behind a clip, from its file; `name` is what errors call it.

    Raises
    ------
    InputError
    """
    with room_for(data, name, limits):
        return limited(decode(data, name, limits), BEHIND_SIDE)


def check_frames(name: str, count: int | None) -> None:
    """Refuse a clip with too many frames; None where nobody knows yet.

    Raises
    ------
    TooLarge
    """
    if count is not None and count > MOST_FRAMES:
        raise TooLarge(name, f"{count} frames", f"at most {MOST_FRAMES}", "use a part of the clip")
