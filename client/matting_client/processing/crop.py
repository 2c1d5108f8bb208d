"""Which part of a photo a result shows: the subject found, and a window laid around it.

A window is a rectangle on the plane of the photo, which may reach beyond it, and the size it is drawn with. Cropping,
scaling and moving the subject, and limiting the size are all a matter of where the window lies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.types import Picture

VISIBLE = 13  # 5 % of 255: fainter remains do not belong to the subject's outline
SPECK = 1000  # parts smaller than the largest by this factor do not either
ROWS = 512  # rows divided at a time, so that large photos need little memory
MAX_WARPED = 32766  # longest side OpenCV warps


class Box(NamedTuple):
    """A rectangle of whole pixels; right and bottom lie outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top


@dataclass(frozen=True)
class Window:
    """A rectangle on the plane of a photo, in its pixels, and the (width, height) it is drawn with.

    One that is drawn as large as it is lies on whole pixels: nothing is resampled.
    """

    left: float
    top: float
    width: float
    height: float
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if (self.width, self.height) == self.size:
            object.__setattr__(self, "left", round(self.left))
            object.__setattr__(self, "top", round(self.top))

    def is_whole(self, shape: tuple[int, ...]) -> bool:
        """Whether it shows a photo of (H, W, ...) as it is."""
        height, width = shape[:2]
        return self == Window(0, 0, width, height, (width, height))

    def limited(self, side: float = math.inf, area: float = math.inf) -> Window:
        """The same rectangle, drawn with at most `side` pixels along its longer side and `area` pixels in all."""
        width, height = self.size
        factor = min(1.0, side / max(self.size), math.sqrt(area / (width * height)))
        if factor == 1.0:
            return self
        size = max(1, math.floor(width * factor + 1e-6)), max(1, math.floor(height * factor + 1e-6))
        return Window(self.left, self.top, self.width, self.height, size)


def subject_box(pha: Picture) -> Box | None:
    """Outline of what can be seen of an alpha (H, W), without specks; None where nothing can be seen."""
    seen = (pha >= VISIBLE).view(np.uint8)
    parts = cv2.connectedComponentsWithStats(seen, connectivity=8)[2][1:]
    if not len(parts):
        return None
    area = parts[:, cv2.CC_STAT_AREA]
    left, top, width, height, _ = parts[area >= area.max() / SPECK].T
    return Box(int(left.min()), int(top.min()), int((left + width).max()), int((top + height).max()))


def clear_outside(pha: Picture, box: Box) -> Picture:
    """Alpha that is 0 outside a box within the photo."""
    out = np.zeros_like(pha)
    inside = slice(box.top, box.bottom), slice(box.left, box.right)
    out[inside] = pha[inside]
    return out


def place_window(
    shape: tuple[int, int],
    box: Box,
    margins: tuple[int, int, int, int] | None = None,
    scale: float | None = None,
    position: tuple[float, float] | None = None,
) -> Window:
    """The window that shows the subject as wanted.

    Parameters
    ----------
    shape : (H, W) of the photo.
    box : outline of the subject.
    margins : top, right, bottom, left in pixels around the subject: crop to it. None: as large as the photo.
    scale : 0..1, the share of the window that the subject fills, in the direction in which it fills more.
    position : 0..1 across and down: how the room beside the subject is divided, 0.5 for the middle. None: where the
        subject was, or as near to it as it fits.
    """
    height, width = shape
    left, top = 0.0, 0.0
    if margins is not None:
        above, right, below, before = margins
        left, top = box.left - before, box.top - above
        width, height = box.width + before + right, box.height + above + below
    zoom = scale * min(width / box.width, height / box.height) if scale is not None else 1.0
    across, down = width / zoom, height / zoom
    if position is not None:
        left, top = box.left - position[0] * (across - box.width), box.top - position[1] * (down - box.height)
    elif zoom != 1.0:
        left = _keep_middle(box.left, box.right, left, width, across)
        top = _keep_middle(box.top, box.bottom, top, height, down)
    return Window(left, top, across, down, (width, height))


def place_on_canvas(
    shape: tuple[int, int], box: Box | None, canvas: tuple[int, int], scale: float, position: tuple[float, float]
) -> Window:
    """The window that is drawn with exactly (width, height) pixels, `canvas`, and shows the subject as wanted.

    Parameters
    ----------
    shape : (H, W) of the photo.
    box : outline of the subject; None shows the whole photo in the middle.
    scale, position : as of `place_window`.
    """
    height, width = shape
    box = box or Box(0, 0, width, height)
    zoom = scale * min(canvas[0] / box.width, canvas[1] / box.height)
    across, down = canvas[0] / zoom, canvas[1] / zoom
    left, top = box.left - position[0] * (across - box.width), box.top - position[1] * (down - box.height)
    return Window(left, top, across, down, canvas)


def _keep_middle(first: int, last: int, start: float, before: float, after: float) -> float:
    """Start of a range of length `after` whose subject has its middle where it had in the range of length `before`."""
    middle = (first + last) / 2
    wanted = middle - (middle - start) / before * after
    return min(max(wanted, last - after), first)


def render_window(picture: Picture, window: Window) -> Picture:
    """What a window shows of an alpha (H, W) or of RGBA (H, W, 4): (h, w) or (h, w, 4); outside, nothing."""
    if window.is_whole(picture.shape):
        return picture
    width, height = window.size
    zoom_x, zoom_y = width / window.width, height / window.height
    # The part of the photo that the window covers, and where that lies in the result.
    x0, x1 = _covered(window.left, window.width, picture.shape[1])
    y0, y1 = _covered(window.top, window.height, picture.shape[0])
    out = np.zeros((height, width, *picture.shape[2:]), np.uint8)
    if x0 >= x1 or y0 >= y1:
        return out
    part = picture[y0:y1, x0:x1]
    left, top = (x0 - window.left) * zoom_x, (y0 - window.top) * zoom_y
    if zoom_x == zoom_y == 1.0:
        out[round(top) : round(top) + y1 - y0, round(left) : round(left) + x1 - x0] = part
        return out
    (a, b), (c, d) = _drawn(left, (x1 - x0) * zoom_x, width), _drawn(top, (y1 - y0) * zoom_y, height)
    columns, rows = slice(max(0, a), min(width, b)), slice(max(0, c), min(height, d))
    mixed = _premultiplied(part) if picture.ndim == 3 else part
    size = columns.stop - columns.start, rows.stop - rows.start
    if max(zoom_x, zoom_y) > 1 and max(*part.shape[:2], *size) <= MAX_WARPED:
        # cv2.resize cannot begin between two pixels, which are far apart here.
        shift_x, shift_y = left - columns.start + zoom_x / 2 - 0.5, top - rows.start + zoom_y / 2 - 0.5
        matrix = np.array([[zoom_x, 0, shift_x], [0, zoom_y, shift_y]])
        # What is cut by the photo's edge ends there with all its opacity.
        drawn = cv2.warpAffine(mixed, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        # What of the outermost pixels lies beyond the window is drawn, too, and cut off.
        whole = cv2.resize(mixed, (b - a, d - c), interpolation=cv2.INTER_AREA)
        drawn = whole[rows.start - c : rows.stop - c, columns.start - a : columns.stop - a]
    out[rows, columns] = _straight(drawn) if picture.ndim == 3 else drawn
    return out


def _covered(start: float, length: float, whole: int) -> tuple[int, int]:
    return max(0, math.floor(start + 1e-9)), min(whole, math.ceil(start + length - 1e-9))


def _drawn(start: float, length: float, whole: int) -> tuple[int, int]:
    """First whole pixel for a range, at least one of which lies in the result, and the one after the last."""
    first = min(round(start), whole - 1)
    return first, max(first + 1, 1, round(start + length))


def _premultiplied(rgba: Picture) -> NDArray[np.uint16]:
    """Colours times alpha, and alpha times 255: what may be averaged without dark or foreign edges."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return np.concatenate([rgba[..., :3] * alpha, alpha * np.uint16(255)], axis=2)


def _straight(mixed: NDArray[np.uint16]) -> Picture:
    """The inverse of `_premultiplied`; colour 0 where alpha is 0."""
    out = np.empty(mixed.shape, np.uint8)
    for top in range(0, mixed.shape[0], ROWS):
        rows = slice(top, top + ROWS)
        alpha = mixed[rows, :, 3:].astype(np.float32)
        out[rows, :, 3:] = np.rint(alpha / 255)
        colour = mixed[rows, :, :3] * (255 / np.maximum(alpha, 1))
        out[rows, :, :3] = np.where(out[rows, :, 3:] > 0, np.rint(np.minimum(colour, 255)), 0)
    return out
