"""Put the subject on something: nothing, a colour or a picture."""

from __future__ import annotations

import cv2
import numpy as np

from matting_client.processing.sampling import chosen_places
from matting_client.types import Picture

ROWS = 512  # rows blended at a time, so that large photos need little memory


def cutout_rgba(fgr: Picture, pha: Picture) -> Picture:
    """(H, W, 3) colours and (H, W) alpha -> (H, W, 4) RGBA; what is fully transparent carries no colour."""
    rgba: Picture = cv2.cvtColor(cv2.copyTo(fgr, pha), cv2.COLOR_RGB2RGBA)
    cv2.insertChannel(pha, rgba, 3)
    return rgba


def _blend(fgr: Picture, pha: Picture, bgr: Picture) -> Picture:
    """Pha fgr + (1 - pha) bgr in rounded integers; `bgr` (H, W, 3) or (3,). Only the edge's pixels are calculated."""
    out = np.empty(fgr.shape, np.uint8)
    out[:] = bgr
    cv2.copyTo(fgr, (pha == 255).view(np.uint8), out)  # OpenCV's own comparison refuses a single pixel
    near = fgr.reshape(-1, 3)
    alphas = pha.reshape(-1)
    result = out.reshape(-1, 3)
    for places in chosen_places((pha.shape[0], pha.shape[1]), lambda rows: (pha[rows] > 0) & (pha[rows] < 255)):
        a = alphas.take(places)[:, None].astype(np.uint16)
        result[places] = (near.take(places, 0) * a + result.take(places, 0) * (255 - a) + 127) // 255
    return out


def compose_colour(fgr: Picture, pha: Picture, colour: tuple[int, int, int]) -> Picture:
    """Subject on one RGB colour, (H, W, 3)."""
    return _blend(fgr, pha, np.array(colour, np.uint8))


def compose_translucent(fgr: Picture, pha: Picture, colour: tuple[int, int, int, int]) -> Picture:
    """Subject on one RGBA colour that lets through what lies behind it, (H, W, 4) with straight colours.

    The operator over of Porter and Duff, SIGGRAPH 1984.
    """
    out = np.empty((*pha.shape, 4), np.uint8)
    *rgb, opacity = np.array(colour, np.float32)
    for top in range(0, pha.shape[0], ROWS):
        rows = slice(top, top + ROWS)
        near = pha[rows, :, None].astype(np.float32)
        far = (255 - near) * (opacity / 255)
        alpha = near + far
        mixed = (fgr[rows] * near + np.array(rgb, np.float32) * far) / np.maximum(alpha, 1e-6)
        out[rows, :, :3] = np.rint(mixed)
        out[rows, :, 3:] = np.rint(alpha)
    return out


def compose_picture(fgr: Picture, pha: Picture, background: Picture) -> Picture:
    """Subject on a picture (h, w, 3) of any size, cut to the photo's shape in its middle and scaled, (H, W, 3)."""
    height, width = pha.shape
    scale = max(height / background.shape[0], width / background.shape[1])
    # Cut before it is scaled: a tall background scaled to a wide photo could need any amount of memory.
    rows, columns = (max(1, round(side / scale)) for side in (height, width))
    top, left = (background.shape[0] - rows) // 2, (background.shape[1] - columns) // 2
    middle = background[top : top + rows, left : left + columns]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return _blend(fgr, pha, cv2.resize(middle, (width, height), interpolation=how).astype(np.uint8, copy=False))
