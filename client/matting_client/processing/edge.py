"""The edge band of an alpha and the three knobs that change it: threshold, erode, feather.

All take and return alpha as (H, W) uint8 and leave their input alone.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.types import Alpha

REFERENCE_SIDE = 1024  # pixel amounts of the knobs are meant for a photo with this short side
EXACT_RADIUS = 5  # px: up to here a disc costs no more than an octagon
SOFT_DEPTH = 24.0  # px at the reference side: how far from the outside a subject may be soft, as hair is
FAINT = 13  # 5 % of 255: fainter remains are the outside
OCTAGON_CORNER = 0.32  # of the radius; a regular octagon has 0.293 and an area 5 % above the disc's


def pixels(amount: float, shape: tuple[int, ...]) -> float:
    """An amount given for a 1024 px short side, in pixels of a photo of `shape`."""
    return amount * min(shape[:2]) / REFERENCE_SIDE


def _disc(radius: int) -> list[NDArray[np.uint8]]:
    """Structuring elements that together make a disc; a large one is an octagon of two lines and a square.

    A disc of one piece costs as many comparisons a pixel as it has pixels; these cost about the same for any radius.
    """
    if radius == 0:
        return []
    size = 2 * radius + 1
    if radius <= EXACT_RADIUS:
        return [cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))]
    corner = round(OCTAGON_CORNER * radius)
    slanted = np.eye(2 * corner + 1, dtype=np.uint8)
    side = 2 * (radius - 2 * corner) + 1
    return [slanted, np.ascontiguousarray(slanted[::-1]), np.ones((side, side), np.uint8)]


def edge_band(pha: Alpha, radius: int) -> NDArray[np.bool_]:
    """Where alpha is neither 0 nor 255, or changes, widened by `radius` pixels (a square neighbourhood)."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    band: NDArray[np.bool_] = cv2.dilate(pha, kernel) > cv2.erode(pha, kernel)
    return band | ((pha > 0) & (pha < 255))


def threshold(pha: Alpha, level: int) -> Alpha:
    """Alpha below `level` (0..50, in 1/255) becomes 0 and the rest is stretched back to 0..255, so edges stay soft."""
    if level == 0:
        return pha
    ramp = np.clip((np.arange(256) - level) * 255 / (255 - level), 0, 255)
    out: Alpha = cv2.LUT(pha, np.round(ramp).astype(np.uint8))
    return out


def erode(pha: Alpha, amount: float) -> Alpha:
    """Pull the edge inwards by `amount` pixels, outwards by a negative one: dilation.

    -5..5 at a 1024 px short side, scaled with the photo. A fraction of a pixel blends the neighbouring whole radii, so
    the knob moves smoothly on small photos.
    """
    radius = abs(pixels(amount, pha.shape))
    if radius == 0:
        return pha
    move = cv2.erode if amount > 0 else cv2.dilate
    whole = int(radius)
    less = pha
    more = pha
    for element in _disc(whole):
        less = move(less, element)
    for element in _disc(whole + 1):
        more = move(more, element)
    out: Alpha = cv2.addWeighted(less, 1 - (radius - whole), more, radius - whole, 0)
    return out


def feather(pha: Alpha, sigma: float = 1.0) -> Alpha:
    """Soften the edge with a Gaussian of `sigma` pixels (at a 1024 px short side); flat regions are untouched."""
    width = max(pixels(sigma, pha.shape), 0.5)
    soft = cv2.GaussianBlur(pha, (0, 0), width)
    band = edge_band(pha, max(1, round(2 * width)))
    return np.where(band, soft, pha).astype(np.uint8)


def fill_inside(pha: Alpha) -> Alpha:
    """Alpha that is 255 deep inside the subject, where a window, a glass or a doubt let the background through.

    What is nearer than 24 px, at a 1024 px short side, to where nothing is keeps its alpha, as hair does; over as many
    pixels more it rises to 255. Holes stay holes.
    """
    depth = pixels(SOFT_DEPTH, pha.shape)
    far = cv2.distanceTransform((pha >= FAINT).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    share = np.clip(far / max(depth, 1.0) - 1, 0, 1)
    out: Alpha = np.rint(pha + (255 - pha.astype(np.float32)) * share).astype(np.uint8)
    return out
