"""Pictures that have transparency already: what of it is the subject, and what stays of it."""

from __future__ import annotations

import cv2
import numpy as np

from matting_client.types import Alpha

SOLID = 128  # from here on a pixel counts as visible, or as the subject's
TRANSPARENT_SHARE = 0.05  # of a cutout's pixels at least
SUBJECT_SHARE = 0.95  # of what is visible: the model finds 0.99 and more of a cutout put in again
REACH = 1 / 128  # of the short side: how far around a soft pixel the model is asked


def within_cover(pha: Alpha, cover: Alpha) -> Alpha:
    """Alpha of a picture that has transparency, of which the model has seen a version on neutral ground.

    A picture that shows nearly nothing but the subject is a cutout: it keeps its alpha. Of others the model tells what
    of the opaque pixels is the subject; the soft ones belong to what lies next to them.

    Parameters
    ----------
    pha : (H, W) alpha by the model.
    cover : (H, W) the picture's own alpha.

    Returns
    -------
    (H, W), nowhere above `cover`.
    """
    solid = cover >= SOLID
    visible = int(np.count_nonzero(solid))
    found = int(np.count_nonzero(solid & (pha >= SOLID)))
    if found >= SUBJECT_SHARE * visible > 0 and visible <= (1 - TRANSPARENT_SHARE) * cover.size:
        return cover
    reach = max(1, round(REACH * min(pha.shape)))
    near: Alpha = cv2.dilate(pha, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    out: Alpha = np.where(cover == 255, pha, np.minimum(near, cover))
    return out


def share_of(pha: Alpha, cover: Alpha) -> Alpha:
    """How much of what is visible is the subject's: (H, W), 255 where `pha` is all of `cover`."""
    ratio = pha.astype(np.float32) * 255 / np.maximum(cover, 1)
    share: Alpha = np.minimum(np.rint(ratio), 255).astype(np.uint8)
    return share
