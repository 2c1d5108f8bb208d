"""The plain data layout, `<set>/images/*` with `<set>/alpha/*` of the same stem, checked before any work starts."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.machine import fork_server, work_on_one_core

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


def _problem(pair: Pair) -> str | None:
    try:
        image, alpha = read_rgb(pair.image), read_alpha(pair.alpha)
    except DataError as error:
        return str(error)
    if image.shape[:2] != alpha.shape:
        return f"{pair.alpha}: got {alpha.shape}, expected the photo's {image.shape[:2]}; make them the same size"
    return None


def process_pool(workers: int | None) -> ProcessPoolExecutor:
    """So many processes of one core each; None: as many as there are cores."""
    return ProcessPoolExecutor(workers, mp_context=fork_server(), initializer=work_on_one_core)


def check(pairs: list[Pair], workers: int | None = None) -> None:
    """Decode every pair once.

    Raises
    ------
    DataError
        Names every pair (up to ten) that cannot be read or does not fit.
    """
    if not pairs:
        return
    with process_pool(workers) as pool:
        problems = [p for p in pool.map(_problem, pairs, chunksize=32) if p]
    if problems:
        more = f"\n... and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise DataError("\n".join(problems[:10]) + more)
