"""What a person says of a result: strokes of a brush, picked subjects, a mask; checked when they are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real

import cv2
import numpy as np

from matting_client import processing
from matting_client.errors import InputError, OptionError, shown
from matting_client.types import Alpha, Image

MOST_MARKS = 200  # strokes, and picks, of one correction
MOST_POINTS = 5000  # of one stroke
FARTHEST = 100_000  # pixels; more than any photo has
SAME_SHAPE = 0.01  # how far a mask's ratio of sides may be from the photo's


@dataclass(frozen=True)
class Stroke:
    """A stroke of a brush; its border snaps to the photo's edges.

    Parameters
    ----------
    keep : whether what lies under it belongs to the subject.
    points : (x, y) of its line, in pixels from the photo's upper left corner; one makes a dab. At most 5,000.
    radius : of the brush in pixels.

    Raises
    ------
    OptionError
        A value is none of these.
    """

    keep: bool
    points: Sequence[Sequence[float]]
    radius: float

    def __post_init__(self) -> None:
        _check_keep("stroke", self.keep)
        try:
            object.__setattr__(self, "points", tuple(tuple(point) for point in self.points))
        except TypeError:
            raise OptionError("stroke", f"the points {shown(self.points)}", "pairs of x and y in pixels") from None
        if not 1 <= len(self.points) <= MOST_POINTS:
            raise OptionError("stroke", f"{len(self.points)} points", f"1 to {MOST_POINTS}")
        for point in self.points:
            _check_point("stroke", point)
        if not _is_number(self.radius) or not 0 < self.radius <= FARTHEST:
            raise OptionError("stroke", f"the radius {shown(self.radius)}", f"more than 0, at most {FARTHEST}")


@dataclass(frozen=True)
class Pick:
    """One of the people and things of a result that do not touch each other, named by a point in it.

    Parameters
    ----------
    keep : True keeps it, and of the others only those that are picked, too; False removes it.
    x, y : in pixels from the photo's upper left corner.

    Raises
    ------
    OptionError
        No such point.
    """

    keep: bool
    x: float
    y: float

    def __post_init__(self) -> None:
        _check_keep("pick", self.keep)
        _check_point("point", (self.x, self.y))


@dataclass(frozen=True, eq=False, repr=False)
class Correction:
    """All of it; applied in this order.

    Parameters
    ----------
    mask : (h, w) uint8 of the photo's shape, in any size: white keeps, black removes, grey leaves the alpha as it is.
    picks : subjects to remove, or to keep alone.
    strokes : of a brush, one after the other.

    Raises
    ------
    OptionError
        Too many, or no such mask.
    """

    mask: Alpha | None = None
    picks: tuple[Pick, ...] = ()
    strokes: tuple[Stroke, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("picks", Pick), ("strokes", Stroke)):
            marks = _marks(name, getattr(self, name), kind)
            object.__setattr__(self, name, marks)
            if len(marks) > MOST_MARKS:
                raise OptionError(name, f"{len(marks)}", f"at most {MOST_MARKS}")
        mask = self.mask
        if mask is not None and not isinstance(mask, np.ndarray):
            raise OptionError("mask", f"a {type(mask).__name__}", "uint8 (h, w)", "use np.asarray(mask)")
        if mask is not None and (mask.dtype != np.uint8 or mask.ndim != 2 or not mask.size):
            raise OptionError("mask", f"{mask.dtype} {mask.shape}", "uint8 (h, w)")

    def __repr__(self) -> str:
        masked = "a mask, " if self.mask is not None else ""
        return f"<Correction {masked}{len(self.picks)} picks, {len(self.strokes)} strokes>"

    def __bool__(self) -> bool:
        return self.mask is not None or bool(self.picks) or bool(self.strokes)

    def apply(self, rgb: Image, pha: Alpha) -> Alpha:
        """The corrected alpha (H, W) of a photo (H, W, 3); the given one is left alone.

        Raises
        ------
        InputError
            The mask is of another shape than the photo.
        OptionError
            A point or stroke lies beside the photo, or a picked subject is not there.
        """
        out = pha
        if self.mask is not None:
            out = processing.paint_mask(rgb, out, _fitted(self.mask, pha.shape))
        out = _pick(out, self.picks)
        for stroke in self.strokes:
            out = apply_stroke(rgb, out, stroke)[1]
        return out


def apply_stroke(rgb: Image, pha: Alpha, stroke: Stroke) -> tuple[processing.Box, Alpha]:
    """Apply one stroke.

    Parameters
    ----------
    rgb, pha : photo (H, W, 3) and its alpha (H, W), which is left alone.

    Returns
    -------
    The part that may have changed, and the new alpha (H, W) of the whole photo.

    Raises
    ------
    OptionError
        The stroke lies beside the photo.
    """
    painted = processing.paint_stroke(rgb, pha, stroke.points, stroke.radius, stroke.keep)
    if painted is None:
        x, y = stroke.points[0]
        raise OptionError("stroke", f"one at {x:g},{y:g}", f"one on the photo, which has {_size(pha)} pixels")
    box, part = painted
    out = pha.copy()
    out[box.top : box.bottom, box.left : box.right] = part
    return box, out


def _pick(pha: Alpha, picks: Iterable[Pick]) -> Alpha:
    out = pha
    kept = [(pick.x, pick.y) for pick in picks if pick.keep]
    if kept:
        out = _found(processing.keep_subjects(out, kept), kept)
    for pick in picks:
        if not pick.keep:
            out = _found(processing.remove_subject(out, pick.x, pick.y), [(pick.x, pick.y)])
    return out


def _found(pha: Alpha | None, points: list[tuple[float, float]]) -> Alpha:
    if pha is None:
        named = " or ".join(f"{x:g},{y:g}" for x, y in points[:5])
        raise OptionError(
            "point",
            f"no subject at {named}",
            "one on what was found",
            "name another (Cutout.subjects lists them), or paint with a radius",
        )
    return pha


def _fitted(mask: Alpha, shape: tuple[int, ...]) -> Alpha:
    """A mask in the photo's size."""
    height, width = shape
    if mask.shape == shape:
        return mask
    ratio = mask.shape[1] * height / (mask.shape[0] * width)
    if abs(ratio - 1) > SAME_SHAPE:
        got = f"{mask.shape[1]}x{mask.shape[0]} pixels"
        raise InputError("mask", got, f"the photo's shape, {width}x{height}", "draw it on the photo itself")
    out: Alpha = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    return out


def _marks(name: str, given: object, kind: type) -> tuple[object, ...]:
    marks = tuple(given) if isinstance(given, Iterable) else (given,)
    for mark in marks:
        if not isinstance(mark, kind):
            raise OptionError(name, shown(mark), f"a {kind.__name__} each", f"use {kind.__name__}(...)")
    return marks


def _check_keep(subject: str, keep: object) -> None:
    if not isinstance(keep, bool | np.bool_):
        raise OptionError(subject, f"keep {shown(keep)}", "True or False")


def _check_point(subject: str, point: Sequence[float]) -> None:
    if len(point) != 2 or not all(_is_number(each) and abs(each) <= FARTHEST for each in point):
        raise OptionError(subject, f"the point ({', '.join(map(shown, point))})"[:70], "x and y in pixels")


def _is_number(value: object) -> bool:
    """Whether it is a number, which may still be none that is finite: comparisons tell, and bear any length."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _size(pha: Alpha) -> str:
    return f"{pha.shape[1]}x{pha.shape[0]}"
