"""The plain data layout, `<set>/images/*` with `<set>/alpha/*` of the same stem, and how its pictures are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

PICTURES = {".png", ".jpg", ".jpeg", ".webp"}


class DataError(ValueError):
    """A picture is missing, unreadable or does not fit its alpha; the message names the files."""


@dataclass(frozen=True)
class Pair:
    """One photo and its alpha."""

    image: Path
    alpha: Path

    @property
    def stem(self) -> str:
        """File name without its suffix."""
        return self.image.stem


def pictures(folder: Path) -> list[Path]:
    """Pictures directly inside a folder, by name.

    Raises
    ------
    DataError
        The folder is missing or holds no picture.
    """
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURES)
    if not found:
        raise DataError(f"{folder}: got no pictures, expected {', '.join(sorted(PICTURES))} files; check the path")
    return found


def find_pairs(root: Path) -> list[Pair]:
    """All pairs of a set, by name.

    Raises
    ------
    DataError
        A photo has no alpha; the first ones are named.
    """
    alphas = {p.stem: p for p in pictures(root / "alpha")}
    images = pictures(root / "images")
    missing = [p.name for p in images if p.stem not in alphas]
    if missing:
        raise DataError(
            f"{root / 'alpha'}: got no alpha for {len(missing)} photos ({', '.join(missing[:5])}); add them"
        )
    return [Pair(p, alphas[p.stem]) for p in images]


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Photo as (H, W, 3) RGB.

    Raises
    ------
    DataError
        Not a readable picture.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DataError(f"{path}: got no readable picture, expected JPEG, PNG or WebP; replace or remove it")
    rgb: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def shrunk(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """A picture at `scale` of its size, by area; one that would grow is left as it is."""
    if scale >= 1:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small: NDArray[np.uint8] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small


def read_alpha(path: Path) -> NDArray[np.uint8]:
    """Alpha as (H, W), 0..255: the alpha channel where there is one, the first channel otherwise.

    Raises
    ------
    DataError
        Not a readable picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise DataError(f"{path}: got no readable picture, expected an 8-bit alpha; replace or remove it")
    if picture.ndim == 3:
        picture = picture[..., 3] if picture.shape[2] == 4 else picture[..., 0]
    if picture.dtype == np.uint16:
        picture = np.round(picture / 257.0)
    alpha: NDArray[np.uint8] = picture.astype(np.uint8)
    return alpha
