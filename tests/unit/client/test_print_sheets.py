"""Sheets of ID photos: as many as fit, at their true size."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from matting_client import Cutout, OptionError, Options
from matting_client.idphoto import DPI, PAPERS, id_photo, print_sheet, sheet_file
from matting_client.idsizes import sizes
from PIL import Image
from skimage import data

from tests.support.portrait import lit_person


def person() -> Cutout:
    return Cutout(data.astronaut(), lit_person()[1], Options())


@pytest.mark.parametrize(
    ("name", "paper", "copies"), [("one-inch", "4x6", 12), ("schengen", "4x6", 8), ("us-visa", "4x6", 2)]
)
def test_sheet_holds_copies_of_true_size(name: str, paper: str, copies: int) -> None:
    photo = id_photo(person(), sizes()[name])
    sheet, count = print_sheet(photo, paper)
    assert count == copies
    sides = sorted(round(side / 25.4 * DPI) for side in PAPERS[paper])
    assert sorted(sheet.shape[:2]) == sides
    lines = np.flatnonzero((sheet == 170).all(2).mean(0) > 0.2)  # the vertical ones, left and right of each copy
    assert lines[1] - lines[0] - 1 == round(photo.size.mm[0] / 25.4 * DPI)
    assert lines[0] > DPI * 3 / 25.4 and lines[-1] < sheet.shape[1] - DPI * 3 / 25.4


def test_sheet_files_print_at_their_true_size() -> None:
    sheet, _ = print_sheet(id_photo(person(), sizes()["one-inch"]), "4x6")
    with Image.open(io.BytesIO(sheet_file(sheet, "jpeg"))) as file:
        assert file.info["dpi"] == (DPI, DPI)
    pdf = sheet_file(sheet, "pdf")
    assert pdf.startswith(b"%PDF")
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", pdf)
    assert box
    assert sorted(float(each) for each in box.groups()) == pytest.approx([4 * 72, 6 * 72], abs=0.5)


def test_unknown_paper_and_format() -> None:
    photo = id_photo(person(), sizes()["one-inch"])
    with pytest.raises(OptionError, match="paper"):
        print_sheet(photo, "a0")
    with pytest.raises(OptionError, match="format"):
        sheet_file(print_sheet(photo)[0], "png")
