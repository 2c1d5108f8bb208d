"""What offices ask of an ID photo, and where their rules put a head."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from matting_client.processing.head import Head

Range = tuple[float, float]
STEPS = 9  # sizes of the head that are tried, from the middle of what is allowed to the largest
LEAST_TOP = 0.02  # of the height, above the crown, where an office does not say it


@dataclass(frozen=True)
class Size:
    """A kind of ID photo.

    Attributes
    ----------
    mm, px : (width, height).
    head : crown to chin, as a share of the height.
    top : from the upper edge to the crown, as a share of the height.
    background : "#rrggbb" that the office asks for.
    head_mm, top_mm : what the office allows of the two; None where it names no range.
    eyes_mm : what it allows from the lower edge to the eyes.
    unedited : whether it refuses photos whose background was changed.
    """

    name: str
    title: dict[str, str]
    mm: tuple[float, float]
    px: tuple[int, int]
    head: float
    top: float
    background: str
    head_mm: Range | None = None
    top_mm: Range | None = None
    eyes_mm: Range | None = None
    unedited: bool = False


@lru_cache
def sizes() -> dict[str, Size]:
    """The kinds of ID photo by name, in the order to show them."""
    known = json.loads(files("matting_client").joinpath("idphoto.json").read_text(encoding="utf-8"))
    pairs = ("mm", "px", "head_mm", "top_mm", "eyes_mm")
    for each in known.values():
        each.update({key: tuple(each[key]) for key in pairs if key in each})
    return {name: Size(name, **each) for name, each in known.items()}


class Frame(NamedTuple):
    """The part of a photo that an ID photo shows, in the photo's pixels; it may reach beyond the photo."""

    left: float
    top: float
    right: float
    bottom: float


def frame_for(head: Head, size: Size, zoom: float = 1.0, shift: float = 0.0) -> Frame:
    """Where an office wants a head.

    The head stands in the middle of what the office allows. Where the photo ends too soon below it, the head is made as
    much larger, and put as much lower, as the office allows.

    Parameters
    ----------
    zoom, shift : of the head beside the office's rules; shift as a share of the height, downwards.
    """
    if (zoom, shift) != (1.0, 0.0):
        return _frame(head, size, size.head * zoom, _top_for_eyes(head, size, size.head, size.top) + shift)
    tried = [
        _frame(head, size, share, _top_for_eyes(head, size, share, top))
        for share in np.linspace(size.head, _largest(size), STEPS).tolist()
        for top in dict.fromkeys((size.top, _lowest(size)))
    ]
    return next((frame for frame in tried if frame.bottom <= head.floor), tried[0])


def _frame(head: Head, size: Size, share: float, top: float) -> Frame:
    tall = head.height / share
    wide = tall * size.px[0] / size.px[1]
    left = head.middle - wide / 2
    upper = head.crown - top * tall
    return Frame(left, upper, left + wide, upper + tall)


def _largest(size: Size) -> float:
    return size.head if size.head_mm is None else max(size.head, size.head_mm[1] / size.mm[1])


def _lowest(size: Size) -> float:
    return size.top if size.top_mm is None else max(size.top, size.top_mm[1] / size.mm[1])


def _top_for_eyes(head: Head, size: Size, share: float, top: float) -> float:
    """The room above the crown that brings the eyes' line where the office wants it, near to `top`."""
    if size.eyes_mm is None:
        return top
    below = 1 - top - share * (head.eyes - head.crown) / head.height
    lowest, highest = (each / size.mm[1] for each in size.eyes_mm)
    return max(LEAST_TOP, top + below - min(max(below, lowest), highest))
