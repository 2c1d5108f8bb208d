"""What a browser's editor sees of a cutout: as it is, or smaller where its canvases could not hold it."""

from __future__ import annotations

import gzip
import math

import cv2
import numpy as np
from fastapi.responses import Response
from matting_client import Cutout
from matting_client.imaging.encode import encode
from matting_client.processing import Box

VIEW_PIXELS = 16 * 2**20  # what canvases of phones hold
QUALITY = 90  # of the photo in the browser


def view_scale(shape: tuple[int, ...]) -> float:
    """How much smaller than a photo of (H, W) the browser shows it."""
    return min(1.0, math.sqrt(VIEW_PIXELS / (shape[0] * shape[1])))


def view_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """(width, height) of a photo of (H, W) in the browser."""
    scale = view_scale(shape)
    return max(1, int(shape[1] * scale)), max(1, int(shape[0] * scale))


def photo(cutout: Cutout) -> bytes:
    """The photo as a JPEG."""
    rgb = cutout.rgb
    if view_scale(rgb.shape) < 1:
        rgb = cv2.resize(rgb, view_size(rgb.shape), interpolation=cv2.INTER_AREA)
    return encode(rgb, "jpeg", QUALITY)


def subjects(cutout: Cutout) -> list[dict[str, int]]:
    """Outlines of the people and things of a cutout."""
    boxes = [_in_view(each.box, cutout.raw.shape) for each in cutout.subjects()]
    return [{"left": box.left, "top": box.top, "width": box.width, "height": box.height} for box in boxes]


def _in_view(box: Box, shape: tuple[int, ...]) -> Box:
    """The pixels of the browser's picture that show a part of the photo."""
    scale = view_scale(shape)
    width, height = view_size(shape)
    return Box(
        min(width, math.floor(box.left * scale)),
        min(height, math.floor(box.top * scale)),
        min(width, math.ceil(box.right * scale)),
        min(height, math.ceil(box.bottom * scale)),
    )


def patch(cutout: Cutout, box: Box, headers: dict[str, str]) -> Response:
    """A part of the alpha as the browser shows it."""
    height, width = cutout.raw.shape
    view = _in_view(box, cutout.raw.shape)
    scale = view_scale(cutout.raw.shape)
    part = np.s_[
        math.floor(view.top / scale) : max(1, min(height, math.ceil(view.bottom / scale))),
        math.floor(view.left / scale) : max(1, min(width, math.ceil(view.right / scale))),
    ]
    pha = cutout.raw[part] if cutout.cover is None else np.minimum(cutout.raw[part], cutout.cover[part])
    if view.width == 0 or view.height == 0:
        pha = np.zeros((0, 0), np.uint8)
    elif pha.shape != (view.height, view.width):
        pha = cv2.resize(pha, (view.width, view.height), interpolation=cv2.INTER_AREA)
    shown = f"{view.left},{view.top},{view.width},{view.height}"
    data = gzip.compress(pha.tobytes(), 1, mtime=0)
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"Content-Encoding": "gzip", "Cache-Control": "no-store", "X-Box": shown, **headers},
    )
