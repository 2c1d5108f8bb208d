"""What a visitor paints in the editor, from JSON in the pixels of the browser's picture: strokes, points and boxes."""

from __future__ import annotations

import math
from typing import Any

from matting_client import Cutout, OptionError, Pick, Stroke
from matting_client.correction import Correction, apply_stroke
from matting_client.processing import Box, clear_outside
from matting_client.types import Alpha

from matting_ui.editor_view import view_scale

SIDES = ("left", "top", "right", "bottom")


class Refused(Exception):
    """A request that cannot be served, with the status to answer."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


def corrected(cutout: Cutout, asked: str, body: Any) -> Alpha:
    """The alpha (H, W) after a "stroke", a "pick" or a "box".

    Raises
    ------
    Refused
        The body is not what was asked.
    OptionError
        It lies beside the photo.
    """
    scale = view_scale(cutout.raw.shape)
    try:
        keep = _flag(body["keep"])
        if asked == "stroke":
            points = tuple((x / scale, y / scale) for x, y in body["points"])
            return apply_stroke(cutout.rgb, cutout.raw, Stroke(keep, points, body["radius"] / scale))[1]
        if asked == "box":
            return _boxed(cutout.raw, _box(cutout.raw, [body[side] / scale for side in SIDES]), keep)
        pick = Pick(keep, body["x"] / scale, body["y"] / scale)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, OptionError):
            raise
        raise Refused(400, "invalid_parameter", "got a body without what a stroke, point or box has") from None
    return Correction(picks=(pick,)).apply(cutout.rgb, cutout.raw)


def _box(pha: Alpha, sides: list[float]) -> Box:
    """The whole pixels of a photo that a box touches."""
    height, width = pha.shape
    left, top = (max(0, math.floor(each)) for each in sides[:2])
    right, bottom = (math.ceil(each) for each in sides[2:])
    box = Box(left, top, min(width, right), min(height, bottom))
    if box.width < 1 or box.height < 1:
        raise OptionError("box", f"{left},{top} to {right},{bottom}", f"a part of the photo, {width}x{height} pixels")
    return box


def _boxed(pha: Alpha, box: Box, keep: bool) -> Alpha:
    """Nothing but what lies in a box, or all but that."""
    if keep:
        return clear_outside(pha, box)
    out = pha.copy()
    out[box.top : box.bottom, box.left : box.right] = 0
    return out


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value
