"""Samples of more than 8 bits -> 8 bits; Pillow's own conversion would clip instead of scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from matting_client.imaging import formats
from matting_client.types import U8

PHOTOMETRIC = 262  # a TIFF tag
STRIP_BYTES = 1 << 20  # of pixels that are converted at a time
WHITE_IS_ZERO = 0
# Grey of more than 8 bits, and the value of white where the mode tells it.
DEEP = {"I;16": 65535.0, "I;16L": 65535.0, "I;16B": 65535.0, "I;16N": 65535.0, "I": None, "F": None}


def row_strips(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture in strips of few rows, from above."""
    rows = max(1, STRIP_BYTES // (4 * picture.width))
    for top in range(0, picture.height, rows):
        yield picture.crop((0, top, picture.width, min(top + rows, picture.height)))


@dataclass(frozen=True)
class DeepGrey:
    """Grey of more than 8 bits -> 8 bits; Pillow's own conversion would clip instead of scale."""

    white: float
    inverted: bool

    @classmethod
    def of(cls, picture: Image.Image) -> DeepGrey:
        """What a picture of one of the modes of `DEEP` needs."""
        white = DEEP[picture.mode]
        if white is None and picture.format == formats.PPM and picture.mode == "I":
            white = 65535.0
        if white is None:
            white = _usual_white(max(float(np.nan_to_num(np.asarray(strip)).max()) for strip in row_strips(picture)))
        tags = getattr(picture, "tag_v2", {})
        return cls(white, picture.format == formats.TIFF and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO)

    def to_grey(self, strip: Image.Image) -> Image.Image:
        """8 bits of a part of it."""
        values = eight_bit(np.asarray(strip), self.white)
        return Image.fromarray(255 - values if self.inverted else values)


def _usual_white(top: float) -> float:
    """32-bit samples do not say what white is: the smallest usual scale that holds all values; lights may exceed 1."""
    return next((white for white, most in ((1.0, 8.0), (255.0, 255.0)) if top <= most), 65535.0)


def eight_bit(values: NDArray[Any], white: float | None) -> U8:
    """Samples of any type -> 8 bits; without `white` it is the type's, or the usual one."""
    if values.dtype == np.uint8:
        return values
    real = np.nan_to_num(values.astype(np.float32))
    if white is None:
        white = float(np.iinfo(values.dtype).max) if values.dtype == np.uint16 else _usual_white(float(real.max()))
    out: U8 = np.round(np.clip(real / white, 0, 1) * 255).astype(np.uint8)
    return out
