"""What stands behind a clip's subject: nothing, a colour, a picture, another clip, or the clip itself, blurred."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from matting_client.cutout import Cutout
from matting_client.errors import OptionError
from matting_client.imaging.decode import read
from matting_client.imaging.formats import STILLS
from matting_client.options import parse_colour
from matting_client.processing import BLUR, blur_around
from matting_client.types import Picture
from matting_client.video.reader import Timed, VideoFile


class Background(Protocol):
    """A picture for every frame."""

    def behind(self, cutout: Cutout, seconds: Fraction) -> Picture | None:
        """(h, w, 3) of any size to put behind a frame shown at `seconds`; None leaves it to the cutout's options."""
        ...


class FromOptions:
    """Transparent, or the colour of the options."""

    def behind(self, cutout: Cutout, seconds: Fraction) -> Picture | None:
        """None."""
        return None


class Still:
    """One picture."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def behind(self, cutout: Cutout, seconds: Fraction) -> Picture | None:
        """The picture."""
        return self._picture


class Blurred:
    """The clip's own background, out of focus, without the subject's colours."""

    def behind(self, cutout: Cutout, seconds: Fraction) -> Picture | None:
        """The blurred frame."""
        return blur_around(cutout.rgb, cutout.raw, cover=cutout.cover)


class Moving:
    """Another clip, from its beginning and again when it ends; of several frames the last one shown."""

    def __init__(self, source: VideoFile) -> None:
        self._source = source
        self._frames: Iterator[Timed] = source.frames()
        self._next: Timed | None = None
        self._shown: Timed | None = None
        self._round = Fraction(0)  # seconds at which this turn of the clip began

    def behind(self, cutout: Cutout, seconds: Fraction) -> Picture | None:
        """The frame shown at `seconds`, which never falls from one call to the next."""
        while self._shown is None or self._due(seconds):
            self._shown = self._take()
        return self._shown.rgb

    def _due(self, seconds: Fraction) -> bool:
        if self._next is None:
            self._next = self._draw()
        return self._round + self._next.tick * self._source.clip.time_base <= seconds

    def _take(self) -> Timed:
        taken = self._next or self._draw()
        self._next = None
        return taken

    def _draw(self) -> Timed:
        try:
            return next(self._frames)
        except StopIteration:
            clip = self._source.clip
            last = self._shown.tick * clip.time_base if self._shown else Fraction(0)
            self._round += last + 1 / clip.fps
            self._frames = self._source.frames()
            return next(self._frames)


def open_background(text: str | None) -> tuple[str | None, Background]:
    """The colour for the options, if it is one, and what gives the pictures.

    Parameters
    ----------
    text : a colour, a picture or video file, "blur", or None for transparent.

    Raises
    ------
    OptionError, InputError
        It is none of them.
    """
    if text is None:
        return None, FromOptions()
    if text == BLUR:
        return None, Blurred()
    path = Path(text)
    if path.is_file():
        if path.suffix.lower() in STILLS:
            return None, Still(read(path))
        return None, Moving(VideoFile(path))
    try:
        parse_colour(text)
    except OptionError:
        raise OptionError(
            "background", f"{text!r}", "#rrggbb, a colour name, blur, or a picture or video file"
        ) from None
    return text, FromOptions()
