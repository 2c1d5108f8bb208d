"""EXIF orientations as views of arrays: nothing is copied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRANSPOSED = (5, 6, 7, 8)  # orientations whose rows are stored as columns


def upright_size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Height and width of an upright picture that is stored with `height` rows."""
    return (width, height) if orientation in TRANSPOSED else (height, width)


def stored_view(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """An upright picture (H, W, C) as the camera stored it; "Exif 3.0", CIPA DC-008-2023, section 4.6.5.1.6."""
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.transpose(1, 0, 2)
        case 6:
            return upright.transpose(1, 0, 2)[::-1]
        case 7:
            return upright.transpose(1, 0, 2)[::-1, ::-1]
        case 8:
            return upright.transpose(1, 0, 2)[:, ::-1]
        case _:
            return upright
