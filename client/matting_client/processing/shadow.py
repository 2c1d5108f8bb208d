"""A shadow that the subject casts on whatever it is put on."""

from __future__ import annotations

import cv2
import numpy as np

from matting_client.notes import Note
from matting_client.processing.crop import ROWS, Box, subject_box
from matting_client.types import Float, Picture

SHADOWS = ("none", "drop", "contact")
# As shares of the subject's longer side. A drop shadow lies a little lower and further right, as in light from above.
DROP_ACROSS = 0.012
DROP_DOWN = 0.025
DROP_BLUR = 0.02
# A contact shadow is what touches the ground, spread flat: how much of the subject counts, and how far it spreads.
TOUCH_BAND = 0.08
TOUCH_RISE = 0.02
TOUCH_BLUR = 0.012
WORK_SIDE = 1024  # a soft shadow is the same at a reduced size, and much quicker there


def cast_shadow(fgr: Picture, pha: Picture, kind: str, opacity: float) -> tuple[Picture, Picture]:
    """Colours (h, w, 3) and alpha (h, w) with the shadow of a `kind` below them; `opacity` is 0..100."""
    shadow = shadow_of(pha, kind)
    return (fgr, pha) if shadow is None else lay_under(fgr, pha, shadow * (opacity / 100))


def _touches_ground(box: Box, height: int) -> bool:
    """Whether a subject in a picture `height` px high ends within it; one that its lower edge cuts touches nothing."""
    return box.bottom < height


def shadow_notes(pha: Picture, kind: str) -> tuple[Note, ...]:
    """What to know of a shadow of a `kind` that the subject (h, w) of a result was to cast."""
    box = subject_box(pha) if kind == "contact" else None
    return () if box is None or _touches_ground(box, pha.shape[0]) else (Note("no_ground"),)


def shadow_of(pha: Picture, kind: str) -> Float | None:
    """How dark the shadow is, (h, w) in 0..1, for an alpha (h, w); None where there is no shadow.

    Parameters
    ----------
    pha : alpha of the result, with the room around it that the shadow may take.
    kind : "drop", as of something that floats before a wall, or "contact", a dark line below what touches the ground; a
        subject that the picture's lower edge cuts off touches nothing. "none": no shadow.
    """
    box = subject_box(pha) if kind != "none" else None
    if box is None or (kind == "contact" and not _touches_ground(box, pha.shape[0])):
        return None
    height, width = pha.shape
    factor = max(1.0, max(height, width) / WORK_SIDE)
    size = max(1, round(width / factor)), max(1, round(height / factor))
    small = cv2.resize(pha, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    scaled = Box(*(round(value / factor) for value in box))
    drawn = _drop(small, scaled) if kind == "drop" else _contact(small, scaled)
    shadow: Float = np.clip(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    return shadow


def _drop(pha: Float, box: Box) -> Float:
    side = max(box.width, box.height)
    shift = np.array([[1, 0, DROP_ACROSS * side], [0, 1, DROP_DOWN * side]], np.float32)
    moved = cv2.warpAffine(pha, shift, pha.shape[::-1], flags=cv2.INTER_LINEAR)
    return _soft(moved, DROP_BLUR * side)


def _contact(pha: Float, box: Box) -> Float:
    """The outline of the lowest part, laid flat around the line on which it stands."""
    side = max(box.width, box.height)
    band = max(1, round(TOUCH_BAND * box.height))
    rise = max(1, round(TOUCH_RISE * side))
    low = pha[max(0, box.bottom - band) : max(1, box.bottom)].max(0)  # a result of few rows is reduced to one
    out = np.zeros_like(pha)
    out[max(0, box.bottom - rise) : box.bottom + rise // 2] = low
    return _soft(out, TOUCH_BLUR * side)


def _soft(picture: Float, sigma: float) -> Float:
    soft: Float = cv2.GaussianBlur(picture, (0, 0), max(0.6, sigma), borderType=cv2.BORDER_CONSTANT)
    return soft


def lay_under(fgr: Picture, pha: Picture, shadow: Float) -> tuple[Picture, Picture]:
    """Subject and its black shadow as one layer: straight colours (h, w, 3) and alpha (h, w).

    The operator over of Porter and Duff, SIGGRAPH 1984: it is associative, so the layer looks on any background as the
    two do one after the other.
    """
    colours = np.empty_like(fgr)
    alpha = np.empty_like(pha)
    for top in range(0, pha.shape[0], ROWS):
        rows = slice(top, top + ROWS)
        near = pha[rows].astype(np.float32) / 255
        whole = near + (1 - near) * shadow[rows]
        colours[rows] = np.rint(fgr[rows] * (near / np.maximum(whole, 1e-6))[..., None])
        alpha[rows] = np.rint(255 * whole)
    return colours, alpha
