"""Corrections on the command line: `--mask`, `--keep` and `--remove`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from matting_client.correction import Correction, Pick, Stroke
from matting_client.errors import OptionError
from matting_client.imaging.decode import GREY, read_photo


def add_marks(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument(
        "--mask",
        type=Path,
        default=None,
        metavar="FILE",
        help="correct the result: white keeps, black removes, grey and transparent leave it; of the photo's shape",
    )
    p.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="X,Y[,R]",
        help="keep the subject at this point alone; with R, what a brush of R px covers there. May be repeated",
    )
    p.add_argument(
        "--remove",
        action="append",
        default=[],
        metavar="X,Y[,R]",
        help="remove the subject at this point; with R, what a brush of R px covers there. May be repeated",
    )


def read_correction(given: argparse.Namespace, photos: int) -> Correction:
    """What the command line corrects.

    Raises
    ------
    OptionError
        A text that is no point, or more than one photo.
    InputError
        The mask cannot be read.
    """
    picks: list[Pick] = []
    strokes: list[Stroke] = []
    for name, keep in (("keep", True), ("remove", False)):
        for text in getattr(given, name):
            mark = _read_mark(f"--{name}", text, keep)
            if isinstance(mark, Pick):
                picks.append(mark)
            else:
                strokes.append(mark)
    if given.mask is None and not picks and not strokes:
        return Correction()
    if photos != 1:
        raise OptionError("--mask, --keep, --remove", f"{photos} photos", "one, which they belong to", "name it")
    mask = None
    if given.mask is not None:
        mask = cv2.cvtColor(read_photo(given.mask).on(GREY), cv2.COLOR_RGB2GRAY)
    return Correction(mask, tuple(picks), tuple(strokes))


def _read_mark(option: str, text: str, keep: bool) -> Pick | Stroke:
    try:
        numbers = [float(part) for part in text.split(",")]
        if len(numbers) == 2:
            return Pick(keep, *numbers)
        if len(numbers) == 3:
            x, y, radius = numbers
            return Stroke(keep, ((x, y),), radius)
    except ValueError:  # an OptionError is one, too
        pass
    raise OptionError(option, f"{text[:50]!r}", "x,y or x,y,radius in pixels of the photo, such as 120,80,15")
