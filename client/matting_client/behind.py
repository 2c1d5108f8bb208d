"""The file of a picture that stands behind subjects, kept from one photo to the next."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from matting_client.imaging.decode import read
from matting_client.types import Image


@lru_cache(maxsize=1)
def _read_once(path: Path, changed: int) -> Image:
    return read(path)


def picture_of(path: Path) -> Image:
    """The picture (h, w, 3) of a file, kept for the next photo as long as the file does not change.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        return _read_once(path.absolute(), path.stat().st_mtime_ns)
    except OSError:
        return read(path)  # which says what is wrong
