"""Blending is exact to the integer."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from matting_client.processing import compose_colour, compose_picture, cutout_rgba
from matting_client.processing.compose import ROWS


def test_every_pair_of_colour_and_alpha_is_rounded_right() -> None:
    colours, alphas = np.meshgrid(np.arange(256), np.arange(256))
    fgr = np.repeat(colours[..., None], 3, 2).astype(np.uint8)
    out = compose_colour(fgr, alphas.astype(np.uint8), (255, 0, 100))
    exact = (colours * alphas)[..., None] + (255 - alphas)[..., None] * np.array([255, 0, 100])
    assert np.array_equal(out, (exact + 127) // 255)  # halves cannot occur: 255 is odd
    assert np.abs(out - exact / 255).max() <= 0.5


def test_rgba_carries_no_colour_where_it_is_clear() -> None:
    fgr = np.full((1, 3, 3), 9, np.uint8)
    rgba = cutout_rgba(fgr, np.array([[0, 1, 255]], np.uint8))
    assert rgba.tolist() == [[[0, 0, 0, 0], [9, 9, 9, 1], [9, 9, 9, 255]]]


@pytest.mark.parametrize("size", [(10, 10), (5, 20), (20, 5), (1, 1), (300, 400)])
@pytest.mark.parametrize("photo", [(10, 10), (7, 31), (31, 7)])
def test_a_background_covers_any_photo(size: tuple[int, int], photo: tuple[int, int]) -> None:
    background = np.full((*size, 3), (1, 2, 3), np.uint8)
    out = compose_picture(np.zeros((*photo, 3), np.uint8), np.zeros(photo, np.uint8), background)
    assert out.shape == (*photo, 3)
    assert (out == (1, 2, 3)).all()


def test_the_middle_of_the_background_is_taken() -> None:
    background = np.zeros((4, 8, 3), np.uint8)
    background[:, 2:6] = 200  # twice as wide as the photo: a quarter falls off on each side
    out = compose_picture(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), background)
    assert (out == 200).all()


def test_strips_join_without_a_seam() -> None:
    height = 2 * ROWS + 3
    rows = (np.arange(height) % 251).astype(np.uint8)
    fgr = np.repeat(np.repeat(rows[:, None, None], 2, 1), 3, 2)
    alpha = np.full((height, 2), 128, np.uint8)
    assert np.array_equal(
        compose_picture(fgr, alpha, fgr), fgr
    )  # a picture on itself is itself: a x + (255 - a) x = 255 x


@pytest.mark.parametrize(("photo", "size"), [((1, 60_000), (60_000, 1)), ((300, 4000), (4000, 300))])
def test_a_background_of_the_opposite_shape_needs_no_more_memory_than_the_photo(
    photo: tuple[int, int], size: tuple[int, int]
) -> None:
    fgr, pha, background = (np.zeros(shape, np.uint8) for shape in ((*photo, 3), photo, (*size, 3)))
    tracemalloc.start()
    try:
        assert compose_picture(fgr, pha, background).shape == (*photo, 3)
        assert tracemalloc.get_traced_memory()[1] < 40 * pha.size
    finally:
        tracemalloc.stop()
