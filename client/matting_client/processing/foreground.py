"""Colours of the subject without the old background's halo."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.processing.sample import chosen, sample

Float = NDArray[np.float32]
WORK_SIDE = 512  # long side at which the smooth colour fields are estimated
RADII = (45, 22, 11, 6, 3)  # of the passes, in pixels at the working size
# Weights are alpha (or 1 - alpha) to this power. Where hair is thinner than a pixel of the working size no pixel is
# opaque, and the plain mean of the paper stays mixed with the background: 3 halves the error of 1 there.
POWER = 3
TINY = 1e-5  # weight of the colour a pixel had before


def blur_fusion(image: Float, fgr: Float, bgr: Float, pha: Float, radius: int, power: int = 1) -> tuple[Float, Float]:
    """One pass of blur fusion: smooth foreground and background, the foreground corrected by what the photo shows.

    Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021, equations 4 to 7; there `power` is 1. A pixel
    with nothing of the subject (or of the background) around it keeps the colour it had. `image`, `fgr`, `bgr`
    (h, w, 3) and `pha` (h, w, 1) float32 in 0..1; returns foreground and background.
    """
    side = (2 * radius + 1, 2 * radius + 1)

    def mean(x: Float) -> Float:
        out: Float = cv2.blur(x, side, borderType=cv2.BORDER_REFLECT)
        return out.reshape(*out.shape[:2], -1)

    of_fgr, of_bgr = pha**power, (1 - pha) ** power
    smooth_fgr = (mean(fgr * of_fgr) + TINY * fgr) / (mean(of_fgr) + TINY)
    smooth_bgr = (mean(bgr * of_bgr) + TINY * bgr) / (mean(of_bgr) + TINY)
    corrected = smooth_fgr + pha * (image - pha * smooth_fgr - (1 - pha) * smooth_bgr)
    return np.clip(corrected, 0, 1), smooth_bgr


def estimate_foreground(
    rgb: NDArray[np.uint8], pha: NDArray[np.uint8], shown: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Foreground colours of a photo.

    Parameters
    ----------
    rgb : (H, W, 3) photo.
    pha : (H, W) alpha of the photo: how much of each pixel's light is the subject's.
    shown : (H, W) alpha that the result will be shown with, when a knob has changed it; where it is 0, no colour is
        needed. The same as `pha` by default.

    Returns
    -------
    (H, W, 3) uint8: the photo's own colours where `pha` is 255, black where `shown` is 0, and in between the colours
    the subject would have alone. The two smooth fields come from a reduced picture; only edge pixels are solved at full
    size.
    """
    shown = pha if shown is None else shown
    fgr = rgb.copy()
    fgr[shown == 0] = 0
    height, width = pha.shape
    scale = min(1.0, WORK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    alpha = cv2.resize(pha, size, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    smooth, back = image, image
    for radius in RADII:
        smooth, back = blur_fusion(image, smooth, back, alpha, radius, POWER)
    for y, x in chosen((height, width), lambda rows: (shown[rows] > 0) & (pha[rows] < 255)):
        a = pha[y, x, None].astype(np.float32) / 255
        local_fgr, local_bgr = (sample(field, (height, width), y, x, cv2.INTER_LINEAR) for field in (smooth, back))
        photo = rgb[y, x].astype(np.float32) / 255
        solved = local_fgr + a * (photo - a * local_fgr - (1 - a) * local_bgr)
        fgr[y, x] = np.rint(np.clip(solved, 0, 1) * 255).astype(np.uint8)
    return fgr
