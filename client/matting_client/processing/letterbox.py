"""Fit a photo into the model's square and bring the alpha back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.processing.sampling import shrink

PAD_RGB = (127, 127, 127)  # zero once the model has normalised it


@dataclass(frozen=True)
class Letterbox:
    """Where a photo of `height` x `width` lies inside the square: top left corner and scaled size, in pixels."""

    height: int
    width: int
    top: int
    left: int
    inner_height: int
    inner_width: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """The photo's rows and columns of the square."""
        return slice(self.top, self.top + self.inner_height), slice(self.left, self.left + self.inner_width)


def _resize(picture: NDArray[np.uint8], width: int, height: int, enlarge: int) -> NDArray[np.uint8]:
    if 2 * width < picture.shape[1] and 2 * height < picture.shape[0]:
        return shrink(picture, (width, height))
    shrinks = width * height < picture.shape[0] * picture.shape[1]
    out: NDArray[np.uint8] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else enlarge)
    return out


def letterbox(rgb: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], Letterbox]:
    """Scale a photo so that its longer side is `size`, centred on `PAD_RGB`.

    Parameters
    ----------
    rgb : (H, W, 3) uint8.
    size : side of the model's input in pixels.

    Returns
    -------
    The (size, size, 3) input and the placement that `unletterbox` wants.
    """
    height, width = rgb.shape[:2]
    scale = size / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size - inner_height) // 2, (size - inner_width) // 2
    box = Letterbox(height, width, top, left, inner_height, inner_width)
    square = np.empty((size, size, 3), np.uint8)
    square[:] = PAD_RGB
    square[box.inside] = _resize(rgb, inner_width, inner_height, cv2.INTER_LINEAR)
    return square, box


def without_padding(square: NDArray[np.uint8], box: Letterbox) -> NDArray[np.uint8]:
    """The photo's part of a (size, size[, C]) square, without the padding."""
    return np.ascontiguousarray(square[box.inside])


def unletterbox(pha: NDArray[np.uint8], box: Letterbox) -> NDArray[np.uint8]:
    """Cut the photo's part out of the model's (size, size) alpha and scale it to the photo's (H, W)."""
    return _resize(without_padding(pha, box), box.width, box.height, cv2.INTER_CUBIC)
