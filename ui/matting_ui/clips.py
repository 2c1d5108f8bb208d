"""What the tab for clips asks for, and the lines that tell how it goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from matting_client import InputError, Limits, OptionError
from matting_client.imaging.decode import read_bytes
from matting_client.processing import BLUR
from matting_client.types import Picture
from matting_client.video.inspection import Look, look_at
from matting_client.video.order import Order, read_behind
from matting_client.video.reader import VideoFile

from matting_ui import controls, ids
from matting_ui.context import Studio

BACKGROUNDS = (ids.TRANSPARENT, "white", "blue", ids.CUSTOM, ids.FROM_PICTURE, BLUR)
MINUTE, HOUR = 60, 3600  # seconds


def read_order(
    studio: Studio,
    format: str,
    background: str,
    colour: str,
    picture: str | None = None,
    start: float | None = 0,
    end: float | None = 0,
) -> Order:
    """What the controls ask for; the clip is transparent until a picture is chosen, and ends at second 0 nowhere.

    Raises
    ------
    OptionError, InputError
    """
    if background not in BACKGROUNDS:
        raise OptionError("background", f"{background!r:.50}", "one of the choices")
    known = {**ids.BACKGROUNDS, BLUR: BLUR, ids.CUSTOM: controls.colour_text(colour)}
    if background != ids.FROM_PICTURE:
        order = Order.of(format, known[background])
    else:
        order = Order.of(format, _behind(studio.uploaded(picture), studio.limits)) if picture else Order.of("webm")
    return order.between(wanted_second(start), wanted_second(end) or None)


@lru_cache(maxsize=4)
def _behind(path: Path, limits: Limits) -> Picture:
    return read_behind(read_bytes(path, limits, path.name), path.name, limits)


def wanted_second(second: float | None) -> Fraction:
    """The moment that the control names; before the clip is its beginning."""
    if not math.isfinite(second or 0):
        raise OptionError("second", f"{second}", "a number")
    return Fraction(str(max(0.0, float(second or 0))))


def look_into(uploaded: Callable[[str], Path], clip: str, second: Fraction) -> Look:
    """A frame of an upload, which `uploaded` finds; one that is removed meanwhile is gone, not broken."""
    try:
        return look_at(uploaded(clip), Path(clip).name, second)
    except InputError:
        uploaded(clip)
        raise


def look_of(background: str, colour: str, picture: str | None = None, **more: Any) -> tuple[Any, ...]:
    """What of the settings counts for a result."""
    return background, {ids.CUSTOM: colour, ids.FROM_PICTURE: picture}.get(background), *sorted(more.items())


def progress(words: dict[str, str], done: int, count: int | None, seconds: float) -> str:
    """A line on how far a clip is; the rate once there is one, and the time left where the clip's length is known."""
    parts = [words["video_working"].format(done=done, frames=count or "?")]
    if done:
        parts.append(words["video_rate"].format(rate=f"{done / max(1e-3, seconds):.1f}"))
    if done and count:
        parts.append(words["video_left"].format(left=_duration(words, max(0, count - done) * seconds / done)))
    return " · ".join(parts)


def ended(words: dict[str, str], clip: VideoFile) -> str:
    """The line on a clip that is done; of one whose frames end long before it should, that they do."""
    if clip.seconds is None or not clip.ends_early():
        return words["video_done"]
    return words["video_short"].format(end=f"{float(clip.seen):.1f}", length=f"{float(clip.seconds):.1f}")


def _duration(words: dict[str, str], seconds: float) -> str:
    """A length of time in the unit that people would use."""
    if seconds < 2 * MINUTE:
        return words["seconds"].format(count=f"{seconds:.0f}")
    if seconds < 2 * HOUR:
        return words["minutes"].format(count=f"{seconds / MINUTE:.0f}")
    return words["hours"].format(count=f"{seconds / HOUR:.1f}")
