"""Corrections by hand: strokes and masks snap to a photo's edges and stay where they were made; subjects are picked."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from matting_client import InputError, OptionError, Options, Pick, Stroke
from matting_client.correction import MOST_MARKS, MOST_POINTS, Correction, apply_stroke
from matting_client.cutout import Cutout
from matting_client.processing import Box, paint_stroke
from skimage import data

from tests.unit.client.pictures import U8, astronaut, blend, sad

# A cat's fur before rocks: two photos, joined by an alpha that is known exactly.
OVAL = ((220, 150), (150, 90))  # middle and half axes of the subject
MISSING = (300, 200, 60)  # x, y, radius of what the model has lost of it


@pytest.fixture(scope="module")
def oval() -> tuple[U8, U8]:
    """Photo and its true alpha."""
    fgr: U8 = cv2.resize(data.chelsea()[40:260, 60:400], (440, 300), interpolation=cv2.INTER_AREA)
    bgr: U8 = cv2.resize(data.rocket()[:300, :440], (440, 300), interpolation=cv2.INTER_AREA)
    large = np.zeros((1200, 1760), np.uint8)
    cv2.ellipse(large, tuple(4 * each for each in OVAL[0]), tuple(4 * each for each in OVAL[1]), 0, 0, 360, 255, -1)
    alpha: U8 = cv2.resize(large, (440, 300), interpolation=cv2.INTER_AREA)
    return blend(fgr, alpha, bgr), alpha


@pytest.fixture(scope="module")
def holed(oval: tuple[U8, U8]) -> Cutout:
    """Its cutout, a part of which is missing."""
    rgb, alpha = oval
    raw = alpha.copy()
    cv2.circle(raw, MISSING[:2], MISSING[2], 0, -1)
    return Cutout(rgb, raw)


# As a hand would go over the hole: beyond the subject's border by a third of the brush.
STROKES = [
    Stroke(True, ((268, 170), (300, 176), (338, 172)), 24),
    Stroke(True, ((262, 200), (300, 205), (330, 196)), 24),
    Stroke(True, ((280, 222), (310, 212), (322, 200)), 18),
]


def test_three_strokes_bring_a_missing_part_back(oval: tuple[U8, U8], holed: Cutout) -> None:
    corrected = holed.corrected(strokes=STROKES)
    before, after = sad(holed.raw, oval[1]), sad(corrected.raw, oval[1])
    assert after < before / 4
    plain = holed.raw.copy()
    for stroke in STROKES:
        line = np.round(np.array(stroke.points)).astype(np.int32)
        cv2.polylines(plain, [line], False, 255, round(2 * stroke.radius))
    assert after < 0.7 * sad(plain, oval[1]), "the border of the strokes snaps to the photo's edge"


def test_a_stroke_that_removes(oval: tuple[U8, U8]) -> None:
    rgb, alpha = oval
    more = alpha.copy()
    cv2.circle(more, (330, 80), 40, 255, -1)  # of the background
    strokes = [Stroke(False, ((320, 60), (352, 84)), 26), Stroke(False, ((345, 50), (352, 100)), 20)]
    corrected = Cutout(rgb, more).corrected(strokes=strokes)
    assert sad(corrected.raw, alpha) < sad(more, alpha) / 2
    assert (corrected.raw <= more).all()


def test_what_a_stroke_may_change(holed: Cutout) -> None:
    stroke = STROKES[0]
    box, part = paint_stroke(holed.rgb, holed.raw, stroke.points, stroke.radius, True) or pytest.fail()
    reach = 2 * stroke.radius
    assert box.left > 268 - reach and box.right < 338 + reach and box.top > 170 - reach and box.bottom < 176 + reach
    corrected = holed.corrected(strokes=[stroke]).raw
    assert np.array_equal(corrected[box.top : box.bottom, box.left : box.right], part)
    outside = np.ones(holed.raw.shape, bool)
    outside[box.top : box.bottom, box.left : box.right] = False
    assert np.array_equal(corrected[outside], holed.raw[outside])
    assert (corrected >= holed.raw).all(), "what keeps takes nothing away"
    assert np.array_equal(holed.corrected(strokes=[stroke]).raw, corrected), "the same again"


def test_work_is_bounded_by_the_stroke() -> None:
    """Of a large photo only the part around the stroke is looked at: the rest may as well not be there."""
    photo = astronaut(2000, 3000)
    raw: U8 = cv2.resize(astronaut(64, 96)[..., 0], (3000, 2000))
    stroke = Stroke(True, ((1500, 900), (1700, 1000)), 60)
    box, whole = apply_stroke(photo, raw, stroke)
    assert box.width * box.height < photo[..., 0].size / 50
    other = np.zeros_like(photo)
    part = np.s_[box.top : box.bottom, box.left : box.right]
    other[part] = photo[part]
    assert np.array_equal(apply_stroke(other, raw, stroke)[1], whole)


@pytest.mark.parametrize(
    "stroke",
    [
        Stroke(True, ((0, 0),), 0.5),
        Stroke(True, ((0, 0),), 5e-324),
        Stroke(False, ((439.9, 299.9), (500, 400)), 3),
        Stroke(True, ((220, 150),), 5000),
        Stroke(False, tuple((float(x), 150.0) for x in range(400)), 40),
        Stroke(True, [[10, 10], [10, 10]], np.float32(8)),  # type: ignore[arg-type, list-item]
    ],
    ids=["tiny", "the least number", "over the border", "all of it", "long", "lists"],
)
def test_strokes_of_every_kind(holed: Cutout, stroke: Stroke) -> None:
    raw = holed.corrected(strokes=[stroke]).raw
    assert raw.shape == holed.raw.shape and raw.dtype == np.uint8
    assert ((raw >= holed.raw) if stroke.keep else (raw <= holed.raw)).all()
    if stroke.radius == 5000:
        assert (raw == 255).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stroke(True, (), 5),
        lambda: Stroke(True, ((1, 1),) * (MOST_POINTS + 1), 5),
        lambda: Stroke(True, ((1, float("nan")),), 5),
        lambda: Stroke(True, ((1, 2, 3),), 5),  # type: ignore[arg-type]
        lambda: Stroke(True, (("1", 2),), 5),  # type: ignore[arg-type]
        lambda: Stroke(True, ((1, 1e9),), 5),
        lambda: Stroke(True, ((1, 1),), 0),
        lambda: Stroke(True, ((1, 1),), float("inf")),
        lambda: Stroke(True, ((1, 1),), True),
        lambda: Pick(True, float("inf"), 1),
        lambda: Pick("no", 5, 5),  # type: ignore[arg-type]
        lambda: Stroke("no", ((1, 1),), 5),  # type: ignore[arg-type]
        lambda: Stroke(True, (5, 5), 3),  # type: ignore[arg-type]
        lambda: Correction([[255]]),  # type: ignore[arg-type]
        lambda: Correction(picks=[(True, 5, 5)]),  # type: ignore[arg-type]
        lambda: Correction(strokes=7),  # type: ignore[arg-type]
    ],
)
def test_bad_marks(make: Any) -> None:
    with pytest.raises(OptionError, match=r"got .*, expected"):
        make()


def test_marks_beside_the_photo_and_too_many(holed: Cutout) -> None:
    with pytest.raises(OptionError, match=r"9000,10, expected one on the photo, which has 440x300"):
        holed.corrected(strokes=[Stroke(True, ((9000, 10),), 20)])
    with pytest.raises(OptionError, match="at most"):
        holed.corrected(strokes=[STROKES[0]] * (MOST_MARKS + 1))
    with pytest.raises(OptionError, match=r"no subject at 5,5"):
        holed.corrected(picks=[Pick(False, 5, 5)])


def test_a_mask(oval: tuple[U8, U8], holed: Cutout) -> None:
    """White keeps, black removes, grey leaves; its careless border snaps."""
    rgb, alpha = oval
    grey = np.full(alpha.shape, 128, np.uint8)
    assert np.array_equal(holed.corrected(grey).raw, holed.raw)
    coarse = grey.copy()
    cv2.circle(coarse, MISSING[:2], MISSING[2] - 2, 255, -1)
    coarse[cv2.dilate(alpha, np.ones((5, 5), np.uint8)) == 0] = 0
    corrected = holed.corrected(coarse).raw
    assert sad(corrected, alpha) < sad(holed.raw, alpha) / 2
    small = cv2.resize(coarse, (220, 150), interpolation=cv2.INTER_AREA)
    assert sad(holed.corrected(small).raw, alpha) < sad(holed.raw, alpha) / 2
    black_and_white = np.where(alpha > 127, 255, 0).astype(np.uint8)
    assert sad(holed.corrected(black_and_white).raw, alpha) < sad(holed.raw, alpha) / 10
    assert (Cutout(rgb, alpha).corrected(np.zeros_like(alpha)).raw == 0).all()
    dust = np.tile(np.array([[3, 0], [0, 0]], np.uint8), (450, 450))  # too little to be seen
    assert not Cutout(np.zeros((900, 900, 3), np.uint8), dust).corrected(np.zeros_like(dust)).raw.any()
    with pytest.raises(InputError, match=r"mask: got 300x440 pixels, expected the photo's shape, 440x300"):
        holed.corrected(np.zeros((440, 300), np.uint8))
    for wrong in (np.zeros((300, 440, 3), np.uint8), np.zeros((300, 440)), np.zeros((0, 0), np.uint8)):
        with pytest.raises(OptionError, match="mask"):
            holed.corrected(wrong)


@pytest.fixture(scope="module")
def pair() -> Cutout:
    """Two people: the astronaut twice, and a speck of dust."""
    one = astronaut(200, 200)
    raw = np.zeros((200, 420), np.uint8)
    cv2.circle(raw, (100, 100), 70, 255, -1)
    cv2.circle(raw, (320, 110), 50, 255, -1)
    raw[100, 171], raw[110, 371] = 9, 9  # a faint rim of each
    raw[3, 3] = 255
    return Cutout(np.hstack([one, np.zeros((200, 20, 3), np.uint8), one]), raw)


def test_subjects(pair: Cutout) -> None:
    first, second = pair.subjects()
    assert first.box == Box(30, 30, 171, 171) and second.box == Box(270, 60, 371, 161)
    assert first.area > second.area > 5000
    assert abs(first.point[0] - 100) <= 2 and abs(first.point[1] - 100) <= 2
    assert Cutout(pair.rgb, np.zeros_like(pair.raw)).subjects() == []


def test_picked_subjects(pair: Cutout) -> None:
    first, second = pair.subjects()
    without = pair.corrected(picks=[Pick(False, *first.point)])
    assert without.subjects()[0].box == second.box
    assert without.raw[100, 171] == 0 and without.raw[110, 371] == 9, "its rim goes with it, the other's stays"
    alone = pair.corrected(picks=[Pick(True, *first.point)])
    assert [each.box for each in alone.subjects()] == [first.box]
    both = pair.corrected(picks=[Pick(True, *first.point), Pick(True, *second.point)])
    assert [each.box for each in both.subjects()] == [first.box, second.box] and both.raw[3, 3] == 0
    beside = pair.corrected(picks=[Pick(False, 28.5, 100)])  # a finger's width beside it
    assert np.array_equal(beside.raw, without.raw)
    none = pair.corrected(picks=[Pick(False, *each.point) for each in (first, second)])
    assert not none.raw[10:].any()


def test_every_option_works_on_a_corrected_alpha(holed: Cutout) -> None:
    corrected = holed.corrected(strokes=STROKES)
    assert "correct" in corrected.seconds and corrected.options == holed.options
    as_if_the_models_own = Cutout(holed.rgb, corrected.raw)
    for values in (
        {"alpha_only": True, "alpha_threshold": 20, "erode": 1.0, "feather": True},
        {"background": "#00ff00", "format": "jpeg"},
        {"crop": True, "crop_margin": "5%", "size": "200px", "format": "webp"},
        {"roi": "0% 0% 80% 100%", "foreground": False},
    ):
        options = Options(**values)  # type: ignore[arg-type]
        assert corrected.with_options(options).to_bytes() == as_if_the_models_own.with_options(options).to_bytes()


def test_what_was_transparent_stays_so(holed: Cutout) -> None:
    cover = np.full(holed.raw.shape, 255, np.uint8)
    cover[:, 300:] = 0
    covered = Cutout(holed.rgb, holed.raw, cover=cover).corrected(strokes=[Stroke(True, ((300, 200),), 90)])
    assert not covered.alpha[:, 300:].any() and covered.alpha[180:220, 260:290].min() == 255


@pytest.mark.parametrize(
    "number",
    [10**400, -(10**400), 10**5000, float("nan"), float("inf"), True, "1", None],
    ids=["large", "small", "beyond Python's texts", "nan", "inf", "truth", "text", "nothing"],
)
def test_numbers_that_no_photo_has(number: Any) -> None:
    for make in (
        lambda: Pick(True, number, 1),
        lambda: Pick(True, 1, number),
        lambda: Stroke(True, ((1, number),), 5),
        lambda: Stroke(True, ((1, 1),), number),
    ):
        with pytest.raises(OptionError, match=r"got .*, expected"):
            make()
