"""The photos of a benchmark: 2-megapixel JPEGs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matting_client.errors import OptionError
from matting_client.imaging.decode import read
from matting_client.imaging.formats import SUFFIXES
from PIL import Image

PIXELS = 2_000_000


def jpegs(folder: Path | None, count: int) -> list[bytes]:
    """`count` photos scaled to 2 megapixels, quality 92; of a folder, else views of scikit-image's portrait.

    Raises
    ------
    OptionError
        No photos there, and no portrait either.
    """
    if folder is not None:
        paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise OptionError(f"--photos {folder}", "no pictures", f"{', '.join(SUFFIXES)} files")
        chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)]
        photos = [Image.fromarray(read(path)) for path in chosen]
    else:
        try:
            from skimage import data
        except ImportError:
            raise OptionError("--photos", "none", "a folder of photos", "or install scikit-image") from None
        portrait = data.astronaut()
        photos = [Image.fromarray(np.roll(portrait, 7 * i, 1)) for i in range(count)]
    files = [_jpeg(photo) for photo in photos]
    return [files[i % len(files)] for i in range(count)]


def _jpeg(photo: Image.Image) -> bytes:
    scale = (PIXELS / (photo.width * photo.height)) ** 0.5
    buffer = io.BytesIO()
    size = round(photo.width * scale), round(photo.height * scale)
    photo.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
