"""How sure an alpha is of itself, from the alpha alone: which results to look at first.

An alpha of 0 or 1 is sure and one of 0.5 is not: 4a(1-a) says so for each pixel. Along the outline of hair that is as
it should be; far from the outline, or in pieces beside the subject, it is a sign of something lost or something added.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.types import Alpha

SIDE = 512  # alphas are judged at this longer side, whatever their own
FAR = 9  # pixels from the outline, at that side
WEIGHT = 10  # of what is undecided far from the outline, and of pieces beside the subject
SUBJECT = 64  # alpha above it belongs to the subject for certain


def _small(pha: Alpha) -> Alpha:
    scale = SIDE / max(pha.shape)
    if scale >= 1:
        return pha
    size = max(1, round(pha.shape[1] * scale)), max(1, round(pha.shape[0] * scale))
    small: Alpha = cv2.resize(pha, size, interpolation=cv2.INTER_AREA)
    return small


def _undecided(pha: Alpha) -> NDArray[np.float32]:
    a = pha.astype(np.float32) / 255
    doubt: NDArray[np.float32] = 4 * a * (1 - a)
    return doubt


def _outline(pha: Alpha, radius: int) -> NDArray[np.bool_]:
    """Within `radius` pixels of where alpha passes one half."""
    solid = (pha > 127).view(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    band: NDArray[np.bool_] = cv2.dilate(solid, disc) != cv2.erode(solid, disc)
    return band


def uncertainty(pha: Alpha) -> float:
    """How doubtful an alpha (H, W) is: 0 for a hard mask in one piece, about 0.01 for a good portrait, up to 21.

    The mean of 4a(1-a), ten times where it lies far from the outline, plus ten times the share of the picture that
    pieces beside the largest one cover.
    """
    small = _small(pha)
    doubt = _undecided(small)
    far = float(doubt[~_outline(small, FAR)].sum())
    parts = cv2.connectedComponentsWithStats((small > SUBJECT).view(np.uint8), connectivity=8)[2][1:, cv2.CC_STAT_AREA]
    beside = int(parts.sum() - parts.max()) if len(parts) else 0
    return (float(doubt.sum()) + WEIGHT * (far + beside)) / small.size


def is_empty(pha: Alpha) -> bool:
    """Whether an alpha (H, W) shows nothing that could be a subject."""
    return not bool((_small(pha) > SUBJECT).any())
