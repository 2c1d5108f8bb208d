"""Bring the model's alpha to the photo's size along the photo's own edges.

A guided filter's local linear model, pha = a . rgb + b, gives the slope `a` at the model's resolution; `b` is chosen so
that the model's own alpha comes out unchanged there. Both are enlarged and applied to the full photo, so fine structure
that the small picture lost comes back from the photo's colours, and nothing is blurred as by the plain guided filter.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.processing.letterbox import Letterbox, unletterbox, without_padding
from matting_client.processing.sampling import chosen_places, sample
from matting_client.types import Float, Mask

RADIUS = 2  # of the window at the model's resolution, in pixels
EPSILON = 5e-4  # regulariser in squared colour units (0..1)
BAND = 2  # how far from a change of alpha the photo's edges count, in pixels of the model
TAPS = 1  # how far a linear interpolation reaches


def _mean(x: NDArray[np.uint8] | NDArray[np.uint16] | Float) -> Float:
    side = 2 * RADIUS + 1
    out: Float = cv2.boxFilter(x, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REFLECT)
    return out


def _square(radius: int) -> Mask:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def slope(guide: NDArray[np.uint8], pha: NDArray[np.uint8], where: Mask) -> Float:
    """Slope `a` (h, w, 3) of the local linear model of `pha` (h, w) in `guide` (h, w, 3), right where `where` is set.

    He, Sun and Tang, "Guided Image Filtering", PAMI 2013, equation 19, with the 3x3 covariance inverted by its
    cofactors, and averaged over the windows as in equation 21. Products of bytes are summed as integers, exactly; the
    systems are solved only where they count.
    """
    red, green, blue = cv2.split(guide)
    places = np.flatnonzero(cv2.dilate(where, _square(RADIUS)))

    def mean(x: NDArray[np.uint8] | NDArray[np.uint16]) -> Float:
        return _mean(x).reshape(-1).take(places)

    def product(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> Float:
        return mean(cv2.multiply(x, y, dtype=cv2.CV_16U))

    r, g, b, p = mean(red), mean(green), mean(blue), mean(pha)
    epsilon = np.float32(EPSILON * 255**2)
    rr, gg, bb = product(red, red) - r * r, product(green, green) - g * g, product(blue, blue) - b * b
    rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
    rg, rb, gb = product(red, green) - r * g, product(red, blue) - r * b, product(green, blue) - g * b
    rp, gp, bp = (product(x, pha) - m * p for x, m in ((red, r), (green, g), (blue, b)))
    c_rr: Float = gg * bb - gb * gb
    c_gg: Float = rr * bb - rb * rb
    c_bb: Float = rr * gg - rg * rg
    c_rg, c_rb, c_gb = gb * rb - rg * bb, rg * gb - gg * rb, rb * rg - rr * gb
    determinant = rr * c_rr + rg * c_rg + rb * c_rb
    solved = np.zeros((pha.size, 3), np.float32)
    parts = (c_rr * rp + c_rg * gp + c_rb * bp, c_rg * rp + c_gg * gp + c_gb * bp, c_rb * rp + c_gb * gp + c_bb * bp)
    solved[places] = np.stack([part / determinant for part in parts], -1)
    return _mean(solved.reshape(*pha.shape, 3))


def refine(
    rgb: NDArray[np.uint8], square: NDArray[np.uint8], pha: NDArray[np.uint8], box: Letterbox
) -> NDArray[np.uint8]:
    """Alpha of the photo's own size.

    Parameters
    ----------
    rgb : photo (H, W, 3).
    square : the model's input (S, S, 3), as `letterbox` made it.
    pha : the model's output (S, S).
    box : the placement from `letterbox`.

    Returns
    -------
    (H, W) uint8. A photo no larger than the model's input, and everything outside the edge band, is a plain resize.
    """
    full = unletterbox(pha, box)
    if box.height * box.width <= box.inner_height * box.inner_width:
        return full
    small = without_padding(pha, box)
    guide = without_padding(square, box)
    band: Mask = (cv2.dilate(small, _square(BAND)) > cv2.erode(small, _square(BAND))).view(np.uint8)
    if not band.any():
        return full
    wide: NDArray[np.bool_] = cv2.resize(band, (box.width, box.height), interpolation=cv2.INTER_NEAREST).view(np.bool_)
    a = slope(guide, small, cv2.dilate(band, _square(TAPS)))
    explained = cv2.transform(cv2.multiply(a, guide, dtype=cv2.CV_32F), np.ones((1, 3), np.float32))
    model = cv2.merge([a, cv2.subtract(small, explained, dtype=cv2.CV_32F)])
    colours = rgb.reshape(-1, 3)
    result = full.reshape(-1)
    for places in chosen_places((box.height, box.width), lambda rows: wide[rows]):
        local = sample(model, (box.height, box.width), places, cv2.INTER_LINEAR)
        value = np.einsum("nc,nc->n", local[:, :3], colours.take(places, 0).astype(np.float32)) + local[:, 3]
        result[places] = np.clip(np.rint(value), 0, 255).astype(np.uint8)
    return full
