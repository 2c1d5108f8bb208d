"""The five matting metrics of Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009.

`pred` and `pha` are float (H, W) in [0, 1]; SAD, Grad and Conn are divided by 1000, as is usual.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_training.types import Alpha


def sad(pred: Alpha, pha: Alpha) -> float:
    """Sum of absolute differences / 1000."""
    return float(np.abs(pred - pha).sum() / 1000)


def mad(pred: Alpha, pha: Alpha) -> float:
    """Mean absolute difference, 0..1."""
    return float(np.abs(pred - pha).mean())


def mse(pred: Alpha, pha: Alpha) -> float:
    """Mean squared error, 0..1."""
    return float(np.square(pred - pha).mean())


@lru_cache
def _derivative_kernel(sigma: float, epsilon: float = 1e-2) -> Alpha:
    """First derivative of a Gaussian along x, of unit norm, cut where it falls under `epsilon`."""
    radius = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * epsilon)))
    x = np.arange(-radius, radius + 1)
    smooth = np.exp(-0.5 * (x / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma)
    kernel: Alpha = smooth[:, None] * (-x * smooth / sigma**2)[None, :]
    return kernel / np.linalg.norm(kernel)


def gradient(alpha: Alpha, sigma: float = 1.4) -> Alpha:
    """Size of the Gaussian derivative of (H, W), borders replicated."""
    kernel = _derivative_kernel(sigma)
    along_x, along_y = (cv2.filter2D(alpha, cv2.CV_64F, k, borderType=cv2.BORDER_REPLICATE) for k in (kernel, kernel.T))
    magnitude: Alpha = np.hypot(along_x, along_y)
    return magnitude


def grad(pred: Alpha, pha: Alpha) -> float:
    """Squared difference of the gradients, summed / 1000."""
    return float(np.square(gradient(pred) - gradient(pha)).sum() / 1000)


def _largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count == 1:
        return np.zeros_like(mask)
    inside: NDArray[np.bool_] = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return inside


def conn(pred: Alpha, pha: Alpha, step: float = 0.1, theta: float = 0.15) -> float:
    """Connectivity error / 1000: how far pixels lie above the level where they leave the common component."""
    levels = np.arange(0, 1 + step, step)
    leaves = np.ones_like(pha)
    settled = np.zeros(pha.shape, bool)
    for below, level in itertools.pairwise(levels):
        now = ~settled & ~_largest_component((pred >= level) & (pha >= level))
        leaves[now] = below
        settled |= now

    def connectivity(alpha: Alpha) -> Alpha:
        above = alpha - leaves
        joined: Alpha = np.where(above >= theta, 1.0 - above, 1.0)
        return joined

    return float(np.abs(connectivity(pred) - connectivity(pha)).sum() / 1000)


METRICS: dict[str, Callable[[Alpha, Alpha], float]] = {"SAD": sad, "MAD": mad, "MSE": mse, "Grad": grad, "Conn": conn}


def score(pred: Alpha, pha: Alpha, names: tuple[str, ...] = tuple(METRICS)) -> dict[str, float]:
    """Metrics by name of one matte against its truth.

    Raises
    ------
    ValueError
        The shapes differ: mattes are scored at the photo's own size.
    """
    if pred.shape != pha.shape:
        raise ValueError(f"got a matte of {pred.shape}, expected the truth's {pha.shape}")
    return {name: METRICS[name](pred, pha) for name in names}
