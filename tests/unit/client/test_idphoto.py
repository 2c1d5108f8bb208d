"""ID photos: the face found, the head upright and in its place, and photos and sheets of the right size."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from matting_client import Cutout, NoFace, OptionError, Options, SeveralFaces
from matting_client.idphoto import ENLARGED, _window, id_photo
from matting_client.idsizes import Frame, Size, frame_for, sizes
from matting_client.imaging.tags import srgb_profile
from matting_client.notes import Note
from matting_client.processing.faces import find_faces
from matting_client.processing.head import Head, find_head
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.support.portrait import CHIN, CROWN, EYES, MIDDLE, lit_person

U8 = NDArray[np.uint8]
HER_TILT = 2.3  # degrees, read off by eye


def cutout(photo: U8 | None = None, alpha: U8 | None = None) -> Cutout:
    return Cutout(data.astronaut() if photo is None else photo, lit_person()[1] if alpha is None else alpha, Options())


def turned(picture: U8, degrees: float) -> U8:
    """Clockwise around the face, the ground black."""
    turn = cv2.getRotationMatrix2D((MIDDLE, EYES), -degrees, 1.0)
    return np.asarray(cv2.warpAffine(picture, turn, picture.shape[1::-1]), np.uint8)


def placed(picture: U8) -> tuple[float, float, float]:
    """Eyes' row and column and chin's row in a finished photo, and the eyes' tilt in degrees."""
    (face,) = find_faces(picture)
    return face.middle.y, face.middle.x, face.tilt


def test_faces_are_found() -> None:
    """One, two side by side the larger first, a small one in a long photo, and none in a cup or a cat."""
    astronaut = data.astronaut()
    (face,) = find_faces(astronaut)
    assert (face.middle.x, face.middle.y) == pytest.approx((MIDDLE, EYES), abs=4)
    assert face.chin == pytest.approx(CHIN, abs=6) and face.eyes[0].x < face.eyes[1].x and face.score > 0.9
    smaller = np.zeros_like(astronaut)
    smaller[60:444, 60:444] = cv2.resize(astronaut, (384, 384), interpolation=cv2.INTER_AREA)
    found = find_faces(np.hstack([smaller, astronaut]))
    assert len(found) == 2 and found[0].size > 1.2 * found[1].size and found[0].left > 512 > found[1].right
    tower = np.vstack([astronaut, np.zeros((3000, 512, 3), np.uint8)])
    assert [round(each.middle.y) for each in find_faces(tower)] == pytest.approx([EYES], abs=6)
    for picture in (data.coffee(), data.cat(), data.rocket(), np.zeros((1, 1, 3), np.uint8)):
        assert find_faces(picture) == []


def mirrored(picture: U8) -> U8:
    return np.ascontiguousarray(picture[:, ::-1])


def near(picture: U8) -> U8:
    """Head and shoulders, three times as large."""
    return enlarged(np.ascontiguousarray(picture[0:220, 130:330]))


def enlarged(picture: U8) -> U8:
    """Three times as large, so that no ID photo is soft."""
    return np.asarray(cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("look", [np.ascontiguousarray, mirrored, near])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_is_put_upright(quarters: int, look: Callable[[U8], U8]) -> None:
    """Though the detector finds the face as it lies, with some tilt, in most of these."""
    upright = [look(each) for each in (data.astronaut(), lit_person()[1])]
    lying = [np.ascontiguousarray(np.rot90(each, quarters)) for each in upright]
    made, wanted = (id_photo(cutout(*each), sizes()["one-inch"]) for each in (lying, upright))
    assert made.picture.shape == wanted.picture.shape and made.warnings == wanted.warnings
    assert np.abs(made.picture.astype(int) - wanted.picture).mean() < 2


@pytest.mark.parametrize("tilt", [-60, -40, -30, 30, 40, 60, 110, 135, 160])
def test_a_photo_turned_by_any_angle_gets_a_level_head(tilt: int) -> None:
    """60 degrees are a quarter and 30 back."""
    middle = (256, 256)
    turn = cv2.getRotationMatrix2D(middle, -tilt, 0.7)
    photo, alpha = (np.asarray(cv2.warpAffine(each, turn, (512, 512)), np.uint8) for each in lit_face())
    made = id_photo(cutout(photo, alpha), sizes()["one-inch"])
    assert abs(placed(made.picture)[2]) < 4


def lit_face() -> tuple[U8, U8]:
    """The astronaut as she is, and her alpha."""
    return data.astronaut(), lit_person()[1]


@pytest.mark.parametrize("tilt", [0.0, 9.0, -9.0])
def test_the_head_is_found_and_levelled(tilt: float) -> None:

    photo, alpha = turned(data.astronaut(), tilt), turned(lit_person()[1], tilt)
    head = find_head(photo, alpha)
    assert (head.eyes, head.middle) == pytest.approx((EYES, MIDDLE), abs=4)
    assert head.tilt == pytest.approx(HER_TILT + tilt, abs=2)
    if not tilt:
        assert (head.crown, head.chin, head.floor) == pytest.approx((CROWN, CHIN, 512), abs=6)
    made = id_photo(cutout(photo, alpha), sizes()["us-visa"])
    assert abs(placed(made.picture)[2]) < 3 and made.complete


def test_single_hairs_and_specks_are_not_the_crown() -> None:
    alpha = lit_person()[1].copy()
    alpha[0:CROWN, MIDDLE : MIDDLE + 3] = 255
    cv2.circle(alpha, (100, 6), 5, 255, -1)
    assert find_head(data.astronaut(), alpha).crown == pytest.approx(CROWN, abs=6)


def test_nobody_and_more_than_one() -> None:
    astronaut, alpha = data.astronaut(), lit_person()[1]
    cup = data.coffee()
    size = sizes()["schengen"]
    with pytest.raises(NoFace, match="no face was found"):
        id_photo(cutout(cup, np.full(cup.shape[:2], 255, np.uint8)), size)
    with pytest.raises(NoFace):
        id_photo(cutout(alpha=np.zeros_like(alpha)), size)
    pair = np.hstack([astronaut, astronaut[:, ::-1]])
    with pytest.raises(SeveralFaces, match="2 faces"):
        id_photo(cutout(pair, np.hstack([alpha, alpha[:, ::-1]])), size)
    alone = id_photo(cutout(pair, np.hstack([alpha, np.zeros_like(alpha)])), size)  # a face on the wall behind
    assert placed(alone.picture)[1] == pytest.approx(size.px[0] / 2, abs=12)


@pytest.mark.parametrize("size", sizes().values(), ids=lambda size: size.name)
def test_every_size(size: Size) -> None:
    photo = id_photo(cutout(), size, "#00ff00")
    height, width = photo.picture.shape[:2]
    assert (width, height) == size.px and photo.complete
    assert set(size.title) == {"en", "zh"} and re.fullmatch(r"#[0-9a-f]{6}", size.background)
    assert width / height == pytest.approx(size.mm[0] / size.mm[1], rel=0.03)
    subject = np.abs(photo.picture.astype(int) - (0, 255, 0)).max(2) > 60
    crown = int(np.flatnonzero(subject.any(1))[0])
    assert crown == pytest.approx(size.top * height, abs=0.03 * height)
    assert subject[-1, width // 2 - width // 8 : width // 2 + width // 8].all()  # no gap below the shoulders
    eyes, column, tilt = placed(photo.picture)
    share = (EYES - CROWN) / (CHIN - CROWN)
    assert eyes == pytest.approx((size.top + share * size.head) * height, abs=0.03 * height)
    assert column == pytest.approx(width / 2, abs=0.03 * width) and abs(tilt) < 4
    assert 0 < size.top < 1 - size.head < 1
    with Image.open(io.BytesIO(photo.to_jpeg())) as file:
        assert file.size == size.px and file.format == "JPEG" and file.info["icc_profile"] == srgb_profile()
        assert file.info["dpi"][0] == pytest.approx(size.px[0] / size.mm[0] * 25.4, abs=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"canvas": "300x300"},
        {"scale": "50%"},
        {"position": "0% 0%"},
        {"shadow": "drop"},
        {"crop": True},
        {"size": "99"},
    ],
    ids=str,
)
def test_options_of_other_pictures_change_nothing(changes: dict[str, Any]) -> None:
    plain = cutout()
    other = plain.with_options(plain.options.with_changes(background="blur", **changes))
    made, wanted = (id_photo(each, sizes()["us-visa"]) for each in (other, plain))
    assert (made.picture == wanted.picture).all() and made.warnings == wanted.warnings


HEAD = Head(crown=100, eyes=200, chin=300, middle=250, floor=1e6)


@pytest.mark.parametrize("size", [each for each in sizes().values() if each.head_mm], ids=lambda size: size.name)
def test_heads_are_as_offices_ask(size: Size) -> None:
    """In mm, as docs/id-photos.md has it."""
    assert size.head_mm is not None
    frame = frame_for(HEAD, size)
    mm = size.mm[1] / (frame.bottom - frame.top)
    assert size.head_mm[0] < HEAD.height * mm < size.head_mm[1]
    if size.top_mm:
        assert size.top_mm[0] < (HEAD.crown - frame.top) * mm < size.top_mm[1]
    if size.eyes_mm:
        assert size.eyes_mm[0] < (frame.bottom - HEAD.eyes) * mm < size.eyes_mm[1]
    assert (frame.left + frame.right) / 2 == pytest.approx(HEAD.middle)


def test_the_eyes_stand_where_the_office_wants_them() -> None:
    """Though they are high or low in the head."""
    size = sizes()["us-visa"]
    assert size.eyes_mm is not None
    for eyes in (160, 240):
        head = replace(HEAD, eyes=eyes)
        frame = frame_for(head, size)
        above = (frame.bottom - eyes) / (frame.bottom - frame.top) * size.mm[1]
        assert size.eyes_mm[0] - 1e-6 <= above <= size.eyes_mm[1] + 1e-6 and frame.top < head.crown


def test_a_photo_that_ends_early_gets_a_larger_head_within_the_rules() -> None:
    size = sizes()["china-passport"]
    assert size.head_mm is not None and size.top_mm is not None
    plenty = frame_for(HEAD, size)
    short = replace(HEAD, floor=plenty.bottom - 10)
    frame = frame_for(short, size)
    mm = size.mm[1] / (frame.bottom - frame.top)
    assert frame.bottom <= short.floor and HEAD.height * mm <= size.head_mm[1] + 1e-6
    assert (HEAD.crown - frame.top) * mm <= size.top_mm[1] + 1e-6
    hopeless = replace(HEAD, floor=HEAD.chin + 5)
    assert frame_for(hopeless, size) == plenty


def test_offices_that_refuse_changed_backgrounds_are_named() -> None:
    assert {name for name, size in sizes().items() if size.unedited} == {"us-visa", "uk-passport", "japan", "canada"}
    made = id_photo(cutout(*map(enlarged, lit_face())), sizes()["uk-passport"])
    assert made.warnings == (Note("id_unedited"),) and made.picture[3, 3].tolist() == [0xEE, 0xF0, 0xF2]


def test_zoom_shift_and_background() -> None:
    size = sizes()["us-visa"]
    plain, large, low = (
        id_photo(cutout(lit_person()[0]), size, "#000000", zoom, shift).picture
        for zoom, shift in ((1.0, 0.0), (1.25, 0.0), (1.0, 0.1))
    )
    crowns = [int(np.flatnonzero(each.max((1, 2)) > 100)[0]) for each in (plain, large, low)]
    assert crowns[2] - crowns[0] == pytest.approx(60, abs=2)
    widths = [int((each[250].max(1) > 100).sum()) for each in (plain, large)]
    assert widths[1] > 1.1 * widths[0]
    assert plain[0, 0].tolist() == [0, 0, 0]


def test_a_frame_far_larger_than_the_photo_takes_no_memory() -> None:
    drawn = _window(np.zeros((4000, 4000, 3), np.uint8), Frame(-2e5, -2e5, 2e5, 2e5), (300, 400), (9, 9, 9))
    assert drawn.shape == (400, 300, 3) and not drawn[200:204, 150:153].any() and (drawn == 9).mean() > 0.9


def test_it_says_when_the_photo_is_too_small_a_part() -> None:
    size = sizes()["schengen"]
    photo, alpha = (enlarged(each) for each in lit_face())
    assert id_photo(cutout(photo, alpha), size).warnings == ()
    assert id_photo(cutout(photo[:540], alpha[:540]), size).warnings == (Note("id_incomplete"),)
    photo, alpha = lit_face()
    assert not id_photo(cutout(photo[40:], alpha[40:]), size).complete
    assert not id_photo(cutout(photo[:, 130:300], alpha[:, 130:300]), sizes()["canada"]).complete
    bust = np.where(np.arange(512)[:, None] < 190, alpha, np.uint8(0))  # the body ends before the photo does
    assert not id_photo(cutout(alpha=bust), size).complete


def test_it_says_when_part_of_the_head_is_missing() -> None:
    """Cut off by the photo at any side, or put out of the frame; not when the photo ends beside the shoulders alone."""
    size = sizes()["one-inch"]
    photo, alpha = (enlarged(each) for each in lit_face())
    height = photo.shape[0]
    crown, eyes, chin, middle = (round(each * height / 512) for each in (CROWN, EYES, CHIN, MIDDLE))
    cut = Note("id_head_cut")
    for part in (np.s_[(crown + eyes) // 2 :], np.s_[: (eyes + 3 * chin) // 4], np.s_[:, : middle + height // 25]):
        made = id_photo(cutout(photo[part], alpha[part]), size)
        assert made.warnings == (cut,) and not made.has_whole_head and not made.complete
    for zoom, shift in ((1.4, 0.2), (1.4, -0.2)):
        assert id_photo(cutout(photo, alpha), size, None, zoom, shift).warnings == (cut,)
    below = np.s_[: chin + height // 25]
    assert id_photo(cutout(photo[below], alpha[below]), size).warnings == (Note("id_incomplete"),)
    assert id_photo(cutout(photo, alpha), size).has_whole_head


def test_it_says_when_a_small_head_is_blown_up() -> None:
    """By how much, and only from where it shows."""
    size = sizes()["uk-passport"]
    for side, is_soft in ((200, True), (2400, False)):
        photo, alpha = (cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in lit_face())
        made = id_photo(cutout(photo, alpha), size)
        times = size.head * size.px[1] / ((CHIN - CROWN) * side / 512)
        assert made.enlarged == pytest.approx(times, rel=0.06)
        assert made.is_soft == is_soft == (made.enlarged >= ENLARGED)
        assert any(f"enlarged {made.enlarged:.1f} times" in str(each) for each in made.warnings) == is_soft


@pytest.mark.parametrize(("zoom", "shift", "named"), [(3.0, 0.0, "zoom"), (1.0, 0.5, "shift")])
def test_values_out_of_range(zoom: float, shift: float, named: str) -> None:
    with pytest.raises(OptionError, match=f"^{named}: got"):
        id_photo(cutout(), sizes()["schengen"], None, zoom, shift)
