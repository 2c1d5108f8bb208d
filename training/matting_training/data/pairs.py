"""The plain data layout, `<set>/images/*` with `<set>/alpha/*` of the same stem, and how its pictures are read."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matting_client.cli.parser import one_line
from numpy.typing import NDArray
from PIL import Image

from matting_training.whole import written_whole

GREY = 24  # steps of 255 between the channels of what is still called grey: JPEG's
FAINT = 16  # steps of 255 that an alpha with any subject reaches at least; less is a mask of 0 and 1, or of classes
ORIENTATION = 0x0112  # "Exif Version 2.32", CIPA DC-008-2019
# What brings pixels upright that lie as `ORIENTATION` says.
UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[:, ::-1],
    7: lambda x: x.swapaxes(0, 1)[::-1, ::-1],
    8: lambda x: x.swapaxes(0, 1)[::-1],
}
PICTURES = {".png", ".jpg", ".jpeg", ".webp"}


class DataError(ValueError):
    """A picture is missing, unreadable or does not fit its alpha; each line of the message names files.

    No file's name can end a line or colour it.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*map(one_line, lines))

    def __str__(self) -> str:
        return "\n".join(self.args)


def raise_problems(problems: Sequence[str]) -> None:
    """Raise a DataError that tells of all problems, up to ten by their text, if there are any."""
    if problems:
        more = [f"... and {len(problems) - 10} more"] if len(problems) > 10 else []
        raise DataError(*problems[:10], *more)


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
    """Pictures directly inside a folder, by name; not what begins with a dot, as macOS's `._photo.jpg` does.

    Raises
    ------
    DataError
        The folder is missing or holds no picture.
    """
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURES and not p.name.startswith("."))
    if not found:
        raise DataError(f"{folder}: got no pictures, expected {', '.join(sorted(PICTURES))} files; check the path")
    return found


def say_passed_over(root: Path) -> None:
    """Print which files of a set `find_pairs` does not look at; without those that begin with a dot."""
    for folder in (root / "images", root / "alpha"):
        files = sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith("."))
        others = [p.name for p in files if p.suffix.lower() not in PICTURES]
        if others:
            names = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
            kinds = ", ".join(sorted(PICTURES))
            print(one_line(f"{folder}: {len(others)} files are left out, they are none of {kinds}: {names}"))


def find_pairs(root: Path) -> list[Pair]:
    """All pairs of a set, by name.

    Raises
    ------
    DataError
        A photo has no alpha, or two files have one stem; the first ones are named.
    """
    images = pictures(root / "images")
    found = pictures(root / "alpha")
    for folder, files in (("images", images), ("alpha", found)):
        twice = [stem for stem, count in Counter(p.stem for p in files).items() if count > 1]
        if twice:
            raise DataError(
                f"{root / folder}: got several files named {', '.join(twice[:5])}, expected one of a stem; rename them"
            )
    alphas = {p.stem: p for p in found}
    missing = [p.name for p in images if p.stem not in alphas]
    if missing:
        raise DataError(
            f"{root / 'alpha'}: got no alpha for {len(missing)} photos ({', '.join(missing[:5])}); add them"
        )
    return [Pair(p, alphas[p.stem]) for p in images]


def read_pixels(path: Path, *, colour: bool) -> NDArray[np.uint8] | None:
    """Pixels as OpenCV reads them, upright whatever the format; None: no readable picture.

    Parameters
    ----------
    path : the file.
    colour : (H, W, 3) BGR; otherwise channels and depth as they are stored.
    """
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION if colour else cv2.IMREAD_UNCHANGED
    try:
        with path.open("rb") as file:  # by its number: at a name that is no UTF-8 `imread` ends the process
            picture = cv2.imread(f"/proc/self/fd/{file.fileno()}", flags)
    except OSError:
        return None
    if picture is None:
        return None
    turn: object = 1
    with contextlib.suppress(Exception), Image.open(path) as opened:  # damaged EXIF: the picture stays as it lies
        turn = opened.getexif().get(ORIENTATION, 1)
    upright = UPRIGHT.get(turn) if isinstance(turn, int) else None
    out: NDArray[np.uint8] = np.ascontiguousarray(upright(picture)) if upright else picture
    return out


def check_whole(path: Path) -> None:
    """Refuse a picture that ends early: OpenCV fills what is missing of a JPEG with grey, and tells nobody.

    Raises
    ------
    DataError
    """
    try:
        with contextlib.suppress(Image.DecompressionBombError), Image.open(path) as opened:
            opened.load()
    except OSError as error:
        raise DataError(f"{path}: got a damaged picture ({error}), expected a whole one; copy it again") from None


def check_size(path: Path, alpha: NDArray[np.uint8], rgb: NDArray[np.uint8], remedy: str) -> None:
    """Raise a DataError where the alpha at `path`, (H, W), has another size than its photo, (H, W, 3)."""
    if alpha.shape != rgb.shape[:2]:
        height, width = alpha.shape
        high, wide = rgb.shape[:2]
        raise DataError(f"{path}: got {width}x{height}, expected the photo's {wide}x{high}; {remedy}")


def read_pair(pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Photo (H, W, 3) and alpha (H, W) of one size, as of `read_rgb` and `read_alpha`.

    Raises
    ------
    DataError
        One of them cannot be used, or they differ in size.
    """
    rgb, alpha = read_rgb(pair.image), read_alpha(pair.alpha)
    check_size(pair.alpha, alpha, rgb, "make them the same size")
    return rgb, alpha


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write (H, W) grey or (H, W, 3) RGB.

    Raises
    ------
    OSError
        The disk is full or the folder cannot be written; `cv2.imwrite` would only return False.
    """
    stored = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    with written_whole(path) as part:
        part.write_bytes(cv2.imencode(".png", stored)[1].tobytes())


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Photo as (H, W, 3) RGB, upright.

    Raises
    ------
    DataError
        Not a readable picture.
    """
    bgr = read_pixels(path, colour=True)
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
    """Alpha as (H, W), 0..255, upright: the alpha channel where there is one that is not full, the grey otherwise.

    Raises
    ------
    DataError
        Not a readable picture, or one that is no alpha.
    """
    picture = read_pixels(path, colour=False)
    if picture is None:
        raise DataError(f"{path}: got no readable picture, expected an 8-bit alpha; replace or remove it")
    if picture.dtype == np.uint16:
        picture = np.round(picture / 257.0)
    alpha: NDArray[np.uint8] = picture.astype(np.uint8)
    if alpha.ndim == 3:
        own = alpha.shape[2] == 4 and alpha[..., 3].min() < 255
        alpha = np.ascontiguousarray(alpha[..., 3]) if own else grey_of(alpha[..., :3], path)
    check_range(alpha, path)
    return alpha


def grey_of(picture: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """The grey (H, W) of a picture (H, W, 3) without colours.

    Raises
    ------
    DataError
        It has colours, as a photo or a mask of classes has.
    """
    if int((picture.max(2) - picture.min(2)).max()) > GREY:
        raise DataError(
            f"{path}: got an opaque picture in colour, expected the alpha in grey, or a cutout with transparency; "
            "save it as PNG"
        )
    return np.ascontiguousarray(picture[..., 0])


def check_range(alpha: NDArray[np.uint8], path: Path) -> None:
    """Refuse an alpha (H, W) whose values cannot be meant as 0..255.

    Raises
    ------
    DataError
        Its largest value is neither 0 nor at least `FAINT`.
    """
    largest = int(alpha.max())
    if 0 < largest < FAINT:
        raise DataError(
            f"{path}: got values of 0..{largest}, expected an alpha of 0..255; multiply it by {255 // largest}"
        )
