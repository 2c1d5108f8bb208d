"""Where a picture lies in a sample: crops, scales, tilts and flips, on the loader's processes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from matting_training.types import Array

STRONG = (0.2, 30.0)  # how often a whole subject tilts strongly, and the standard deviation then, in degrees


@dataclass(frozen=True)
class View:
    """Affine view of a picture: `matrix` maps its pixels to the (size, size) sample."""

    matrix: NDArray[np.float32]
    size: int

    def warp(self, picture: Array, border: tuple[int, ...], shrink: float) -> Array:
        """Sample a picture; when it shrinks by more than 2, it is first averaged down so that nothing aliases."""
        matrix = self.matrix
        if shrink < 0.5:
            fy, fx = (max(2 * shrink, 1 / side) for side in picture.shape[:2])  # a pixel stays of a thin one
            picture = cv2.resize(picture, None, fx=fx, fy=fy, interpolation=cv2.INTER_AREA)
            matrix = matrix / np.array([fx, fy, 1], np.float32)
        out: Array = cv2.warpAffine(
            picture,
            matrix,
            (self.size, self.size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )
        return out


def touched_borders(pha: Array) -> tuple[bool, bool, bool, bool]:
    """Whether the subject of (H, W) reaches the left, right, top and bottom border, where it must not be cut open."""
    edges = (pha[:, :2], pha[:, -2:], pha[:2], pha[-2:])
    left, right, top, bottom = (bool((edge > 127).mean() > 0.02) for edge in edges)
    return left, right, top, bottom


def place_view(rng: Generator, pha: Array, size: int, composite: bool, zoom: float = 3.5) -> tuple[View, float]:
    """Random view of a subject, and its scale: half are the whole letterboxed photo, the rest crops around the subject.

    A crop is magnified by up to `zoom` over the whole photo, by less where its pixels would be doubled.

    Composites move freely; where the subject was cut by its photo's border, that border is kept at or beyond the
    sample's border, so that nobody floats with a straight cut.
    """
    height, width = pha.shape
    fit = size / max(height, width)
    if rng.random() < 0.5:
        scale = fit * (rng.uniform(0.6, 1.1) if composite else rng.uniform(0.9, 1.05))
        cx, cy = width / 2, height / 2
    else:
        ys, xs = np.nonzero(pha[::8, ::8] > 127)
        pick = int(rng.integers(len(xs))) if len(xs) else 0
        cx, cy = (float(xs[pick] * 8), float(ys[pick] * 8)) if len(xs) else (width / 2, height / 2)
        scale = min(fit * np.exp(rng.uniform(0.0, np.log(zoom))), 2.0)
    free = composite and not any(touched_borders(pha))  # a cut border would show in a corner
    spread = STRONG[1] if free and rng.random() < STRONG[0] else 7
    turn = np.deg2rad(rng.normal(0, spread)) if composite or rng.random() < 0.2 else 0.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[cos * flip, -sin], [sin * flip, cos]])
    shift = size / 2 + rng.uniform(-0.15, 0.15, 2) * size * (1.0 if composite else 0.3)
    offset = shift - linear @ np.array([cx, cy])
    offset += _keep_cuts_outside(linear, offset, pha, size) if composite else _keep_inside(linear, offset, pha, size)
    return View(np.column_stack([linear, offset]).astype(np.float32), size), float(scale)


def _keep_cuts_outside(
    linear: NDArray[np.float64], offset: NDArray[np.float64], pha: Array, size: int
) -> NDArray[np.float64]:
    """Shift that brings the subject's cut borders to the sample's border or beyond."""
    height, width = pha.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float) @ linear.T + offset
    left, right, top, bottom = touched_borders(pha)
    if linear[0, 0] < 0:
        left, right = right, left
    xs, ys = np.sort(corners[:, 0]), np.sort(corners[:, 1])
    shift = np.zeros(2)
    if bottom:
        shift[1] = max(0.0, size - ys[2])
    elif top:
        shift[1] = min(0.0, -ys[1])
    if left and not right:
        shift[0] = min(0.0, -xs[1])
    elif right and not left:
        shift[0] = max(0.0, size - xs[2])
    return shift


def _keep_inside(
    linear: NDArray[np.float64], offset: NDArray[np.float64], pha: Array, size: int
) -> NDArray[np.float64]:
    """Shift that fills the sample where the photo is larger, and centres it, as the letterbox does, where not."""
    height, width = pha.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float) @ linear.T + offset
    low, high = corners.min(0), corners.max(0)
    larger = high - low >= size
    fill = np.where(low > 0, -low, np.where(high < size, size - high, 0.0))
    return np.where(larger, fill, (size - high - low) / 2)


def random_background(rng: Generator, picture: Array, size: int) -> Array:
    """Random crop, scale and flip of a background, filling (size, size, 3)."""
    height, width = picture.shape[:2]
    side = max(1, int(min(height, width) * rng.uniform(0.45, 1.0)))
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    crop = picture[y : y + side, x : x + side]
    crop = crop[:, ::-1] if rng.random() < 0.5 else crop
    shrinks = side > size
    out: Array = cv2.resize(
        np.ascontiguousarray(crop), (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    if rng.random() < 0.25:  # out of focus, as behind portraits
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(1, 8) * size / 512)
    return out
