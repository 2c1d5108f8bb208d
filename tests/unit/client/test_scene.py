"""A subject in another scene."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from matting_client.processing import scene as scenes
from matting_client.processing.scene import Scene, compose_scene, scene_notes
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
PLAIN = {"blur": 0.0, "light": 0.0, "shadow": 0.0}


@pytest.fixture
def subject() -> tuple[U8, U8]:
    """A green disc, 80 px across, in the middle of a photo of 200 x 100 px."""
    pha = np.zeros((200, 100), np.uint8)
    cv2.circle(pha, (50, 100), 40, 255, -1, cv2.LINE_AA)
    fgr = np.zeros((200, 100, 3), np.uint8)
    fgr[pha > 0] = (30, 160, 60)
    return fgr, pha


@pytest.fixture
def grey() -> U8:
    return np.full((300, 400, 3), 128, np.uint8)


def seen(picture: U8, background: U8) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what differs from the background."""
    ys, xs = np.nonzero(np.abs(picture.astype(int) - background).max(2) > 8)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@pytest.mark.parametrize(("x", "y", "scale"), [(0.5, 1.0, 0.5), (0.25, 0.6, 0.3), (0.7, 0.9, 0.8)])
def test_it_stands_where_it_is_told(subject: tuple[U8, U8], grey: U8, x: float, y: float, scale: float) -> None:
    picture = compose_scene(*subject, grey, Scene(x, y, scale, **PLAIN))
    assert picture.shape == grey.shape and picture.dtype == np.uint8
    left, top, right, bottom = seen(picture, grey)
    assert bottom - top == pytest.approx(scale * 300, abs=3)
    assert bottom == pytest.approx(y * 300, abs=2)
    assert (left + right) / 2 == pytest.approx(x * 400, abs=2)


def test_it_may_reach_beyond_the_scene(subject: tuple[U8, U8], grey: U8) -> None:
    picture = compose_scene(*subject, grey, Scene(x=0.0, y=1.5, scale=2.0, **PLAIN))
    assert picture.shape == grey.shape
    assert picture[200, 0].tolist() == [30, 160, 60]


@pytest.mark.parametrize(
    ("place", "codes"),
    [
        ({"y": 0.0}, ["scene_outside"]),
        ({"y": 1.5, "scale": 0.2}, ["scene_outside"]),
        ({"x": 0.0, "y": 0.5, "scale": 0.1}, []),
        ({"y": 1.5, "scale": 0.6}, []),
    ],
)
def test_a_subject_outside_the_scene_is_told(
    subject: tuple[U8, U8], grey: U8, place: dict[str, float], codes: list[str]
) -> None:
    scene = Scene(light=0, shadow=0, **place)
    assert [note.code for note in scene_notes(subject[1], grey.shape, scene)] == codes
    assert (compose_scene(*subject, grey, scene) == grey).all() == bool(codes)


def test_edges_keep_the_subjects_colour(subject: tuple[U8, U8]) -> None:
    """Scaled down onto its own colour it cannot be seen: nothing black is mixed in."""
    green = np.full((300, 400, 3), (30, 160, 60), np.uint8)
    picture = compose_scene(*subject, green, Scene(scale=0.2, **PLAIN))
    assert np.abs(picture.astype(int) - green).max() <= 2


def test_nothing_to_place(grey: U8) -> None:
    nothing = np.zeros((50, 50), np.uint8)
    assert (compose_scene(np.zeros((50, 50, 3), np.uint8), nothing, grey, Scene()) == grey).all()


@pytest.mark.parametrize("scale", [0.4, 0.85, 1.0])
def test_a_wide_subject_fills_the_width(subject: tuple[U8, U8], scale: float) -> None:
    """And is not cut off at both sides."""
    tall = np.full((400, 70, 3), 128, np.uint8)
    left, top, right, bottom = seen(compose_scene(*subject, tall, Scene(scale=scale, **PLAIN)), tall)
    assert right - left == pytest.approx(scale * 70, abs=2)
    assert bottom - top == pytest.approx(right - left, abs=2) and bottom == 400


def test_a_wide_subject_needs_no_more_memory(grey: U8) -> None:
    pha = np.full((4, 4000), 255, np.uint8)
    rgb = np.full((4, 4000, 3), 200, np.uint8)
    assert compose_scene(rgb, pha, grey, Scene(scale=2.0)).shape == grey.shape
    left, _, right, _ = seen(compose_scene(rgb, pha, grey, Scene(scale=0.5, **PLAIN)), grey)
    assert right - left == pytest.approx(0.5 * grey.shape[1], abs=2)  # though it is less than a pixel high


@pytest.mark.parametrize("amount", [1.0, 12.0, 40.0])
def test_blur_is_a_gaussian_of_the_given_width(amount: float) -> None:
    step = np.zeros((1024, 1024, 3), np.uint8)
    step[:, 512:] = 255
    soft = scenes.blur(step, amount)[128, :, 0].astype(float) / 255
    place = np.arange(1024) - 511.5
    spread = np.sqrt((np.diff(soft) * (place[:-1] + 0.5) ** 2).sum())
    assert spread == pytest.approx(amount, rel=0.1, abs=0.2)


def test_no_blur_changes_nothing(grey: U8) -> None:
    assert scenes.blur(grey, 0.0) is grey


def lit(colour: tuple[float, ...], scene: tuple[float, ...], strength: float) -> NDArray[np.float32]:
    fgr = np.full((8, 8, 3), colour, np.float32)
    around = np.full((8, 8, 3), scene, np.float32)
    return np.asarray(scenes.harmonise(fgr, np.ones((8, 8), np.float32), around, strength)[0, 0])


def test_light_moves_brightness_and_colour_towards_the_scene() -> None:
    before = np.array([0.5, 0.5, 0.5])
    dark, warm = lit((0.5,) * 3, (0.1,) * 3, 1.0), lit((0.5,) * 3, (0.7, 0.5, 0.3), 1.0)
    assert (dark < before - 0.05).all() and np.ptp(dark) < 1e-5
    assert warm[0] > warm[1] > warm[2]
    half = lit((0.5,) * 3, (0.1,) * 3, 0.5)
    assert (dark < half).all() and (half < before).all()


def test_light_is_bounded_and_keeps_black_and_whatever_matches() -> None:
    assert lit((0.0, 0.0, 0.0), (0.9, 0.2, 0.1), 1.0).max() < 1e-6
    assert lit((0.5,) * 3, (0.5,) * 3, 1.0) == pytest.approx([0.5] * 3, abs=0.01)
    strongest = lit((0.5,) * 3, (1.0, 0.0, 0.0), 1.0)
    assert strongest.max() / 0.5 < (scenes.MOST_EXPOSURE * scenes.MOST_CAST) ** (1 / scenes.GAMMA) + 0.01
    assert lit((0.98,) * 3, (1.0,) * 3, 1.0).max() <= 1.0


def test_no_light_changes_nothing() -> None:
    assert lit((0.3, 0.6, 0.1), (0.9, 0.9, 0.1), 0.0) == pytest.approx([0.3, 0.6, 0.1])


def test_shadow_lies_on_the_ground_and_leans_away_from_the_light(subject: tuple[U8, U8]) -> None:
    bright_left = np.repeat(np.linspace(230, 120, 400).astype(np.uint8)[None, :, None], 300, 0).repeat(3, 2)
    where = {"x": 0.5, "y": 0.8, "scale": 0.5, "blur": 0.0, "light": 0.0}
    without = compose_scene(*subject, bright_left, Scene(**where, shadow=0.0)).astype(int)
    soft = compose_scene(*subject, bright_left, Scene(**where, shadow=0.3)).astype(int)
    deep = compose_scene(*subject, bright_left, Scene(**where, shadow=1.0)).astype(int)
    dark = (without - deep).max(2)
    assert dark.min() >= 0 and dark.max() > 30 and (without - soft).max() < dark.max()
    ys, xs = np.nonzero(dark > 15)
    assert xs.mean() > 205 and ys.min() > 240 - 75
    assert (dark[:160] < 3).all()


def test_a_subject_that_the_photo_cuts_off_has_no_shadow(grey: U8) -> None:
    pha = np.zeros((100, 100), np.uint8)
    pha[40:, 30:70] = 255
    fgr = np.full((100, 100, 3), 200, np.uint8)
    whole = np.vstack([pha[20:], np.zeros((20, 100), np.uint8)])
    shaded = Scene(y=0.8, scale=0.4, light=0.0, shadow=1.0)
    bare = Scene(y=0.8, scale=0.4, light=0.0, shadow=0.0)
    assert (compose_scene(fgr, pha, grey, shaded) == compose_scene(fgr, pha, grey, bare)).all()
    assert (compose_scene(fgr, whole, grey, shaded) != compose_scene(fgr, whole, grey, bare)).any()


@pytest.mark.parametrize(
    "wrong", [{"x": -0.1}, {"scale": 0.0}, {"blur": 99.0}, {"light": 2.0}, {"shadow": float("nan")}]
)
def test_values_out_of_range(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}: got"):
        Scene(**wrong)
