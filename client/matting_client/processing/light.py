"""Coloured light, taken out of what the model is shown: under it the model misses what it knows in white light.

Refinement and result go by the photo's own colours. Each channel is scaled by its brightest part, which is taken for
white (von Kries' adaptation with the white patch of Land and McCann, "Lightness and Retinex Theory", 1971).
"""

from __future__ import annotations

import cv2
import numpy as np

from matting_client.processing.letterbox import Letterbox, without_padding
from matting_client.types import Gains, Image

DARKER = 0.9999  # share of a photo's pixels that are at most as bright as what is taken for white
TOLERANCE = 1.4  # how far a channel may lie below the brightest: most photos are seen as they are, to the bit
MOST_GAIN = 4.0  # beyond it a channel holds more noise than picture


def to_white(rgb: Image) -> Gains:
    """What each channel of an (H, W, 3) photo is multiplied by to be seen in white light; 1 for most photos."""
    white = np.array([_brightest(rgb, channel) for channel in range(3)])
    gains: Gains = np.clip(white.max() / (TOLERANCE * np.maximum(white, 1)), 1, MOST_GAIN)
    return gains


def _brightest(rgb: Image, channel: int) -> int:
    counts = cv2.calcHist([rgb], [channel], None, [256], [0, 256]).ravel().astype(np.int64).cumsum()
    return int(np.searchsorted(counts, DARKER * counts[-1]))


def in_white_light(square: Image, box: Letterbox, gains: Gains) -> Image:
    """The model's (S, S, 3) square for the model to see: its photo's channels multiplied, rounded half up."""
    if (gains == 1).all():
        return square
    table = np.minimum(np.floor(np.arange(256)[:, None] * gains + 0.5), 255).astype(np.uint8)
    shown = square.copy()
    shown[box.inside] = cv2.LUT(without_padding(square, box), table[None])
    return shown
