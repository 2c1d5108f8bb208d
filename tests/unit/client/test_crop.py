"""Windows around the subject: where they lie, and what they show."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from matting_client import Cutout, OptionError, Options
from matting_client.processing import Box, Window, clear_outside, place_window, render_window, subject_box

from tests.unit.client.pictures import U8, astronaut

SHAPE = (300, 400)
BOX = Box(100, 60, 180, 260)  # 80 x 200


def alpha(box: Box = BOX, shape: tuple[int, int] = SHAPE) -> U8:
    pha = np.zeros(shape, np.uint8)
    pha[box.top : box.bottom, box.left : box.right] = 255
    return pha


def shown(pha: U8) -> Box:
    """Where an alpha is opaque by half, found without the code under test."""
    rows, columns = np.flatnonzero((pha > 127).any(1)), np.flatnonzero((pha > 127).any(0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def cutout(options: Options, pha: U8 | None = None) -> Cutout:
    return Cutout(astronaut(*SHAPE), alpha() if pha is None else pha, options)


def test_the_outline_of_the_subject() -> None:
    assert subject_box(alpha()) == BOX
    assert subject_box(np.zeros(SHAPE, np.uint8)) is None
    assert subject_box(np.full(SHAPE, 12, np.uint8)) is None  # nobody sees 5 %
    assert subject_box(np.full(SHAPE, 255, np.uint8)) == Box(0, 0, 400, 300)
    assert subject_box(alpha(Box(3, 4, 4, 5))) == Box(3, 4, 4, 5)
    assert subject_box(np.full((3000, 4000), 255, np.uint8)) == Box(0, 0, 4000, 3000)


def test_specks_are_not_the_subject_but_a_second_person_is() -> None:
    pha = alpha()
    pha[10:13, 390:393] = 255  # 9 of 16,000 pixels
    assert subject_box(pha) == BOX
    pha[10:40, 340:380] = 200
    assert subject_box(pha) == Box(100, 10, 380, 260)


def test_crop_with_margins_reaches_beyond_the_photo() -> None:
    window = place_window(SHAPE, BOX, (70, 0, 50, 10))
    assert window == Window(90, -10, 90, 320, (90, 320))
    photo = cv2.cvtColor(astronaut(*SHAPE), cv2.COLOR_RGB2RGBA)
    out = render_window(photo, window)
    assert out.shape == (320, 90, 4)
    assert np.array_equal(out[10:310], photo[:, 90:180])
    assert not out[:10].any() and not out[310:].any()


@pytest.mark.parametrize("scale", [0.1, 0.37, 0.5, 1.0])
@pytest.mark.parametrize("box", [BOX, Box(0, 0, 30, 20), Box(1, 290, 399, 300), Box(200, 150, 201, 151)])
def test_scale_fills_its_share_in_the_middle(box: Box, scale: float) -> None:
    window = place_window(SHAPE, box, None, scale, (0.5, 0.5))
    assert window.size == (400, 300)
    out = render_window(alpha(box), window)
    assert out.shape == SHAPE
    if box.width > 1:
        found = shown(out)
        assert max(found.width / 400, found.height / 300) == pytest.approx(scale, abs=0.011)
        assert abs(found.left - (400 - found.right)) <= 2 and abs(found.top - (300 - found.bottom)) <= 2


@pytest.mark.parametrize("position", [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.25, 0.75)])
def test_position_divides_the_room_beside_the_subject(position: tuple[float, float]) -> None:
    out = render_window(alpha(), place_window(SHAPE, BOX, None, None, position))
    left, top = round(position[0] * 320), round(position[1] * 100)
    assert shown(out) == Box(left, top, left + 80, top + 200)
    assert set(np.unique(out)) == {0, 255}  # nothing was resampled


def test_scaled_in_its_original_place_it_stays_inside() -> None:
    out = render_window(alpha(), place_window(SHAPE, BOX, None, 0.25, None))
    assert shown(out) == pytest.approx((140 - 15, 160 - 37.5, 140 + 15, 160 + 37.5), abs=1)
    corner = Box(0, 0, 40, 30)
    assert shown(render_window(alpha(corner), place_window(SHAPE, corner, None, 0.9, None))) == pytest.approx(
        (0, 0, 360, 270), abs=1
    )


@pytest.mark.parametrize("scale", ["99%", "99.9%", "97.3%"])
def test_a_little_smaller_is_not_squeezed(scale: str) -> None:
    seen = cutout(Options(crop=True, scale=scale)).render()[..., 3] / 255.0
    share = float(scale[:-1]) / 100
    assert seen.max(0).sum() == pytest.approx(80 * share, abs=0.9)
    assert seen.max(1).sum() == pytest.approx(200 * share, abs=0.9)


def test_enlarging_begins_between_two_pixels() -> None:
    """A ramp shows where each value comes from: half a pixel off would be 5 steps here."""
    ramp = np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[None], 10, 0)
    out = render_window(ramp, Window(20.25, 0, 20, 10, (200, 100)))
    places = 20.25 + (np.arange(200) + 0.5) / 10 - 0.5
    assert np.abs(out[50] - 2 * places)[5:-5].max() <= 1


@pytest.mark.parametrize("turns", range(4), ids=["above", "left", "below", "right"])
@pytest.mark.parametrize(
    "options",
    [{"scale": "100%"}, {"scale": "90%"}, {"canvas": "900x700"}, {"canvas": "700x900", "scale": "100%"}],
    ids=str,
)
def test_what_the_photos_edge_cuts_ends_there_with_all_its_opacity(turns: int, options: Any) -> None:
    """A subject that touches one edge of the photo stays cut straight there when it is enlarged, wherever it stands."""
    pha = np.rot90(alpha(Box(90, 0, 150, 61), (123, 240) if turns % 2 == 0 else (240, 233)), turns)
    for position in ("50% 50%", "0% 0%", "100% 100%", "33% 67%"):
        made = Cutout(np.full((*pha.shape, 3), 200, np.uint8), pha, Options(position=position, **options))
        assert made.enlargement > 1
        drawn = np.rot90(made.render(), -turns)
        found = shown(drawn[..., 3])
        middle = (found.left + found.right) // 2
        column = drawn[:, middle]
        assert column[found.top].tolist() == [200, 200, 200, 255]
        assert not column[: found.top].any()


def test_transparent_pixels_lend_no_colour_to_the_edge() -> None:
    """The colour of a shrunk or enlarged edge stays the subject's, not a mix with the black beside it."""
    rgba = np.zeros((90, 90, 4), np.uint8)
    rgba[:, 31:] = (200, 100, 50, 255)
    for window in (Window(0, 0, 90, 90, (40, 40)), Window(20, 20, 40, 40, (173, 173))):
        out = render_window(rgba, window)
        edge = out[(out[..., 3] > 0) & (out[..., 3] < 255)]
        assert len(edge)
        assert np.abs(edge[:, :3].astype(int) - (200, 100, 50)).max() <= 1
        assert not out[out[..., 3] == 0].any()


def test_a_shrunk_picture_is_a_mean() -> None:
    out = render_window(np.indices((8, 8)).sum(0).astype(np.uint8) % 2 * 200, Window(0, 0, 8, 8, (4, 4)))
    assert (out == 100).all()


def test_the_limit_keeps_the_shape_and_never_enlarges() -> None:
    window = Window(0, 0, 400, 300, (400, 300))
    assert window.limited(side=200).size == (200, 150)
    assert window.limited(area=30_000).size == (200, 150)
    assert window.limited(side=4000, area=1e9) is window
    assert Window(0, 0, 10_000, 1, (10_000, 1)).limited(side=10).size == (10, 1)
    width, height = window.limited(area=10_007).size
    assert width * height <= 10_007


@pytest.mark.parametrize("turned", [False, True])
def test_sides_longer_than_opencv_warps(turned: bool) -> None:
    pha = np.zeros((2, 40_000), np.uint8)
    pha[0, 1000:] = 255
    pha = np.ascontiguousarray(pha.T) if turned else pha
    box = subject_box(pha)
    assert box is not None
    out = render_window(pha, place_window((pha.shape[0], pha.shape[1]), box, None, 1.0, (0.5, 0.5)))
    assert out.shape == pha.shape
    assert (out.max(1 if turned else 0) > 100).mean() > 0.99


def test_clear_outside() -> None:
    out = clear_outside(np.full((4, 5), 9, np.uint8), Box(1, 2, 3, 4))
    assert out.sum() == 4 * 9 and (out[2:4, 1:3] == 9).all()


def test_options_crop_scale_and_limit() -> None:
    assert cutout(Options(crop=True)).render().shape == (200, 80, 4)
    assert cutout(Options(crop=True, crop_margin="10%")).render().shape == (240, 96, 4)
    assert cutout(Options(crop=True, crop_margin="5px 10% 0 20px")).render().shape == (205, 108, 4)
    assert cutout(Options(crop=True, alpha_only=True)).render().shape == (200, 80)
    assert cutout(Options(crop=True, background="#fff", size="100px")).render().shape == (100, 40, 3)
    assert cutout(Options(scale="50%")).render().shape == (*SHAPE, 4)
    assert cutout(Options(size="0.03MP")).render().shape == (150, 200, 4)
    wall = np.full((10, 10, 3), (1, 2, 3), np.uint8)
    out = cutout(Options(scale="50%")).render(wall)
    assert out.shape == (*SHAPE, 3) and (out[0] == (1, 2, 3)).all()


def test_a_scale_puts_the_subject_in_the_middle_unless_told_otherwise() -> None:
    middle = shown(cutout(Options(scale="50%", alpha_only=True)).render())
    assert middle.left + middle.right == pytest.approx(400, abs=2)
    placed = shown(cutout(Options(scale="50%", position="original", alpha_only=True)).render())
    assert placed.left + placed.right == pytest.approx(280, abs=2)
    assert shown(cutout(Options(position="0% 100%", alpha_only=True)).render()) == Box(0, 100, 80, 300)


def test_nothing_found_is_not_cropped() -> None:
    empty = np.zeros(SHAPE, np.uint8)
    assert cutout(Options(crop=True, scale="80%"), empty).render().shape == (*SHAPE, 4)


def test_defaults_hand_the_photo_over_as_it_is() -> None:
    plain = cutout(Options(foreground=False)).render()
    assert np.array_equal(plain[BOX.top : BOX.bottom, BOX.left : BOX.right, :3], astronaut(*SHAPE)[60:260, 100:180])
    for foreground in (True, False):
        fgr, pha = cutout(Options(foreground=foreground)).layers()
        assert fgr.shape == (*SHAPE, 3) and np.array_equal(pha, alpha()) and not fgr[pha == 0].any()


def test_alpha_and_layers_agree_with_the_result() -> None:
    options = Options(crop=True, crop_margin="7%", scale="83%", size="150px", feather=True)
    fgr, pha = cutout(options).layers()
    result = cutout(options).render()
    assert np.array_equal(result[..., 3], pha) and np.array_equal(result[..., :3], fgr)
    only = cutout(options.with_changes(alpha_only=True)).render()
    assert np.abs(only.astype(int) - pha).max() <= 1


def test_only_the_region_counts() -> None:
    pha = np.full(SHAPE, 255, np.uint8)
    found = cutout(Options(roi="25% 10px 75% 200px", feather=True, erode=2), pha)
    assert shown(found.alpha) == Box(100, 10, 300, 200)
    assert (found.alpha[10:200, 100:300] == 255).all()  # its border is a cut, not an edge of the subject
    assert found.with_options(Options(roi="25% 10px 75% 200px", crop=True)).render().shape == (190, 200, 4)
    assert np.array_equal(cutout(Options(roi="0% 0% 100% 100%")).alpha, alpha())


def test_a_region_beside_the_photo_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"roi: got '500px 0 600px 10', expected .* 400x300 pixels"):
        cutout(Options(roi="500px 0 600px 10")).render()
