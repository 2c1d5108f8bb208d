"""Lay what a person paints over an alpha, and let its border snap to the photo's edges.

A stroke of a brush is right in its middle and careless at its border. So the middle is fixed, as is what lies well
outside of it; in the band between them alpha is solved for, where neighbours of like colour want a like alpha: the
random walker of Grady, "Random Walks for Image Segmentation", PAMI 2006, drawn a little towards the side whose colours
a pixel has. That is done small, where the band is a few pixels wide, and brought to the photo's size along the photo's
own edges as the model's alpha is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.processing.crop import Box
from matting_client.processing.letterbox import Letterbox
from matting_client.processing.refine import refine
from matting_client.types import Alpha, Float, Mask, Picture

Points = Sequence[Sequence[float]]

CARELESS = 0.5  # of a brush's radius: how far within and beyond its border the photo decides
MASK_BAND = 0.01  # the same of a mask, as a share of the photo's short side
BAND_PIXELS = 5  # width of the band where it is solved
MOST_PIXELS = 1 << 18  # that are solved at once
KEEP_FROM, REMOVE_TO = 192, 63  # of a mask; what lies between them leaves the alpha as it is
CONTRAST = 4.0  # how much a difference in colour counts, beside the mean one
PULL = 0.05  # how much a pixel's colour and what was painted count, beside a neighbour of the same colour
WEAKEST = 1e-4  # a neighbour across an edge, so that nothing is cut off from all
GAIN = 4.0  # steepness of the edge that is made of the solution
BY_COLOUR = 0.8  # of that pull; the rest is by what was painted
COLOUR_BITS = 4  # of each channel, in which colours are told apart
ENOUGH = 20  # pixels, to know the colours of a side
STEPS = 80  # of the solver, at most
GOOD = 1e-3  # residual to stop at, beside the first
SUBPIXEL = 4  # bits


def stroke_box(shape: tuple[int, ...], points: Points, radius: float) -> Box | None:
    """The part of a photo of (H, W) that a stroke can change; None where the stroke misses the photo."""
    height, width = shape[:2]
    room = radius * (1 + CARELESS) + 2
    x, y = np.asarray(points, np.float64).T
    box = Box(
        max(0, math.floor(x.min() - room)),
        max(0, math.floor(y.min() - room)),
        min(width, math.ceil(x.max() + room) + 1),
        min(height, math.ceil(y.max() + room) + 1),
    )
    return box if box.width > 0 and box.height > 0 else None


def paint_stroke(rgb: Picture, pha: Alpha, points: Points, radius: float, keep: bool) -> tuple[Box, Alpha] | None:
    """What a stroke makes of an alpha.

    Parameters
    ----------
    rgb, pha : photo (H, W, 3) and its alpha (H, W).
    points : (x, y) of the stroke's line, in pixels from the photo's upper left corner; one makes a dab.
    radius : of the brush, in pixels.
    keep : whether what lies under the stroke belongs to the subject.

    Returns
    -------
    The part that changes and its new alpha (h, w); None where the stroke misses the photo.
    """
    box = stroke_box(pha.shape, points, radius)
    if box is None:
        return None
    part = np.s_[box.top : box.bottom, box.left : box.right]
    scale = _work_scale(box.width * box.height, CARELESS * radius)
    size = _scaled(box, scale)
    local = [((x - box.left) * scale, (y - box.top) * scale) for x, y in points]
    painted = _draw_line(size, local, radius * scale)
    nothing = np.zeros_like(painted)
    keeps, removes = (painted, nothing) if keep else (nothing, painted)
    return box, _lay(rgb[part], pha[part], keeps, removes, CARELESS * radius * scale)


def paint_mask(rgb: Picture, pha: Alpha, mask: Alpha) -> Alpha:
    """What a mask makes of an alpha: (H, W).

    Parameters
    ----------
    rgb, pha : photo (H, W, 3) and its alpha (H, W).
    mask : (H, W); white belongs to the subject, black does not, grey leaves the alpha as it is.
    """
    height, width = pha.shape
    band = max(2.0, MASK_BAND * min(height, width))
    scale = _work_scale(height * width, band)
    size = _scaled(Box(0, 0, width, height), scale)
    keeps, removes = (
        (cv2.resize(where.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) > 127).view(np.uint8)
        for where in (mask >= KEEP_FROM, mask <= REMOVE_TO)
    )
    return _lay(rgb, pha, keeps, removes, band * scale)


def _work_scale(area: int, band: float) -> float:
    """How much smaller than the photo a part of `area` pixels is solved, whose band has `band` pixels."""
    return min(1.0, BAND_PIXELS / max(band, 1.0), math.sqrt(MOST_PIXELS / area))


def _scaled(box: Box, scale: float) -> tuple[int, int]:
    return max(1, round(box.width * scale)), max(1, round(box.height * scale))


def _draw_line(size: tuple[int, int], points: Points, radius: float) -> Mask:
    """A line with round ends on a canvas of (width, height)."""
    canvas = np.zeros((size[1], size[0]), np.uint8)
    fixed = np.rint(np.asarray(points) * 2**SUBPIXEL).astype(np.int32)
    if len(fixed) > 1:
        cv2.polylines(canvas, [fixed.reshape(-1, 1, 2)], False, 1, max(1, round(2 * radius)), cv2.LINE_8, SUBPIXEL)
    else:
        x, y = (int(each) for each in fixed[0])
        cv2.circle(canvas, (x, y), max(1, round(radius * 2**SUBPIXEL)), 1, cv2.FILLED, cv2.LINE_8, SUBPIXEL)
    return canvas


def _disc(radius: float) -> Mask:
    side = 2 * max(1, round(radius)) + 1
    out: Mask = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return out


def _lay(rgb: Picture, pha: Alpha, keeps: Mask, removes: Mask, band: float) -> Alpha:
    """Alpha (h, w) of a part of a photo after what was painted on it, small, with a band of `band` pixels there."""
    height, width = pha.shape
    small_height, small_width = keeps.shape
    size = (small_width, small_height)
    guide = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(pha, size, interpolation=cv2.INTER_AREA)
    disc = _disc(band)
    reach = cv2.dilate(keeps, disc), cv2.dilate(removes, disc)
    kept, removed = cv2.erode(keeps, disc), cv2.erode(removes, disc)
    solved = _snap(guide, small, (keeps, removes), reach, kept | removed)
    enlarged = refine(rgb, guide, solved, Letterbox(height, width, 0, 0, small_height, small_width))
    changed = cv2.dilate((cv2.absdiff(solved, small) > 1).view(np.uint8), np.ones((3, 3), np.uint8))

    def wide(where: Mask) -> NDArray[np.bool_]:
        out: NDArray[np.bool_] = cv2.resize(where, (width, height), interpolation=cv2.INTER_NEAREST).view(np.bool_)
        return out

    # A stroke that keeps takes nothing away, and one that removes adds nothing.
    near_kept, near_removed = (wide(each & changed) for each in reach)
    least = np.where(near_removed, np.uint8(0), pha)
    most = np.where(near_kept, np.uint8(255), pha)
    out: Alpha = np.clip(enlarged, least, most)
    out[wide(kept)] = 255  # also what is too little to be seen at the size where it is solved
    out[wide(removed)] = 0
    return out


def _snap(guide: Picture, small: Alpha, painted: tuple[Mask, Mask], reach: tuple[Mask, Mask], core: Mask) -> Alpha:
    """Alpha at the size where it is solved.

    Parameters
    ----------
    guide, small : photo (h, w, 3) and alpha (h, w) before.
    painted, reach : where it is kept and where removed; and how far that reaches.
    core : what of them is beyond doubt.
    """
    before = small.astype(np.float32) / 255
    keeps, removes = (each.view(np.bool_) for each in painted)
    near_kept, near_removed = (each.view(np.bool_) for each in reach)
    wanted = np.where(keeps, np.float32(1), np.where(removes, np.float32(0), before))
    unknown = (near_kept | near_removed) & ~core.view(np.bool_)
    drawn = np.where(unknown, _by_colour(guide, wanted, ~unknown), wanted)
    steep = np.clip((_walk(guide, wanted, drawn, unknown) - 0.5) * GAIN + 0.5, 0, 1)
    least = np.where(near_removed, np.float32(0), before)
    most = np.where(near_kept, np.float32(1), before)
    out: Alpha = np.rint(np.clip(steep, least, most) * 255).astype(np.uint8)
    return out


def _by_colour(guide: Picture, wanted: Float, known: NDArray[np.bool_]) -> Float:
    """What each pixel's colour says, 0..1: how often it occurs where alpha is known to be 1, and where 0."""
    sides = known & (wanted > 0.9), known & (wanted < 0.1)
    if any(np.count_nonzero(side) < ENOUGH for side in sides):
        return wanted
    bins = 1 << COLOUR_BITS
    red, green, blue = (each.astype(np.int32) >> (8 - COLOUR_BITS) for each in cv2.split(guide))
    colour = (red * bins + green) * bins + blue
    often = []
    for side in sides:
        count = np.bincount(colour[side], minlength=bins**3).astype(np.float32)
        cube = _blurred(count.reshape(bins, bins, bins))
        often.append((cube / cube.sum()).reshape(-1)[colour])
    rare = np.float32(1e-6)
    share = (often[0] + rare) / (often[0] + often[1] + 2 * rare)
    out: Float = np.float32(BY_COLOUR) * share + np.float32(1 - BY_COLOUR) * wanted
    return out


def _blurred(cube: Float) -> Float:
    """A histogram over three channels whose bins share with their neighbours, 1 : 2 : 1."""
    for axis in range(3):
        wide = np.pad(cube, [(1, 1) if each == axis else (0, 0) for each in range(3)], mode="edge")
        before, here, after = (np.take(wide, range(n, n + cube.shape[axis]), axis) for n in range(3))
        cube = (before + 2 * here + after) / 4
    return cube


def _likeness(guide: Picture, axis: int) -> Float:
    """How much each pixel and its neighbour along an axis are alike: `WEAKEST`..1."""
    step = np.diff(guide.astype(np.float32), axis=axis)
    distance = np.einsum("hwc,hwc->hw", step, step)
    mean = max(float(distance.mean()), 1.0) if distance.size else 1.0
    out: Float = np.exp(distance * np.float32(-CONTRAST / (2 * mean))) + np.float32(WEAKEST)
    return out


def _walk(guide: Picture, wanted: Float, drawn: Float, unknown: NDArray[np.bool_]) -> Float:
    """`wanted` where it is known; elsewhere what the neighbours make of it, a little drawn to `drawn`.

    Conjugate gradients, preconditioned by the diagonal (Jacobi), from `wanted` on.
    """
    across, down = _likeness(guide, 1), _likeness(guide, 0)
    free = unknown.astype(np.float32)
    degree = np.full(wanted.shape, np.float32(PULL))
    for weight, first, last in ((across, np.s_[:, :-1], np.s_[:, 1:]), (down, np.s_[:-1], np.s_[1:])):
        degree[first] += weight
        degree[last] += weight

    def laplacian(x: Float) -> Float:
        out = np.float32(PULL) * x
        flow = across * (x[:, :-1] - x[:, 1:])
        out[:, :-1] += flow
        out[:, 1:] -= flow
        flow = down * (x[:-1] - x[1:])
        out[:-1] += flow
        out[1:] -= flow
        return out * free

    x = wanted.copy()
    residual = np.float32(PULL) * drawn * free - laplacian(x)
    scaled = residual / degree
    direction = scaled
    power = float((residual * scaled).sum())
    enough = power * GOOD**2
    for _ in range(STEPS):
        if power <= enough or power == 0:
            break
        image = laplacian(direction)
        length = np.float32(power / float((direction * image).sum()))
        x += length * direction
        residual -= length * image
        scaled = residual / degree
        previous = power
        power = float((residual * scaled).sum())
        direction = scaled + np.float32(power / previous) * direction
    return x
