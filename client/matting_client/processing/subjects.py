"""The people and things of an alpha that do not touch each other: list them, remove one, keep some alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.processing.crop import SPECK, VISIBLE, Box
from matting_client.types import Alpha, Labels

MOST = 100  # subjects listed
NEAR = 1 / 100  # of the short side: how far beside a subject a point may lie, and its faint rim reach


class Subject(NamedTuple):
    """A part of a result that touches no other part.

    Attributes
    ----------
    box : its outline.
    area : pixels.
    point : (x, y) of a pixel well within it.
    """

    box: Box
    area: int
    point: tuple[int, int]


def _label(pha: Alpha) -> tuple[Labels, NDArray[np.int32]]:
    """Number of the part at each pixel, 0 for none, and OpenCV's statistics of each part."""
    seen = (pha >= VISIBLE).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(seen, connectivity=8)
    return labels, stats


def _radius(shape: tuple[int, ...]) -> int:
    return max(2, round(NEAR * min(shape)))


def list_subjects(pha: Alpha) -> list[Subject]:
    """The parts of an alpha (H, W), the largest first, without specks; at most 100."""
    labels, stats = _label(pha)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the background
    order = [int(n) for n in np.argsort(-areas, kind="stable") if areas[n] and areas[n] >= areas.max() / SPECK]
    return [_describe(labels, stats, number) for number in order[:MOST]]


def _describe(labels: Labels, stats: NDArray[np.int32], number: int) -> Subject:
    left, top, width, height, area = (int(each) for each in stats[number])
    own = (labels[top : top + height, left : left + width] == number).view(np.uint8)
    depth = cv2.distanceTransform(np.pad(own, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = divmod(int(depth.argmax()), width)
    return Subject(Box(left, top, left + width, top + height), area, (left + x, top + y))


def _number_at(labels: Labels, x: float, y: float) -> int:
    """The part at a point or, where there is none, the one nearest to it; 0 where none is near."""
    height, width = labels.shape
    column, row = int(x), int(y)
    if not (0 <= column < width and 0 <= row < height):
        return 0
    radius = _radius(labels.shape)
    top, left = max(0, row - radius), max(0, column - radius)
    part = labels[top : row + radius + 1, left : column + radius + 1]
    rows, columns = np.nonzero(part)
    if not len(rows):
        return 0
    nearest = int(np.argmin((rows + top - row) ** 2 + (columns + left - column) ** 2))
    return int(part[rows[nearest], columns[nearest]])


def remove_subject(pha: Alpha, x: float, y: float) -> Alpha | None:
    """Alpha (H, W) without the part at a point, in pixels; None where there is no part."""
    labels, _ = _label(pha)
    number = _number_at(labels, x, y)
    return _cleared(pha, labels, labels == number) if number else None


def keep_subjects(pha: Alpha, points: Sequence[tuple[float, float]]) -> Alpha | None:
    """Alpha (H, W) of the parts at some points alone; None where one of the points has no part."""
    labels, _ = _label(pha)
    numbers = [_number_at(labels, x, y) for x, y in points]
    if 0 in numbers:
        return None
    return _cleared(pha, labels, (labels > 0) & ~np.isin(labels, numbers))


def _cleared(pha: Alpha, labels: Labels, gone: NDArray[np.bool_]) -> Alpha:
    """Alpha without some of its parts and the faint rim around each."""
    radius = _radius(pha.shape)
    rim = cv2.dilate(gone.view(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)).view(np.bool_)
    out: Alpha = np.where(gone | (rim & (labels == 0)), np.uint8(0), pha)
    return out
