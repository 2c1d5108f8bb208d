"""Hairs over a subject's outline, gaps between its locks, lines behind it: cheap pictures whose fine alpha is exact."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from matting_training.types import Array, Points

FINE = 2  # strands are drawn so many times larger, so that they may be half a pixel thin
FIXED = 4  # bits of a pixel's fraction in OpenCV's drawing
UPPER = 0.55  # share of the subject's height, from the top, in which hair may grow


def draw_strands(rng: Generator, fgra: Array) -> Array:
    """Add one to four locks of single hairs in the colours just inside the outline.

    Parameters
    ----------
    rng : decides number, place, shape, width and colour.
    fgra : (S, S, 4) uint8 foreground colours and alpha of one subject.

    Returns
    -------
    (S, S, 4) uint8; the picture itself when it shows no outline.
    """
    outline = _outline(fgra[..., 3])
    if len(outline) < 50:
        return fgra
    out = fgra.copy()
    outwards = _outwards(fgra[..., 3])
    for _ in range(int(rng.integers(1, 5))):
        middle = int(rng.integers(len(outline)))
        spread = max(3, len(outline) // 25)
        near = rng.integers(-spread, spread + 1, int(rng.integers(2, 14))) + middle
        roots = outline[np.clip(near, 0, len(outline) - 1)]
        hairs = [_hair(rng, root, outwards[root[1], root[0]], fgra.shape[0]) for root in roots]
        found = _strokes(rng, hairs, fgra.shape[0], 3)
        if found is not None:
            _lay(out, *found, _colour(rng, fgra, outline[middle], outwards))
    return out


def cut_gaps(rng: Generator, fgra: Array) -> Array:
    """Open one to six groups of slits along the outline, as between locks of hair; otherwise like `draw_strands`."""
    outline = _outline(fgra[..., 3])
    if len(outline) < 50:
        return fgra
    out = fgra.copy()
    outwards = _outwards(fgra[..., 3])
    for _ in range(int(rng.integers(1, 7))):
        root = outline[int(rng.integers(len(outline)))]
        slits = [_slit(rng, root, outwards[root[1], root[0]], fgra.shape[0]) for _ in range(int(rng.integers(1, 4)))]
        found = _strokes(rng, slits, fgra.shape[0], 12)
        if found is not None:
            box, cover = found
            out[box][..., 3:] = np.rint(out[box][..., 3:] * (1 - cover)).astype(np.uint8)
    return out


def draw_lines(rng: Generator, bgr: Array) -> None:
    """Put stripes, or wires and twigs, on a background (S, S, 3), in place: thin alone must not mean hair."""
    size = bgr.shape[0]
    angle = float(rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.05))
    along = np.array([np.cos(angle), np.sin(angle)])
    stripes = rng.random() < 0.6
    for _ in range(int(rng.integers(4, 30))):
        middle = rng.uniform(0, size, 2)
        if stripes:
            points = np.stack([middle - 2 * size * along, middle + 2 * size * along])
        else:
            points = _bezier(*rng.uniform(0, size, (3, 2)))
        x, y = middle.astype(int)
        colour = np.clip(bgr[y, x] * rng.uniform(0.4, 1.7), 0, 255).tolist()
        width = int(np.exp(rng.uniform(0, np.log(size / 40)))) if stripes else int(rng.integers(1, 4))
        cv2.polylines(bgr, [np.rint(points * 2**FIXED).astype(np.int32)], False, colour, width, cv2.LINE_AA, FIXED)


def _outline(pha: Array) -> NDArray[np.intp]:
    """(N, 2) x, y along the outline's upper part, away from the picture's border."""
    contours, _ = cv2.findContours((pha > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return np.zeros((0, 2), np.intp)
    points = max(contours, key=len)[:, 0].astype(np.intp)
    top, bottom = points[:, 1].min(), points[:, 1].max()
    inside = ((points > 3) & (points < np.array(pha.shape[::-1]) - 4)).all(1)
    upper: NDArray[np.intp] = points[inside & (points[:, 1] < top + UPPER * (bottom - top))]
    return upper


def _outwards(pha: Array) -> NDArray[np.float32]:
    """(H, W, 2) unit vectors x, y that point out of the subject near its outline."""
    soft = cv2.GaussianBlur(pha.astype(np.float32), (0, 0), 4)
    gradient = -np.dstack([cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)])
    unit: NDArray[np.float32] = gradient / (np.linalg.norm(gradient, axis=2, keepdims=True) + 1e-3)
    return unit


def _bezier(start: Points, bend: Points, end: Points) -> Points:
    """(N, 2) points of a quadratic Bezier curve."""
    t = np.linspace(0, 1, 14)[:, None]
    curve: Points = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
    return curve


def _turned(direction: NDArray[np.float32], angle: float) -> Points:
    turned: Points = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ direction
    return turned


def _hair(rng: Generator, root: NDArray[np.intp], outwards: NDArray[np.float32], size: int) -> Points:
    """A curve that leaves the outline somewhere outwards."""
    length = size * np.clip(np.exp(rng.normal(-3.1, 0.6)), 0.01, 0.2)
    direction = _turned(outwards, rng.normal(0, 0.8))
    sideways = np.array([-direction[1], direction[0]])
    start = root - 3 * outwards
    bend = start + direction * length * 0.55 + sideways * rng.normal(0, 0.35) * length
    return _bezier(start, bend, start + direction * length + sideways * rng.normal(0, 0.5) * length)


def _slit(rng: Generator, root: NDArray[np.intp], outwards: NDArray[np.float32], size: int) -> Points:
    """A curve inside of the outline and roughly along it."""
    length = size * np.clip(np.exp(rng.normal(-2.9, 0.5)), 0.01, 0.2)
    direction = _turned(outwards, float(rng.choice([-1, 1])) * np.pi / 2 + rng.normal(0, 0.4))
    start = root - size * rng.uniform(0.003, 0.025) * outwards
    bend = start + direction * length * 0.5 - outwards * rng.normal(0, 0.2) * length
    return _bezier(start, bend, start + direction * length - outwards * rng.normal(0, 0.1) * length)


def _colour(rng: Generator, fgra: Array, root: NDArray[np.intp], outwards: NDArray[np.float32]) -> NDArray[np.float32]:
    """The subject's colour a little inside of a root, lighter or darker."""
    inside = np.clip(root - outwards[root[1], root[0]] * rng.uniform(4, 12), 0, fgra.shape[0] - 1).astype(int)
    colour = fgra[inside[1], inside[0], :3].astype(np.float32) * rng.uniform(0.7, 1.35)
    return np.clip(colour, 0, 255).astype(np.float32)


def _strokes(
    rng: Generator, curves: list[Points], size: int, widest: int
) -> tuple[tuple[slice, slice], NDArray[np.float32]] | None:
    """Where curves lie in a square picture, and how much of each pixel (h, w, 1) they cover; None outside of it."""
    points = np.concatenate(curves)
    low = np.clip(np.floor(points.min(0)).astype(int) - widest, 0, size)
    high = np.clip(np.ceil(points.max(0)).astype(int) + widest + 1, 0, size)
    if (high <= low).any():
        return None
    layer = np.zeros(((high[1] - low[1]) * FINE, (high[0] - low[0]) * FINE), np.uint8)
    for curve in curves:
        scaled = np.rint((curve - low) * FINE * 2**FIXED).astype(np.int32)
        strength = int(rng.uniform(110, 255))
        width = int(rng.integers(1, widest + 1))
        cut = int(rng.integers(5, len(scaled)))  # thinner and fainter towards the tip
        cv2.polylines(layer, [scaled[cut - 1 :]], False, strength * 2 // 3, max(1, width * 2 // 3), cv2.LINE_AA, FIXED)
        cv2.polylines(layer, [scaled[:cut]], False, strength, width, cv2.LINE_AA, FIXED)
    shape = (int(high[0] - low[0]), int(high[1] - low[1]))
    cover = cv2.resize(layer, shape, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    return (slice(low[1], high[1]), slice(low[0], high[0])), cover


def _lay(fgra: Array, box: tuple[slice, slice], cover: NDArray[np.float32], colour: NDArray[np.float32]) -> None:
    """Lay hairs of one colour over the picture, in place: alpha a + s - a s, colours mixed in proportion."""
    part = fgra[box].astype(np.float32)
    before = part[..., 3:] / 255
    after = before + cover - before * cover
    mixed = (cover * colour + (1 - cover) * before * part[..., :3]) / np.maximum(after, 1e-6)
    result = np.dstack([mixed, after * 255])
    fgra[box] = np.where(cover > 0, np.rint(np.clip(result, 0, 255)), part).astype(np.uint8)
