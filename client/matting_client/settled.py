"""Pixels that nothing can write to any more, so that they need no copy."""

from __future__ import annotations

import numpy as np

from matting_client.types import Image


def settled(pixels: Image) -> Image:
    """Pixels that nobody else holds, never to be written to again, so that a cutout need not copy them."""
    array: object = pixels
    while isinstance(array, np.ndarray):
        array.flags.writeable = False
        array = array.base
    return pixels


def is_settled(pixels: Image) -> bool:
    """Whether nothing can write to them, neither through this array nor through one that it is a part of."""
    array: object = pixels
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        array = array.base
    return array is None or isinstance(array, bytes)
