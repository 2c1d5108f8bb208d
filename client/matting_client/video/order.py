"""What may be asked of a clip by those who send one, to the API or to the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from matting_client.errors import OptionError, TooLarge
from matting_client.options import Options
from matting_client.processing import BLUR
from matting_client.video.background import Background, Blurred, FromOptions
from matting_client.video.writer import CODECS

FORMATS = tuple(suffix[1:] for suffix in CODECS)
MOST_FRAMES = 20_000  # of a clip: 11 minutes at 30 a second


@dataclass(frozen=True)
class Order:
    """How a clip is made: `suffix` is .webm, .mov or .mp4."""

    suffix: str
    options: Options
    background: Background

    @classmethod
    def of(cls, format: str, background: str | None = None, alpha_only: bool = False) -> Self:
        """What a format and a colour, "blur" or None for transparent ask for.

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
        if background == BLUR:
            return cls(suffix, Options(), Blurred())
        return cls(suffix, Options(background=background, alpha_only=alpha_only), FromOptions())


def check_frames(name: str, count: int | None) -> None:
    """Refuse a clip with too many frames; None where nobody knows yet.

    Raises
    ------
    TooLarge
    """
    if count is not None and count > MOST_FRAMES:
        raise TooLarge(name, f"{count} frames", f"at most {MOST_FRAMES}", "use a part of the clip")
