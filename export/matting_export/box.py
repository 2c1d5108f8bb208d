"""Photos that went wrong, with the corrections of their owner, as sets to learn from and to measure on.

A box is what the API's `improve` fills (`--samples FOLDER`): a folder with a folder for each sample, which holds
`photo`, whatever its format. The owner puts `correction.png` beside it: the right alpha in grey, or the right cutout
with its transparency. A folder in the plain layout (`images/`, `alpha/`) is a box, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matting_client.cli.parser import one_line
from matting_client.errors import MattingError
from matting_client.imaging.decode import Photo, read_photo
from matting_client.types import U8
from matting_training.data.pairs import (
    DataError,
    Pair,
    check_range,
    check_size,
    find_pairs,
    grey_of,
    raise_problems,
    read_alpha,
    read_pixels,
    read_rgb,
    say_passed_over,
    shrunk,
    write_png,
)
from matting_training.whole import filled_whole
from PIL import Image

PHOTO, CORRECTION = "photo", "correction"  # names without suffix, of which any or none may follow
LEARN, HELD_OUT = "corrected", "val_box"  # names of the sets
LEAST = 8  # corrected photos: fewer tell neither what to learn nor whether it was learnt
EVERY = 4  # of so many photos one is held out
LONGEST = 2048  # side of what is kept
INCOMPLETE = ("rows", "end")  # notes of a file that ends early
WHITE = (255, 255, 255)  # behind what is transparent


@dataclass(frozen=True)
class Sample:
    """A photo and its correction."""

    name: str
    photo: Path
    correction: Path


def find_samples(box: Path) -> list[Sample]:
    """All corrected samples of a box, by name; those without a correction are counted and said.

    Raises
    ------
    DataError
        There is no such folder, or it holds too few corrected photos.
    """
    if not box.is_dir():
        raise DataError(f"{box}: got no folder, expected a box of samples; check the path")
    if (box / "images").is_dir():
        say_passed_over(box)
        samples = [Sample(pair.stem, pair.image, pair.alpha) for pair in find_pairs(box)]
        waiting: list[str] = []
    else:
        samples, waiting = _in_folders(box)
    if waiting:
        names = ", ".join(waiting[:3]) + (" ..." if len(waiting) > 3 else "")
        print(one_line(f"{box}: {len(waiting)} photos have no {CORRECTION} and are left out: {names}"))
    if len(samples) < LEAST:
        raise DataError(
            f"{box}: got {len(samples)} corrected photos, expected at least {LEAST}; put {CORRECTION}.png (the right "
            f"alpha, or the right cutout) beside {PHOTO} in the folders of more samples"
        )
    return samples


def _in_folders(box: Path) -> tuple[list[Sample], list[str]]:
    samples = list[Sample]()
    waiting = list[str]()
    problems: list[str] = []
    for folder in sorted(path for path in box.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            photo, correction = (_one(folder, name) for name in (PHOTO, CORRECTION))
        except DataError as error:
            problems.append(str(error))
            continue
        if photo and correction:
            samples.append(Sample(folder.name, photo, correction))
        elif photo:
            waiting.append(folder.name)
        else:
            problems.append(f"{folder}: got no {PHOTO}, expected a photo of that name, with any suffix or none")
    raise_problems(problems)
    return samples, waiting


def _one(folder: Path, name: str) -> Path | None:
    found = sorted(path for path in folder.iterdir() if path.stem == name and path.is_file())
    if len(found) > 1:
        raise DataError(f"{folder}: got {', '.join(p.name for p in found)}, expected one {name}; remove the others")
    return found[0] if found else None


def read_sample(sample: Sample) -> tuple[U8, U8]:
    """Photo (H, W, 3) and alpha (H, W), upright, 0..255, at most `LONGEST` long.

    Raises
    ------
    DataError
        One of them cannot be read, they differ in size, or the correction is no alpha.
    """
    rgb = _read(sample.photo).on(WHITE)
    correction = _read(sample.correction)
    alpha = correction.alpha
    if alpha is None:
        alpha = _read_grey(sample.correction, correction.rgb)
    check_range(alpha, sample.correction)
    check_size(sample.correction, alpha, rgb, "correct it at the photo's own size")
    if alpha.min() == 255:
        raise DataError(f"{sample.correction}: got a correction without any background, expected the right alpha")
    scale = LONGEST / max(alpha.shape)
    return shrunk(rgb, scale), shrunk(np.ascontiguousarray(alpha), scale)


def _read(path: Path) -> Photo:
    try:
        photo = read_photo(path)
    except MattingError as error:
        raise DataError(str(error)) from None
    for note in photo.notes:
        if note.code in INCOMPLETE:  # what is missing would be learnt as background
            raise DataError(f"{path}: {note}; copy it again")
    return photo


def _read_grey(path: Path, converted: U8) -> U8:
    """Alpha (H, W) of an opaque correction as it is stored: the colour profile that an editor embeds is for photos.

    `converted` are its colours by that profile, for the formats that training itself does not read.
    """
    stored = read_pixels(path, colour=False)
    if stored is None or stored.dtype not in (np.uint8, np.uint16):
        return grey_of(converted, path)
    return read_alpha(path)


def split_box(box: Path, out: Path) -> None:
    """Write the sets `LEARN` and `HELD_OUT` into `out`, whole or not at all; what lies there stays as it is.

    Every fourth photo is held out, with all samples of it: what is measured on must not be learnt from. All are looked
    at before anything is written.

    Raises
    ------
    DataError
        As of `find_samples`, and all samples (up to ten) that cannot be used.
    OSError
        The sets cannot be written.
    """
    if out.exists():
        print(f"{out}: goes on with the photos that lie there; give another --run to take new ones")
        return
    samples = find_samples(box)
    held_out = _held_out(samples)
    with filled_whole(out) as part:
        for sample in samples:
            folder = part / (HELD_OUT if sample in held_out else LEARN)
            for name, picture in zip(("images", "alpha"), read_sample(sample), strict=True):
                (folder / name).mkdir(parents=True, exist_ok=True)
                write_png(folder / name / f"{sample.name}.png", picture)


def _held_out(samples: Sequence[Sample]) -> set[Sample]:
    """The samples of every fourth photo; one that was handed in several times is one photo.

    Raises
    ------
    DataError
        Samples (up to ten) that cannot be used, or too few different photos.
    """
    problems: list[str] = []
    photos: dict[bytes, list[Sample]] = {}
    for sample in samples:
        try:
            rgb, _ = read_sample(sample)
        except DataError as error:
            problems.append(str(error))
        else:
            photos.setdefault(_digest(rgb), []).append(sample)
    raise_problems(problems)
    if len(photos) < LEAST:
        twice = ", ".join(" = ".join(each.name for each in same) for same in photos.values() if len(same) > 1)
        raise DataError(f"got {len(photos)} different photos ({twice}), expected at least {LEAST}; correct some more")
    return {sample for same in list(photos.values())[EVERY - 1 :: EVERY] for sample in same}


def _digest(rgb: U8) -> bytes:
    return hashlib.sha256(rgb.tobytes()).digest()


def check_not_held_out(learnt: Sequence[Pair], held_out: Sequence[Pair]) -> None:
    """Refuse to learn from photos that are measured on, of `split_box`.

    Raises
    ------
    DataError
        Some are the same; up to ten are named.
    """
    kept = [read_rgb(pair.image) for pair in held_out]
    digests = {_digest(rgb) for rgb in kept}
    sizes = {rgb.shape[1::-1] for rgb in kept}
    alike = [pair.image for pair in learnt if _may_have(pair.image, sizes)]
    same = [photo for photo in alike if _digest(_read_small(photo)) in digests]
    raise_problems(
        [f"{path}: got a photo of the box that is held out to measure on; remove it from the data" for path in same]
    )


def _may_have(photo: Path, sizes: set[tuple[int, ...]]) -> bool:
    """Whether a photo may be of one of the sizes as `_read_small` gives it; only its header is read."""
    try:
        with Image.open(photo) as opened:
            width, height = opened.size
    except OSError:  # said where it is learnt from
        return False
    scale = min(1.0, LONGEST / max(width, height))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    return small in sizes or small[::-1] in sizes  # it may lie on its side


def _read_small(photo: Path) -> U8:
    """A photo as `read_sample` gives it."""
    rgb = _read(photo).on(WHITE)
    return shrunk(rgb, LONGEST / max(rgb.shape[:2]))
