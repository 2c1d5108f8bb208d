"""The fast path: a usual JPEG is decoded in this process, in half of Pillow's time and to the same pixels."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import threading
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from matting_client.imaging.colour import has_srgb_profile
from matting_client.imaging.limits import Limits, Unusable
from matting_client.imaging.tags import ORIENTATION, density, exif_block

TURNS = {1: None, 3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}  # without mirrors
USUAL_SCANS = 16  # progressive JPEGs have about ten; each one costs a pass over all pixels
MOST_SCANS = 100
PROGRESSIVE_PIXELS = 25_000_000  # above, a progressive JPEG is decoded where it can be ended
MOST_SEGMENTS = 10_000  # a profile of 16 MB has 255
_MARKER = re.compile(rb"\xff[\x01\xc0-\xcf\xd8-\xfe]")  # what ends a scan's data: no stuffed zero, no restart
_SEGMENT = re.compile(rb"\xff[\xc0-\xc7\xc9-\xcf\xdb-\xdd\xe0-\xef\xfe]")  # begins one that tells its length
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, struct.error)
_warnings = threading.Lock()  # the filters are of the whole process


@dataclass(frozen=True, eq=False, repr=False)
class Jpeg:
    """A decoded JPEG: upright (H, W, 3) sRGB, pixels an inch, and its EXIF block."""

    rgb: NDArray[np.uint8]
    dpi: tuple[float, float] | None
    exif: bytes


def open_header(data: bytes, limits: Limits) -> ImageFile.ImageFile | None:
    """A JPEG's header; None for one that Pillow does not understand, or would take long for.

    Raises
    ------
    Unusable
        Too large, or of too many scans.
    """
    if not _is_orderly(data):
        return None
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata and large pictures, which do not matter here
        try:
            picture = Image.open(io.BytesIO(data), formats=("JPEG", "MPO"))
        except Image.DecompressionBombError:
            return None
        except (UnidentifiedImageError, *_DAMAGED):
            return None
        with contextlib.suppress(*_DAMAGED):
            picture.getexif()  # Pillow keeps it: later uses warn no more
    limits.check_size(*picture.size)
    return picture


def decode_usual(data: bytes, limits: Limits) -> Jpeg | None:
    """Pixels of a usual JPEG; None leaves anything unusual to the decoder's own process.

    Raises
    ------
    Unusable
        As of `open_header`.
    """
    picture = open_header(data, limits)
    if picture is None:
        return None
    scans = count_scans(data, MOST_SCANS + 1)
    if scans > MOST_SCANS:
        raise Unusable(f"a JPEG of more than {MOST_SCANS} scans", "about ten", "save it anew")
    heavy = bool(picture.info.get("progressive")) and picture.width * picture.height > PROGRESSIVE_PIXELS
    turn = picture.getexif().get(ORIENTATION, 1)
    is_plain = picture.mode == "RGB" and turn in TURNS and has_srgb_profile(picture)
    if picture.format != "JPEG" or scans > USUAL_SCANS or heavy or not is_plain:
        return None
    try:
        rgb: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError:  # damaged, perhaps too little to refuse it
        return None
    code = TURNS[turn]
    return Jpeg(rgb if code is None else cv2.rotate(rgb, code), density(picture), exif_block(picture))


def count_scans(data: bytes, most: int) -> int:
    """Scans of a JPEG (ITU-T T.81, annex B), counted up to `most`; the pictures behind its end do not count.

    Raises
    ------
    Unusable
        Of too many segments.
    """
    scans = 0
    at = 2
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None or found[0] == b"\xff\xd9" or scans == most:
            return scans
        at = found.end()
        if found[0][1] in (0x01, 0xD8):  # markers without a segment
            continue
        scans += found[0] == b"\xff\xda"
        at += int.from_bytes(data[at : at + 2])
    raise Unusable(f"a JPEG of more than {MOST_SEGMENTS} segments", "some dozens", "save it anew")


def _is_orderly(data: bytes) -> bool:
    """Whether not too many segments, and nothing else, come before the first scan: Pillow reads it bytewise."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        if data.startswith(b"\xff\xda", at):
            return True
        if not _SEGMENT.match(data, at):
            return False
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return False
