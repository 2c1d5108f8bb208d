"""Where a person's head is, from the alpha alone: its crown, and its chin by how wide the subject is in each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matting_client.errors import InputError
from matting_client.processing.crop import subject_box
from matting_client.types import Alpha

HEAD_SHAPE = 1.25  # a head with its hair is so much higher, crown to chin, than it is wide
NECK_AT = 0.92  # of the distance from crown to chin, where the neck is narrowest
NECK_NARROWER = 0.88  # than the head, or it is hidden by hair
SOLID = 128  # alpha from which a pixel counts as the subject


@dataclass(frozen=True)
class Head:
    """Rows of crown and chin, and the column of the middle of a head, in pixels of the photo."""

    crown: float
    chin: float
    middle: float

    @property
    def height(self) -> float:
        """Crown to chin."""
        return self.chin - self.crown


def find_head(pha: Alpha) -> Head:
    """The head of the person in an alpha (H, W).

    The width of the subject is followed from the crown down: it grows to the head's, shrinks to the neck's and grows to
    the shoulders'.

    Raises
    ------
    InputError
        Nothing can be seen.
    """
    box = subject_box(pha)
    if box is None or not (pha >= SOLID).any():
        raise InputError("", "a photo without a subject", "a person from the front", "choose another")
    solid = pha[box.top : box.bottom] >= SOLID
    middle = _column(solid, box.left, box.right)
    widths = _widths(solid, middle)
    rows = np.flatnonzero(widths >= 0.1 * widths[: max(1, len(widths) // 2)].max())
    crown = int(rows[0]) if len(rows) else 0
    tall = _head_height(widths[crown:])
    head = solid[crown : crown + max(1, round(0.6 * tall))]
    columns = head.sum(0)
    centre = float((columns * np.arange(len(columns))).sum() / max(1, columns.sum()))
    return Head(box.top + crown, box.top + crown + tall, centre)


def _column(solid: NDArray[np.bool_], left: int, right: int) -> int:
    """A column through the head: the middle of what lies in the upper fifth of the subject."""
    upper = solid[: max(1, len(solid) // 5)].sum(0)
    if not upper.any():
        return (left + right) // 2
    return int((upper * np.arange(len(upper))).sum() / upper.sum())


def _widths(solid: NDArray[np.bool_], middle: int) -> NDArray[np.float64]:
    """Width, row by row, of the run of subject that the column `middle` (or what is nearest to it) goes through."""
    out = np.zeros(len(solid))
    for y, row in enumerate(solid):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.view(np.int8), [0]])))
        starts, ends = edges[::2], edges[1::2]
        if len(starts):
            distance = np.maximum(np.maximum(starts - middle, middle - ends), 0)
            nearest = int(distance.argmin())
            out[y] = ends[nearest] - starts[nearest]
    window = max(1, len(out) // 100)
    smooth: NDArray[np.float64] = np.convolve(np.pad(out, window, mode="edge"), np.ones(2 * window + 1), "valid")
    return smooth / (2 * window + 1)


def _head_height(widths: NDArray[np.float64]) -> float:
    """Crown to chin in pixels, from the subject's width in each row below the crown.

    The head's width tells its height, as does the row where the neck is narrowest; where both can be seen, their mean
    is nearer than either. The ratios are medians over 44 portraits whose chin a face detector gave.
    """
    widest = np.maximum.accumulate(widths)
    rows = np.arange(len(widths))
    fits = np.flatnonzero(rows >= HEAD_SHAPE * widest[(0.7 * rows).astype(int)])
    fits = fits[fits > 0]
    by_width = float(fits[0]) if len(fits) else len(widths) / 2
    first, last = round(0.75 * by_width), round(1.25 * by_width)
    if first >= last or first >= len(widths):
        return by_width
    neck = first + int(widths[first:last].argmin())
    if widths[neck] > NECK_NARROWER * widest[min(round(0.7 * by_width), len(widths) - 1)]:
        return by_width
    return (by_width + neck / NECK_AT) / 2
