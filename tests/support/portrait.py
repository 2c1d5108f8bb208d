"""A real portrait that the tests' small models, to which bright is the subject, cut out, too."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

Picture = NDArray[np.uint8]
CROWN, CHIN, EYES, MIDDLE = 16, 168, 103, 226  # of the astronaut, in pixels, read off by eye
_SHOULDERS = [(150, 200), (190, 170), (262, 170), (300, 195), (420, 270), (450, 512), (20, 512), (60, 260)]


@lru_cache
def lit_person() -> tuple[Picture, Picture]:
    """The astronaut, brightened, before black: (512, 512, 3), and her outline drawn by hand as alpha (512, 512)."""
    alpha = np.zeros((512, 512), np.uint8)
    cv2.ellipse(alpha, (MIDDLE, 96), (76, 96 - CROWN), 0, 0, 360, 255, -1)
    cv2.fillPoly(alpha, [np.array(_SHOULDERS)], 255)
    lifted = (160 + data.astronaut() // 8 * 3).astype(np.uint8)
    return np.where(alpha[..., None] > 0, lifted, np.uint8(0)), alpha
