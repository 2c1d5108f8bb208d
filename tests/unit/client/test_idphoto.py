"""ID photos: the head found in an alpha, and photos and sheets of the right size."""

from __future__ import annotations

import io
import re

import cv2
import numpy as np
import pytest
from matting_client import Cutout, InputError, OptionError, Options
from matting_client.idphoto import DPI, PAPERS, Size, id_photo, print_sheet, sheet_file, sizes
from matting_client.processing.head import find_head
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]
CROWN, CHIN, MIDDLE = 120, 520, 480


def person(hair: bool = False) -> U8:
    """A head (120..520), a neck and shoulders that reach the lower edge."""
    pha = np.zeros((1000, 960), np.uint8)
    cv2.ellipse(pha, (MIDDLE, (CROWN + CHIN) // 2), (160, (CHIN - CROWN) // 2), 0, 0, 360, 255, -1)
    pha[440:700, MIDDLE - 100 : MIDDLE + 100] = 255
    cv2.ellipse(pha, (MIDDLE, 1000), (400, 380), 0, 180, 360, 255, -1)
    if hair:
        pha[320:800, MIDDLE - 165 : MIDDLE + 165] = 255
    return pha


def cutout(pha: U8) -> Cutout:
    return Cutout(np.full((*pha.shape, 3), (200, 150, 120), np.uint8), pha, Options())


@pytest.mark.parametrize("hair", [False, True])
def test_head_is_found(hair: bool) -> None:
    head = find_head(person(hair))
    assert head.crown == pytest.approx(CROWN, abs=12)
    assert head.chin == pytest.approx(CHIN, abs=40)
    assert head.middle == pytest.approx(MIDDLE, abs=4)


def test_single_hairs_and_specks_are_not_the_crown() -> None:
    pha = person()
    pha[20:CROWN, MIDDLE : MIDDLE + 3] = 255
    cv2.circle(pha, (100, 60), 6, 255, -1)
    assert find_head(pha).crown == pytest.approx(CROWN, abs=14)


def test_nobody_there() -> None:
    with pytest.raises(InputError, match="without a subject"):
        find_head(np.zeros((50, 40), np.uint8))


@pytest.mark.parametrize("size", sizes().values(), ids=lambda size: size.name)
def test_every_size(size: Size) -> None:
    photo = id_photo(cutout(person()), size)
    height, width = photo.picture.shape[:2]
    assert (width, height) == size.px
    assert set(size.title) == {"en", "zh"} and re.fullmatch(r"#[0-9a-f]{6}", size.background)
    assert width / height == pytest.approx(size.mm[0] / size.mm[1], rel=0.03)
    colour = np.array([int(size.background[i : i + 2], 16) for i in (1, 3, 5)])
    subject = np.abs(photo.picture.astype(int) - colour).max(2) > 30
    crown = int(np.flatnonzero(subject.any(1))[0])
    assert crown == pytest.approx(size.top * height, abs=0.03 * height)
    assert 0 < size.top < 1 - size.head < 1
    with Image.open(io.BytesIO(photo.to_jpeg())) as file:
        assert file.size == size.px and file.format == "JPEG"
        assert file.info["dpi"][0] == pytest.approx(size.px[0] / size.mm[0] * 25.4, abs=1)


# What offices publish, in mm (docs/id-photos.md): crown to chin, and from the upper edge to the crown where they say.
PUBLISHED: dict[str, tuple[tuple[float, float], tuple[float, float] | None]] = {
    "china-passport": ((28, 33), (3, 5)),
    "china-visa": ((28, 33), (3, 5)),
    "china-id-card": ((18, 32 * 2 / 3), (7 * 32 / 441, 21 * 32 / 441)),
    "schengen": ((32, 36), None),
    "us-visa": ((25, 35), None),
    "india": ((25, 35), None),
    "uk-passport": ((29, 34), None),
    "japan": ((32, 36), (2, 6)),
    "canada": ((31, 36), None),
}
EYES = 0.5  # of the way from crown to chin


@pytest.mark.parametrize("name", PUBLISHED)
def test_heads_are_as_offices_ask(name: str) -> None:
    size, (heads, tops) = sizes()[name], PUBLISHED[name]
    high = size.mm[1]
    assert heads[0] < size.head * high < heads[1]
    assert tops is None or tops[0] < size.top * high < tops[1]
    if name in ("us-visa", "india"):  # eyes 1 1/8 to 1 3/8 inch above the lower edge
        assert 28.6 < (1 - size.top - EYES * size.head) * high < 34.9


def test_zoom_shift_and_background() -> None:
    size = sizes()["us-visa"]
    plain, large, low = (
        id_photo(cutout(person()), size, "#000000", zoom, shift).picture
        for zoom, shift in ((1.0, 0.0), (1.25, 0.0), (1.0, 0.1))
    )
    crowns = [int(np.flatnonzero(each.max((1, 2)) > 100)[0]) for each in (plain, large, low)]
    assert crowns[2] - crowns[0] == pytest.approx(60, abs=2)
    widths = [int((each[250].max(1) > 100).sum()) for each in (plain, large)]
    assert widths[1] > 1.1 * widths[0]
    assert plain[0, 0].tolist() == [0, 0, 0]


def test_it_says_when_the_photo_is_too_small_a_part() -> None:
    size = sizes()["schengen"]
    assert id_photo(cutout(person()), size).complete
    assert not id_photo(cutout(person()[:560]), size).complete
    assert not id_photo(cutout(person()[:, 300:660]), sizes()["two-inch"]).complete


@pytest.mark.parametrize(("zoom", "shift", "named"), [(3.0, 0.0, "zoom"), (1.0, 0.5, "shift")])
def test_values_out_of_range(zoom: float, shift: float, named: str) -> None:
    with pytest.raises(OptionError, match=f"^{named}: got"):
        id_photo(cutout(person()), sizes()["schengen"], None, zoom, shift)


@pytest.mark.parametrize(
    ("name", "paper", "copies"), [("one-inch", "4x6", 12), ("schengen", "4x6", 8), ("us-visa", "4x6", 2)]
)
def test_sheet_holds_copies_of_true_size(name: str, paper: str, copies: int) -> None:
    photo = id_photo(cutout(person()), sizes()[name])
    sheet, count = print_sheet(photo, paper)
    assert count == copies
    sides = sorted(round(side / 25.4 * DPI) for side in PAPERS[paper])
    assert sorted(sheet.shape[:2]) == sides
    lines = np.flatnonzero((sheet == 170).all(2).mean(0) > 0.2)  # the vertical ones, left and right of each copy
    assert lines[1] - lines[0] - 1 == round(photo.size.mm[0] / 25.4 * DPI)
    assert lines[0] > DPI * 3 / 25.4 and lines[-1] < sheet.shape[1] - DPI * 3 / 25.4


def test_sheet_files_print_at_their_true_size() -> None:
    sheet, _ = print_sheet(id_photo(cutout(person()), sizes()["one-inch"]), "4x6")
    with Image.open(io.BytesIO(sheet_file(sheet, "jpeg"))) as file:
        assert file.info["dpi"] == (DPI, DPI)
    pdf = sheet_file(sheet, "pdf")
    assert pdf.startswith(b"%PDF")
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", pdf)
    assert box
    assert sorted(float(each) for each in box.groups()) == pytest.approx([4 * 72, 6 * 72], abs=0.5)


def test_unknown_paper_and_format() -> None:
    photo = id_photo(cutout(person()), sizes()["one-inch"])
    with pytest.raises(OptionError, match="paper"):
        print_sheet(photo, "a0")
    with pytest.raises(OptionError, match="format"):
        sheet_file(print_sheet(photo)[0], "png")
