"""Lengths and places as text, "30px", "10%" or "50% 20%", in the notation of remove.bg."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from matting_client.errors import OptionError
from matting_client.processing import Box

MAX_MARGIN_PX, MAX_MARGIN_SHARE = 500, 0.5  # on each side, the share of the subject; remove.bg's limits
MIN_SCALE = 0.1
MIN_CANVAS = 16
MAX_CANVAS = 10_000
MAX_CANVAS_AREA = 50_000_000
_CANVAS = re.compile(r"(\d{1,5})(?:[x×](\d{1,5}))?", re.ASCII)
_NUMBER = r"(\d{1,9}(?:\.\d{1,6})?)"
_LENGTH = re.compile(rf"{_NUMBER}(px|%)?", re.ASCII)
_SIZE = re.compile(rf"{_NUMBER}(px|mp)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Length:
    """Pixels, or a share of something."""

    value: float
    is_share: bool

    def of(self, whole: int) -> int:
        """Whole pixels."""
        return round(self.value * whole) if self.is_share else round(self.value)


def parse_margins(text: str) -> tuple[Length, Length, Length, Length]:
    """Top, right, bottom and left from one (all), two (top and bottom, left and right) or four lengths.

    Raises
    ------
    OptionError
        Something else, or more than 500 px or 50 %.
    """
    found = _lengths("crop_margin", text, "one, two or four of 0..500px or 0..50%, such as 10% or 20px 5%")
    if len(found) not in (1, 2, 4) or any(
        each.value > (MAX_MARGIN_SHARE if each.is_share else MAX_MARGIN_PX) for each in found
    ):
        raise _bad("crop_margin", text, "one, two or four of 0..500px or 0..50%, such as 10% or 20px 5%")
    match found:
        case [every]:
            return every, every, every, every
        case [upright, across]:
            return upright, across, upright, across
    top, right, bottom, left = found
    return top, right, bottom, left


def parse_region(text: str) -> tuple[Length, Length, Length, Length]:
    """Left, top, right and bottom of a region, from the photo's upper left corner.

    Raises
    ------
    OptionError
        Not four lengths of at most 100 %, or nothing between them.
    """
    expected = "left top right bottom in px or %, such as 0% 0% 50% 100%"
    found = _lengths("roi", text, expected)
    if len(found) != 4 or any(each.is_share and each.value > 1 for each in found):
        raise _bad("roi", text, expected)
    for first, last in ((found[0], found[2]), (found[1], found[3])):
        if first.is_share == last.is_share and first.value >= last.value:
            raise _bad("roi", text, expected)
    left, top, right, bottom = found
    return left, top, right, bottom


def region_box(text: str, shape: tuple[int, ...]) -> Box:
    """A region in whole pixels of a photo of (H, W), cut to it.

    Raises
    ------
    OptionError
        It has no pixel of this photo.
    """
    height, width = shape
    left, top, right, bottom = parse_region(text)
    box = Box(left.of(width), top.of(height), min(right.of(width), width), min(bottom.of(height), height))
    if box.width < 1 or box.height < 1:
        raise _bad("roi", text, f"a part of the photo, which has {width}x{height} pixels")
    return box


def parse_scale(text: str) -> float | None:
    """0.1..1 from "10%".."100%", None from "original".

    Raises
    ------
    OptionError
    """
    if text == "original":
        return None
    found = _LENGTH.fullmatch(text)
    if not found or found[2] != "%" or not MIN_SCALE <= float(found[1]) / 100 <= 1:
        raise _bad("scale", text, "original or 10%..100%")
    return float(found[1]) / 100


def parse_position(text: str) -> tuple[float, float] | None:
    """Shares across and down from "center", one or two of "0%".."100%"; None from "original".

    Raises
    ------
    OptionError
    """
    expected = "original, center, or one or two of 0%..100%, such as 50% 20%"
    if text in ("original", "center"):
        return None if text == "original" else (0.5, 0.5)
    found = _lengths("position", text, expected)
    if len(found) > 2 or any(not each.is_share or each.value > 1 for each in found):
        raise _bad("position", text, expected)
    return found[0].value, found[-1].value


def parse_canvas(text: str) -> tuple[int, int]:
    """(width, height) in pixels from "2000x1500", or of a square from "2000".

    Raises
    ------
    OptionError
        Something else, or a side of less than 16 or more than 10,000 px, or more than 50 megapixels.
    """
    found = _CANVAS.fullmatch(text)
    sides = [int(side) for side in (found[1], found[2] or found[1])] if found else [0, 0]
    if not all(MIN_CANVAS <= side <= MAX_CANVAS for side in sides) or sides[0] * sides[1] > MAX_CANVAS_AREA:
        raise _bad(
            "canvas", text, "WIDTHxHEIGHT or one side, 16..10000 px and at most 50 megapixels, such as 2000x2000"
        )
    return sides[0], sides[1]


def parse_size(text: str) -> tuple[float, float]:
    """Longest side and area, both in pixels, one of them infinite, from "1080px", "0.25MP" or "original".

    Raises
    ------
    OptionError
    """
    if text == "original":
        return math.inf, math.inf
    found = _SIZE.fullmatch(text)
    value = float(found[1]) if found else 0.0
    if found and (found[2] or "px").lower() == "px" and value >= 1:
        return value, math.inf
    if found and value * 1e6 >= 1:
        return math.inf, value * 1e6
    raise _bad("size", text, "original, a longest side such as 1080px, or an area such as 0.25MP")


def _lengths(name: str, text: str, expected: str) -> tuple[Length, ...]:
    found = [_LENGTH.fullmatch(part) for part in text.split()]
    if not found or None in found:
        raise _bad(name, text, expected)
    pairs = [(float(each[1]), each[2] == "%") for each in found if each]
    return tuple(Length(value / 100 if is_share else value, is_share) for value, is_share in pairs)


def _bad(name: str, text: str, expected: str) -> OptionError:
    return OptionError(name, f"{text[:50]!r}", expected)
