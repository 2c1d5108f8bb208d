"""Matting losses of `pred` and `pha`, (B, 1, H, W) in [0, 1]; each is a mean, whatever the picture's size."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

PYRAMID_KERNEL = (1.0, 4.0, 6.0, 4.0, 1.0)
PYRAMID_LEVELS = 5
SIDE_WEIGHT = 0.25
COMPOSITION_WEIGHT = 0.5
LAPLACIAN_WEIGHT = 1.0
GRADIENT_WEIGHT = 4.0
GRADIENT_SQUARES = 4.0  # a slope of 0.25 a pixel missed costs as much by its square as by its size
GRADIENT_LENGTHS = 12.0  # of the squared differences of the slopes' lengths
EDGE_WEIGHT = 4.0
GRADIENT_SIGMA = 1.4


def edge_band(pha: Tensor, cell: int = 4) -> Tensor:
    """1 within about 8 pixels of where alpha is soft or changes, 0 elsewhere; H and W multiples of `cell`.

    Found on a grid of `cell` pixels: the same pooling at full size would cost more than the network's first stages.
    """
    high, low = F.max_pool2d(pha, cell), -F.max_pool2d(-pha, cell)
    high, low = F.max_pool2d(high, 5, 1, 2), -F.max_pool2d(-low, 5, 1, 2)
    return F.interpolate(((high - low) > 0.05).to(pha.dtype), scale_factor=float(cell), mode="nearest")


def alpha_loss(pred: Tensor, pha: Tensor) -> Tensor:
    """Mean absolute error, with `EDGE_WEIGHT` more inside the edge band."""
    weight = 1 + EDGE_WEIGHT * edge_band(pha)
    return (weight * (pred - pha).abs()).sum() / weight.sum() + (pred - pha).abs().mean()


def _down(x: Tensor) -> Tensor:
    row = x.new_tensor(PYRAMID_KERNEL) / sum(PYRAMID_KERNEL)
    x = F.conv2d(F.pad(x, (2, 2, 0, 0), mode="reflect"), row.view(1, 1, 1, 5), stride=(1, 2))
    return F.conv2d(F.pad(x, (0, 0, 2, 2), mode="reflect"), row.view(1, 1, 5, 1), stride=(2, 1))


def laplacian_pyramid(x: Tensor) -> list[Tensor]:
    """Band-pass levels of (B, 1, H, W), finest first, each half the size of the one before (Burt and Adelson, 1983)."""
    bands = []
    for _ in range(PYRAMID_LEVELS):
        smaller = _down(x)
        bands.append(x - F.interpolate(smaller, size=x.shape[2:], mode="bilinear", align_corners=False))
        x = smaller
    return bands


def laplacian_loss(pred: Tensor, pha: Tensor) -> Tensor:
    """Sum over the levels of 2^level times the mean absolute difference (Hou and Liu, ICCV 2019).

    Both pyramids are linear in their input, so one pyramid of the difference is enough.
    """
    bands = laplacian_pyramid(pred - pha)
    return torch.stack([2.0**i * band.abs().mean() for i, band in enumerate(bands)]).sum()


def _slide(x: Tensor, kernel: list[float], dim: int) -> Tensor:
    """Filter (B, 1, H, W) along one axis, unpadded.

    On a CPU ten times as fast, forth and back, as the convolution of a single channel.
    """
    length = x.shape[dim] - len(kernel) + 1
    total = kernel[0] * x.narrow(dim, 0, length)
    for i, weight in enumerate(kernel[1:], 1):
        total = total + weight * x.narrow(dim, i, length)
    return total


@lru_cache
def _derivative(sigma: float, reach: int = 4) -> tuple[list[float], list[float]]:
    """A Gaussian of sum 1 and its derivative, which gives a ramp of slope 1 as 1, at -reach..reach."""
    places = range(-reach, reach + 1)
    gauss = [math.exp(-(x**2) / (2 * sigma**2)) for x in places]
    moment = sum(x**2 * weight for x, weight in zip(places, gauss, strict=True))
    return [w / sum(gauss) for w in gauss], [-x * w / moment for x, w in zip(places, gauss, strict=True)]


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Gaussian derivatives of (B, 1, H, W) along both axes, of the same size; a ramp of 1 a pixel has 1."""
    x = F.pad(x, (4, 4, 4, 4), mode="replicate")
    smooth, slope = _derivative(GRADIENT_SIGMA)
    return _slide(_slide(x, smooth, 2), slope, 3), _slide(_slide(x, smooth, 3), slope, 2)


def _length(x: Tensor, y: Tensor) -> Tensor:
    """Length of the vectors (x, y), a little more than 0 at least, where the root has no slope."""
    return torch.sqrt(x.square() + y.square() + 1e-6)


def gradient_loss(pred: Tensor, pha: Tensor, exact: Tensor) -> Tensor:
    """How far the alphas' derivatives are apart, mean over the edge band alone.

    Gaussian derivatives of the metric Grad's scale (sigma 1.4; Rhemann et al., CVPR 2009): strands and sharp edges,
    which a mean over the whole picture hardly notices. Absolute and squared differences, and squared ones of their
    lengths, which are the metric: by the absolute difference alone, a strand that is more likely absent than there
    would best be left out, and by the squared one, blurred.

    Parameters
    ----------
    pred, pha : (B, 1, H, W) in 0..1, H and W multiples of 4.
    exact : (B, 1, 1, 1) bool, whose alpha is right to the strand. The others do not count.
    """
    px, py = _slopes(pred)
    ax, ay = _slopes(pha)
    dx, dy = px - ax, py - ay
    length = _length(px, py) - _length(ax, ay)
    error = dx.abs() + dy.abs() + GRADIENT_SQUARES * (dx.square() + dy.square()) + GRADIENT_LENGTHS * length.square()
    band = edge_band(pha) * exact
    return (band * error).sum() / band.sum().clamp_min(1.0)


def composition_loss(pred: Tensor, pha: Tensor, fgr: Tensor, bgr: Tensor, composite: Tensor) -> Tensor:
    """Mean absolute colour error of what the predicted alpha composes (Xu et al., "Deep Image Matting", CVPR 2017).

    Only pictures whose `fgr` and `bgr` are known count; `composite` (B, 1, 1, 1) says which.
    """
    error = ((pred - pha) * (fgr - bgr)).abs() * composite
    return error.mean()


def side_loss(sides: list[Tensor], pha: Tensor) -> Tensor:
    """Mean absolute error of each side alpha against the alpha averaged down to its size, summed."""
    return _absolute(sides, _averaged(pha, sides))


def _averaged(pha: Tensor, sides: list[Tensor]) -> list[Tensor]:
    return [F.adaptive_avg_pool2d(pha, (side.shape[2], side.shape[3])) for side in sides]


def _absolute(sides: list[Tensor], targets: list[Tensor]) -> Tensor:
    return torch.stack([(side - target).abs().mean() for side, target in zip(sides, targets, strict=True)]).sum()


def deep_loss(sides: list[Tensor], pha: Tensor) -> dict[str, Tensor]:
    """Loss of the side alphas alone: absolute error and half the cross entropy, summed over the levels, as `total`.

    Cross entropy pulls hardest where a side alpha is surely wrong; the slope of the absolute error vanishes there.

    Parameters
    ----------
    sides : as from `MattingUNet.deep`, in 0..1.
    pha : (B, 1, H, W) in 0..1; averaged down to each.
    """
    targets = [target.clamp(0, 1) for target in _averaged(pha, sides)]  # an average may exceed 1 by its rounding
    entropy = sum(F.binary_cross_entropy(side, target) for side, target in zip(sides, targets, strict=True))
    total = _absolute(sides, targets) + 0.5 * entropy
    return {"deep": total, "total": total}


def matting_loss(pred: Tensor, sides: list[Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """All losses of a step by name, with the weighted `total`. `batch` as from `training.augment.finish_batch`."""
    pha = batch["pha"]
    parts = {
        "alpha": alpha_loss(pred, pha),
        "laplacian": laplacian_loss(pred, pha),
        # The label of a photo in its own scene may be a teacher's, who saw no strands; a composite's is exact.
        "gradient": gradient_loss(pred, pha, batch["composite"]),
        "composition": composition_loss(pred, pha, batch["fgr"], batch["bgr"], batch["composite"]),
    }
    total = parts["alpha"] + LAPLACIAN_WEIGHT * parts["laplacian"] + GRADIENT_WEIGHT * parts["gradient"]
    total = total + COMPOSITION_WEIGHT * parts["composition"]
    if sides:
        parts["side"] = side_loss(sides, pha)
        total = total + SIDE_WEIGHT * parts["side"]
    return {**parts, "total": total}
