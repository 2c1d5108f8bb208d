"""A small copy of a cutout, so that the page follows a slider at once whatever the photo's size."""

from __future__ import annotations

import cv2
import numpy as np
from matting_client import Cutout
from numpy.typing import NDArray

PREVIEW_SIDE = 1280  # pixels of the long side


def small_copy(cutout: Cutout, side: int = PREVIEW_SIDE) -> Cutout:
    """The cutout with a long side of at most `side` px; itself when it is no larger."""
    height, width = cutout.rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return cutout
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    rgb: NDArray[np.uint8] = cv2.resize(cutout.rgb, size, interpolation=cv2.INTER_AREA)
    raw: NDArray[np.uint8] = cv2.resize(cutout.raw, size, interpolation=cv2.INTER_AREA)
    return Cutout(rgb, raw, cutout.options)
