"""What may be asked of a clip by those who send one, to the API or to the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from matting_client.budget import room_for
from matting_client.errors import OptionError, TooLarge
from matting_client.imaging.decode import decode
from matting_client.imaging.limits import Limits
from matting_client.options import Options
from matting_client.processing import BLUR
from matting_client.processing.scene import limited
from matting_client.types import Picture
from matting_client.video.background import Background, Blurred, FromOptions, Still
from matting_client.video.writer import CODECS

FORMATS = tuple(suffix[1:] for suffix in CODECS)
MOST_FRAMES = 20_000  # of a clip: 11 minutes at 30 a second
BEHIND_SIDE = 3840  # pixels of a picture behind a clip, which is fitted to every frame


@dataclass(frozen=True)
class Order:
    """How a clip is made: `suffix` is .webm, .mov or .mp4."""

    suffix: str
    options: Options
    background: Background

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
