"""Make the inside of a subject solid.

The network learns from errors to both sides, and so it keeps a little away from full alpha: the inside of a person is
at 250 to 255, with faint clouds where it was less sure. Another background shines through them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.processing.letterbox import Letterbox, without_padding

FULL = 252  # what the network means by 255; all below is stretched alike
SOLID = 210  # where nothing near has less, it is the inside
STEEP = 3  # steps that the inside loses for each that the least near it is below `SOLID`
REACH = 256  # pixels of the model's side for one that "near" reaches

_LEVELS = np.arange(256)
_STRETCHED = np.minimum((_LEVELS * 255 + FULL // 2) // FULL, 255).astype(np.uint8)
_INSIDE = np.maximum(255 - STEEP * np.maximum(SOLID - _LEVELS, 0), 0).astype(np.uint8)


def solidify(pha: NDArray[np.uint8], box: Letterbox) -> NDArray[np.uint8]:
    """The model's alpha with full alpha where it means that, and no clouds inside.

    Parameters
    ----------
    pha : (S, S) uint8, the model's output.
    box : the placement from `letterbox`; what is beyond the photo does not count, and stays.

    Returns
    -------
    (S, S) uint8, nowhere less than `pha`. Edges keep their softness: nothing near an alpha below 186 changes but by
    the stretch.
    """
    out = pha.copy()
    part = cv2.LUT(without_padding(pha, box), _STRETCHED)
    reach = max(1, pha.shape[0] // REACH)
    least = cv2.erode(part, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    out[box.inside] = cv2.max(part, cv2.LUT(least, _INSIDE))
    return out
