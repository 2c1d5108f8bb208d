"""Colours of the subject without the old background's halo."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.processing.sampling import chosen_places, sample, shrink
from matting_client.types import Float

# Long side at which the smooth colour fields are estimated, and the radii of the passes there, in pixels. A finer one,
# or a coarser one before it, is no better.
SIDE = 256
RADII = (12, 5, 2)
# Weights are alpha (or 1 - alpha) to this power. Where hair is thinner than a pixel of the working size no pixel is
# opaque, and the plain mean of the paper stays mixed with the background: 4 halves the error of 1 there.
POWER = 4
TINY = 1e-5  # weight of the colour a pixel had before
RAMP = np.linspace(0, 1, 256, dtype=np.float32)  # alpha of a byte


def _fourfold(x: Float) -> Float:
    out: Float = cv2.merge([x, x, x, x])
    return out


def _smooth(colour: Float, weight: Float, radius: int) -> Float:
    """Weighted mean of a colour in a square window; the constant channel brings the sum of the weights along."""
    side = (2 * radius + 1, 2 * radius + 1)
    mean = cv2.blur(cv2.multiply(colour, _fourfold(weight)), side, borderType=cv2.BORDER_REFLECT)
    mean = cv2.scaleAdd(colour, TINY, mean)
    out: Float = cv2.divide(mean, _fourfold(cv2.extractChannel(mean, 3)))
    return out


def blur_fusion(image: Float, fgr: Float, bgr: Float, pha: Float, radius: int, power: int = 1) -> tuple[Float, Float]:
    """One pass of blur fusion: smooth foreground and background, the foreground corrected by what the photo shows.

    Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021, equations 4 to 7; there `power` is 1. A pixel
    with nothing of the subject (or of the background) around it keeps the colour it had. `image`, `fgr`, `bgr`
    (h, w, 4) float32, RGB in 0..1 and a constant 1; `pha` (h, w) float32 in 0..1; returns foreground and background.
    """
    smooth_fgr = _smooth(fgr, cv2.pow(pha, power), radius)
    smooth_bgr = _smooth(bgr, cv2.pow(1 - pha, power), radius)
    alpha = _fourfold(pha)
    rest = cv2.subtract(image, smooth_bgr)
    rest -= cv2.multiply(alpha, cv2.subtract(smooth_fgr, smooth_bgr))
    corrected = cv2.add(smooth_fgr, cv2.multiply(alpha, rest))
    return np.clip(corrected, 0, 1, out=corrected), smooth_bgr


def _fields(rgb: NDArray[np.uint8], pha: NDArray[np.uint8]) -> tuple[Float, Float]:
    """Smooth foreground and background colours of a photo, (h, w, 3) in 0..1."""
    height, width = pha.shape
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image: Float = cv2.cvtColor(shrink(rgb, size) * np.float32(1 / 255), cv2.COLOR_RGB2RGBA)
    alpha: Float = cv2.LUT(shrink(pha, size), RAMP)
    fgr = bgr = image
    for radius in RADII:
        fgr, bgr = blur_fusion(image, fgr, bgr, alpha, radius, POWER)
    return cv2.cvtColor(fgr, cv2.COLOR_RGBA2RGB), cv2.cvtColor(bgr, cv2.COLOR_RGBA2RGB)


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
    fgr: NDArray[np.uint8] = cv2.copyTo(rgb, shown)
    smooth_fgr, smooth_bgr = _fields(rgb, pha)
    shape = (rgb.shape[0], rgb.shape[1])
    colours = rgb.reshape(-1, 3)
    alphas = pha.reshape(-1)
    result = fgr.reshape(-1, 3)
    for places in chosen_places(shape, lambda rows: (shown[rows] > 0) & (pha[rows] < 255)):
        alpha = RAMP.take(alphas.take(places))[:, None]
        solved = sample(smooth_fgr, shape, places, cv2.INTER_LINEAR)
        local_bgr = sample(smooth_bgr, shape, places, cv2.INTER_LINEAR)
        rest = colours.take(places, 0) * np.float32(1 / 255) - local_bgr
        solved += alpha * (rest - alpha * (solved - local_bgr))
        result[places] = np.rint(np.clip(solved, 0, 1) * 255).astype(np.uint8)
    return fgr
