"""The knobs: threshold, erode, feather, and the band they work on."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from matting_client.processing import edge_band, erode, feather, threshold
from matting_client.processing.edge import _disc, pixels

from tests.unit.client.pictures import U8, hair


def disc(side: int, radius: float) -> U8:
    """A disc with an edge one pixel soft."""
    ys, xs = np.mgrid[:side, :side]
    distance = np.hypot(ys - (side - 1) / 2, xs - (side - 1) / 2)
    alpha: U8 = np.round(np.clip(radius + 0.5 - distance, 0, 1) * 255).astype(np.uint8)
    return alpha


def test_threshold_by_hand() -> None:
    alpha = np.array([[0, 49, 50, 51, 152, 153, 254, 255]], np.uint8)
    # (a - 50) * 255 / 205, rounded
    assert threshold(alpha, 50).tolist() == [[0, 0, 0, 1, 127, 128, 254, 255]]
    assert threshold(alpha, 0).tolist() == alpha.tolist()


@pytest.mark.parametrize("level", range(0, 51, 10))
def test_threshold_keeps_the_order_and_stays_soft(level: int) -> None:
    ramp = threshold(np.arange(256, dtype=np.uint8)[None], level)[0].astype(int)
    assert (np.diff(ramp) >= 0).all()
    assert np.diff(ramp).max() <= 2  # no jump: a soft edge remains one
    assert ramp[255] == 255
    assert (ramp[: level + 1] == 0).all()
    assert len(np.unique(ramp)) >= 255 - level


@pytest.mark.parametrize(("side", "expected"), [(1024, 3.0), (2048, 6.0), (512, 1.5)])
def test_amounts_scale_with_the_photo(side: int, expected: float) -> None:
    assert pixels(3, (side, 2 * side)) == pixels(3, (3 * side, side)) == expected


def test_erode_by_hand() -> None:
    alpha = np.zeros((1024, 1024), np.uint8)
    alpha[100:110, 100:110] = 200
    out = erode(alpha, 1)  # one pixel at this size: a cross-shaped neighbourhood
    assert out.sum() == 200 * 8 * 8
    assert (out[101:109, 101:109] == 200).all()
    assert np.array_equal(erode(alpha, 0), alpha)


def test_erode_moves_smoothly() -> None:
    """Every tenth of a pixel takes a little more, on small photos and large ones."""
    for side, first in ((300, 0), (800, 0), (1400, 34)):  # the last: from discs to octagons
        areas = [int(erode(disc(side, side / 4), amount / 10).sum()) for amount in range(first, 51)]
        steps = -np.diff(areas) / areas[0]
        assert (steps > 0).all()
        assert steps.max() < 4 * steps.mean()


@pytest.mark.parametrize("amount", [0.3, 1, 2.5, 5])
def test_a_negative_amount_dilates(amount: float) -> None:
    alpha = disc(1024, 200)
    assert np.abs(erode(alpha, -amount) - (255.0 - erode(255 - alpha, amount))).max() <= 1  # rounding
    assert np.sqrt(erode(alpha, -amount).sum() / 255 / np.pi) == pytest.approx(200 + amount, abs=0.6)


@pytest.mark.parametrize("radius", [6, 7, 8, 13, 26, 38])
def test_large_radii_are_close_to_a_disc(radius: int) -> None:
    point = np.zeros((101, 101), np.uint8)
    point[50, 50] = 255
    for element in _disc(radius):
        point = cv2.dilate(point, element)
    ys, xs = np.nonzero(point)
    reach = np.hypot(ys - 50, xs - 50)
    assert ((xs - 50) ** 2 + (ys - 50) ** 2 <= (1.12 * radius) ** 2).all()  # an octagon's corners are 8 % further out
    assert len(reach) == pytest.approx(np.pi * (radius + 0.5) ** 2, rel=0.1)  # pixels have a width
    assert np.array_equal(point, point.T) and np.array_equal(point, point[::-1])


def test_a_large_radius_costs_hardly_more() -> None:
    """CPU time of 24 megapixels: two discs of one piece with 30 px took 100 times as long as with 3 px."""
    alpha = cv2.resize(disc(1024, 300), (6144, 4096))

    def cost(amount: float) -> float:
        start = time.thread_time()
        erode(alpha, amount)
        return time.thread_time() - start

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # so that this thread's time is all of it
    try:
        assert min(cost(5) for _ in range(3)) < 5 * min(cost(0.5) for _ in range(3))
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("shape", [(400, 6000), (400, 20000), (6000, 400)])
def test_a_panorama_keeps_its_people(shape: tuple[int, int]) -> None:
    """The amount follows the short side, which bounds how wide a person can be."""
    alpha = np.zeros(shape, np.uint8)
    middle = shape[1] // 2, shape[0] // 2
    cv2.ellipse(alpha, middle, (60, 180), 0, 0, 360, 255, -1, cv2.LINE_AA)
    assert erode(alpha, 5).sum() > 0.95 * alpha.sum()


def test_half_a_pixel_is_half_the_way() -> None:
    alpha = disc(1024, 200)
    half = (erode(alpha, 2).astype(float) + erode(alpha, 3)) / 2
    assert np.abs(erode(alpha, 2.5) - half).max() <= 0.5


def test_erode_takes_the_same_width_from_a_disc_of_any_size() -> None:
    for side in (512, 1024, 2048):
        radius = np.sqrt(erode(disc(side, side / 4), 4).sum() / 255 / np.pi)
        assert side / 4 - radius == pytest.approx(pixels(4, (side, side)), abs=0.6)


def test_feather_softens_the_edge_and_nothing_else() -> None:
    alpha = np.zeros((1024, 1024), np.uint8)
    alpha[:, 512:] = 255
    out = feather(alpha)
    assert (out[:, :505] == 0).all()
    assert (out[:, 519:] == 255).all()
    row = out[500].astype(int)
    assert (np.diff(row) >= 0).all()
    assert len(set(row[508:516])) >= 5
    # A Gaussian of one pixel: the step's value half a pixel off the edge is Phi(0.5).
    assert row[512] == pytest.approx(255 * 0.6915, abs=3)


@pytest.mark.parametrize("value", [0, 99, 255])
def test_a_flat_alpha_stays(value: int) -> None:
    alpha = np.full((90, 160), value, np.uint8)
    assert (feather(alpha) == value).all()
    assert (erode(alpha, 5) == value).all()


def test_the_knobs_leave_their_input_alone() -> None:
    alpha = hair(256, 40)
    before = alpha.copy()
    for changed in (threshold(alpha, 20), erode(alpha, 2), feather(alpha)):
        assert changed.shape == alpha.shape
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, alpha)
    assert np.array_equal(alpha, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3)])
def test_tiny_alphas(shape: tuple[int, int]) -> None:
    alpha = np.full(shape, 128, np.uint8)
    for out in (threshold(alpha, 50), erode(alpha, 5), feather(alpha)):
        assert out.shape == shape


def test_edge_band_by_hand() -> None:
    alpha = np.zeros((1, 9), np.uint8)
    alpha[0, 5:] = 255
    assert edge_band(alpha, 1)[0].tolist() == [False] * 4 + [True] * 2 + [False] * 3
    assert edge_band(alpha, 2)[0].tolist() == [False] * 3 + [True] * 4 + [False] * 2
    assert edge_band(np.full((2, 2), 9, np.uint8), 1).all()
