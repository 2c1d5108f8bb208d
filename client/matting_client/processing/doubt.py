"""How sure an alpha is of itself, from the alpha alone: which results to look at first."""

from __future__ import annotations

import cv2
import numpy as np

from matting_client.types import Alpha

SIDE = 512  # alphas are judged at this longer side, whatever their own
LEAST = 0.01  # share of the picture that counts as covered at least: a trace of a subject is nothing to measure by
SUBJECT = 64  # alpha above it belongs to the subject for certain


def _small(pha: Alpha) -> Alpha:
    scale = SIDE / max(pha.shape)
    if scale >= 1:
        return pha
    size = max(1, round(pha.shape[1] * scale)), max(1, round(pha.shape[0] * scale))
    small: Alpha = cv2.resize(pha, size, interpolation=cv2.INTER_AREA)
    return small


def uncertainty(pha: Alpha) -> float:
    """How doubtful an alpha (H, W) is: 0 for a hard mask, about 0.02 for a good portrait, up to 1.54.

    The mean of 4a(1-a), which is 0 where the alpha a is sure and 1 where it is not, over the root of the subject's
    share of the picture: doubt along an outline grows with the subject's breadth, and is as it should be.
    """
    a = _small(pha).astype(np.float32) / 255
    return float((4 * a * (1 - a)).mean() / np.sqrt(max(float(a.mean()), LEAST)))


def is_empty(pha: Alpha) -> bool:
    """Whether an alpha (H, W) shows nothing that could be a subject."""
    return not bool((_small(pha) > SUBJECT).any())
