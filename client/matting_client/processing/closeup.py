"""A second, closer look at a small subject: where to look, and how its alpha joins the first one's.

A person at a third of a wide photo has a hundred pixels in the model's square. The first alpha says where the subject
is; that part of the photo, cut out with room around it, fills the square in the second pass.
"""

from __future__ import annotations

import cv2
import numpy as np

from matting_client.processing.crop import VISIBLE, Box
from matting_client.processing.letterbox import Letterbox, without_padding
from matting_client.types import Alpha, Flags

SUBJECT = 64  # alpha above it belongs to the subject for certain
PART = 0.02  # parts smaller than this share of the largest are no subject of their own
MARGIN = 0.2  # room around the subject, as a share of its longer side
PAYS = 0.8  # of the photo's longer side: a part larger than this gains too little
HALF = 128  # alpha from which a pixel is more of the subject than of the rest
CUT = 0.03  # of a side: a subject that ends along so much of the part's border goes on beyond it
GROWTH = 0.5  # room added where a subject goes on, as a share of the part's longer side


def locate(pha: Alpha, placed: Letterbox) -> Box | None:
    """The part of a photo that holds its subject, with room around it.

    Parameters
    ----------
    pha : the model's (S, S) alpha of the whole photo.
    placed : where the photo lies in the square.

    Returns
    -------
    A box in pixels of the photo; None where nothing was found, or the subject fills the photo already.
    """
    solid = (without_padding(pha, placed) > SUBJECT).view(np.uint8)
    parts = cv2.connectedComponentsWithStats(solid, connectivity=8)[2][1:]
    if not len(parts):
        return None
    area = parts[:, cv2.CC_STAT_AREA]
    left, top, width, height, _ = parts[area >= PART * area.max()].T
    first = np.array([left.min(), top.min()], float)
    last = np.array([(left + width).max(), (top + height).max()], float)
    room = MARGIN * (last - first).max()
    zoom = np.array([placed.width / placed.inner_width, placed.height / placed.inner_height])
    whole = np.array([placed.width, placed.height])
    x0, y0 = (int(each) for each in np.floor(np.clip((first - room) * zoom, 0, whole)))
    x1, y1 = (int(each) for each in np.ceil(np.clip((last + room) * zoom, 0, whole)))
    return _paying(Box(x0, y0, x1, y1), placed)


def _paying(box: Box, placed: Letterbox) -> Box | None:
    return box if max(box.width, box.height) <= PAYS * max(placed.width, placed.height) else None


def widened(box: Box, close: Alpha, first: Alpha, placed: Letterbox) -> Box | None:
    """The part with more room where the close look's subject goes on beyond it, though the first look had missed that.

    Parameters
    ----------
    box : the part that was looked at.
    close : (h, w) alpha of it, at any size.
    first, placed : the model's (S, S) alpha of the whole photo, and where the photo lies in that square.

    Returns
    -------
    The same part where the subject ends within; None where a larger one gains nothing.
    """
    known = cv2.resize(first[_in_square(placed, box)], close.shape[::-1], interpolation=cv2.INTER_LINEAR)
    missed = (close >= HALF) & (known <= SUBJECT)
    room = round(GROWTH * max(box.width, box.height))
    wider = Box(
        max(0, box.left - room * (missed[:, 0].mean() > CUT)),
        max(0, box.top - room * (missed[0].mean() > CUT)),
        min(placed.width, box.right + room * (missed[:, -1].mean() > CUT)),
        min(placed.height, box.bottom + room * (missed[-1].mean() > CUT)),
    )
    return box if wider == box else _paying(wider, placed)


def alpha_beyond(pha: Alpha, placed: Letterbox, box: Box) -> Alpha | None:
    """What of the first alpha counts outside the box: all that hangs together with what lies inside.

    A racket or a ski pole that reaches out of the box is part of the subject; what stands apart from it is not.

    Parameters
    ----------
    pha, placed : as in `locate`.
    box : from `locate`.

    Returns
    -------
    The model's (S, S) alpha without all else; None where nothing reaches beyond the box.
    """
    inside: Flags = np.zeros(pha.shape, np.bool_)
    inside[_in_square(placed, box)] = True
    labels = cv2.connectedComponents((pha >= VISIBLE).view(np.uint8), connectivity=8)[1]
    held = np.unique(labels[inside])
    kept: Flags = np.isin(labels, held[held > 0])
    if not (kept & ~inside).any():
        return None
    return np.where(kept, pha, np.uint8(0)).astype(np.uint8)


def _in_square(placed: Letterbox, box: Box) -> tuple[slice, slice]:
    """Rows and columns of the model's square in which a box of the photo lies."""
    zoom_x, zoom_y = placed.inner_width / placed.width, placed.inner_height / placed.height
    rows = slice(placed.top + round(box.top * zoom_y), placed.top + round(box.bottom * zoom_y))
    columns = slice(placed.left + round(box.left * zoom_x), placed.left + round(box.right * zoom_x))
    return rows, columns
