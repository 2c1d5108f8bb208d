"""Read an enlarged map at chosen places only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Places = tuple[NDArray[np.intp], NDArray[np.intp]]
Float = NDArray[np.float32]
ROW = 4096  # places a row of the lookup: OpenCV allows at most 32,767
PIECE = 1 << 20  # pixels looked at in one go, so that large photos need little memory


def sample(
    small: Float, shape: tuple[int, int], ys: NDArray[np.intp], xs: NDArray[np.intp], interpolation: int
) -> Float:
    """Values of `small` (h, w, C), scaled to `shape` (H, W), at the pixels (ys, xs): (N, C) float32.

    Same half-pixel convention and borders as `cv2.resize`; C at most 4.
    """
    count = len(ys)
    rows = -(-count // ROW)
    places = np.zeros((2, rows * ROW), np.float32)
    places[0, :count] = (xs + 0.5) * (small.shape[1] / shape[1]) - 0.5
    places[1, :count] = (ys + 0.5) * (small.shape[0] / shape[0]) - 0.5
    map_x, map_y = places.reshape(2, rows, ROW)
    values: Float = cv2.remap(small, map_x, map_y, interpolation, borderMode=cv2.BORDER_REPLICATE)
    return values.reshape(rows * ROW, -1)[:count]


def chosen(shape: tuple[int, int], choose: Callable[[slice], NDArray[np.bool_]]) -> Iterator[Places]:
    """The pixels (ys, xs) of an (H, W) picture for which `choose`, called with a few rows at a time, is true."""
    step = max(1, PIECE // shape[1])
    for top in range(0, shape[0], step):
        ys, xs = np.nonzero(choose(slice(top, top + step)))
        if len(ys):
            yield ys + top, xs
