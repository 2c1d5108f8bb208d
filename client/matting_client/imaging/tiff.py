"""What Pillow alone gets wrong of TIFFs: pages that are copies of others, channels apart, rare samples."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from matting_client.imaging import formats
from matting_client.imaging.depth import eight_bit
from matting_client.imaging.limits import Limits, Unusable

MOST_PAGES = 16  # that are looked at
WIDTH, HEIGHT, COMPRESSION, PLANES, PROFILE = 256, 257, 259, 284, 34675  # tags
SMALLER_COPY, MASK = 1, 4  # bits of NewSubfileType
UNCOMPRESSED, SEPARATE = 1, 2  # values of COMPRESSION and PLANES
MISREAD_PLANES = ("LA", "LAB")  # modes of which Pillow puts separate samples into the wrong places


def choose_page(picture: TiffImagePlugin.TiffImageFile) -> int:
    """Go to the first page that is no smaller copy or mask of another; returns how many such pages there are."""
    pages = []
    for index in range(min(picture.n_frames, MOST_PAGES)):
        picture.seek(index)
        if not int(picture.tag_v2.get(formats.NEW_SUBFILE_TYPE, 0)) & (SMALLER_COPY | MASK):
            pages.append(index)
    picture.seek(pages[0] if pages else 0)
    return len(pages)


def leave_planes_to_libtiff(picture: Image.Image) -> None:
    """Of uncompressed samples that lie apart from each other Pillow's own decoder takes each byte for one."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile) or picture.tag_v2.get(PLANES) != SEPARATE:
        return
    if picture.mode in MISREAD_PLANES:
        raise _in_planes()
    if picture.tag_v2.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED:
        with _libtiff():
            picture._setup()


def _in_planes() -> Unusable:
    return Unusable(
        "a TIFF of a rare kind with its channels apart from each other (PlanarConfiguration 2)",
        "one with interleaved channels",
        "save it so, or as PNG",
    )


def open_rare(data: bytes, limits: Limits) -> Image.Image:
    """A TIFF of samples that Pillow does not know, such as RGB in floating point, through OpenCV."""
    file = io.BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file.seek(tags.next)
    tags.load(file)
    limits.check_size(int(tags[WIDTH]), int(tags[HEIGHT]))
    if tags.get(PLANES) == SEPARATE:  # which OpenCV takes for interleaved
        with _libtiff(), contextlib.suppress(UnidentifiedImageError):
            return Image.open(file, formats=(formats.TIFF,))
        raise _in_planes()
    cv2: Any = import_module("cv2")  # only here: loading it takes longer than all of Pillow
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 3 or values.shape[2] not in (3, 4):
        raise SyntaxError("a kind of TIFF that cannot be read")
    limits.check_size(values.shape[1], values.shape[0])
    order = cv2.COLOR_BGR2RGB if values.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    picture = Image.fromarray(cv2.cvtColor(eight_bit(values, None), order))
    picture.format = formats.TIFF
    if PROFILE in tags:
        picture.info["icc_profile"] = bytes(tags[PROFILE])
    return picture


@contextlib.contextmanager
def _libtiff() -> Iterator[None]:
    """Have Pillow leave uncompressed TIFFs to libtiff, too; a switch as in `_lenient`."""
    TiffImagePlugin.READ_LIBTIFF = True
    try:
        yield
    finally:
        TiffImagePlugin.READ_LIBTIFF = False
