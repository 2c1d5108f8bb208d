"""Bring the model's alpha to the photo's size along the photo's own edges.

A guided filter's local linear model, pha = a . rgb + b, gives the slope `a` at the model's resolution; `b` is chosen so
that the model's own alpha comes out unchanged there. Both are enlarged and applied to the full photo, so fine structure
that the small picture lost comes back from the photo's colours, and nothing is blurred as by the plain guided filter.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.processing.letterbox import Letterbox, inner, unletterbox
from matting_client.processing.sample import chosen, sample

Float = NDArray[np.float32]
RADIUS = 2  # of the window at the model's resolution, in pixels
EPSILON = 5e-4  # regulariser in squared colour units (0..1)
BAND = 2  # how far from a change of alpha the photo's edges count, in pixels of the model


def _mean(x: Float) -> Float:
    side = 2 * RADIUS + 1
    out: Float = cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT)
    return out


def slope(guide: Float, pha: Float) -> Float:
    """Slope `a` (h, w, 3) of the local linear model of `pha` (h, w) in `guide` (h, w, 3), all in 0..1.

    He, Sun and Tang, "Guided Image Filtering", PAMI 2013, equation 19, with the 3x3 covariance inverted by its
    cofactors, and averaged over the windows as in equation 21.
    """
    mean_guide, mean_pha = _mean(guide), _mean(pha)
    covariance = _mean(guide * pha[..., None]) - mean_guide * mean_pha[..., None]
    channels: Sequence[Float] = cv2.split(guide)
    means: Sequence[Float] = cv2.split(mean_guide)

    def variance(i: int, j: int) -> Float:
        value = _mean(channels[i] * channels[j]) - means[i] * means[j]
        return value + np.float32(EPSILON if i == j else 0)

    rr, rg, rb = variance(0, 0), variance(0, 1), variance(0, 2)
    gg, gb, bb = variance(1, 1), variance(1, 2), variance(2, 2)
    c_rr, c_rg, c_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    r, g, b = cv2.split(covariance)
    solved = (c_rr * r + c_rg * g + c_rb * b, c_rg * r + c_gg * g + c_gb * b, c_rb * r + c_gb * g + c_bb * b)
    determinant = rr * c_rr + rg * c_rg + rb * c_rb
    merged: Float = cv2.merge([part / determinant for part in solved])
    return _mean(merged)


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
    small = inner(pha, box)
    kernel = np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)
    band = (cv2.dilate(small, kernel) > cv2.erode(small, kernel)).astype(np.uint8)
    if not band.any():
        return full
    wide: NDArray[np.bool_] = cv2.resize(band, (box.width, box.height), interpolation=cv2.INTER_NEAREST).view(np.bool_)
    guide = inner(square, box).astype(np.float32) / 255
    small_pha = small.astype(np.float32) / 255
    a = slope(guide, small_pha)
    model = np.dstack([a, small_pha - (a * guide).sum(-1)])
    for y, x in chosen((box.height, box.width), lambda rows: wide[rows]):
        local = sample(model, (box.height, box.width), y, x, cv2.INTER_CUBIC)
        value = np.einsum("nc,nc->n", local[:, :3], rgb[y, x].astype(np.float32)) + 255 * local[:, 3]
        full[y, x] = np.clip(np.rint(value), 0, 255).astype(np.uint8)
    return full
