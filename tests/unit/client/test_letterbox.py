"""Fitting photos into the model's square and the alpha back."""

from __future__ import annotations

import numpy as np
import pytest
from matting_client.processing import PAD_RGB, Letterbox, letterbox, unletterbox

from tests.unit.client.pictures import U8, astronaut

SIZES = [(1, 1), (1, 4000), (4000, 1), (512, 512), (511, 513), (2048, 1365), (37, 1000), (3, 2), (640, 480)]


def test_a_wide_photo_lies_in_the_middle() -> None:
    photo = np.full((2, 4, 3), 200, np.uint8)
    square, box = letterbox(photo, 4)
    assert box == Letterbox(height=2, width=4, top=1, left=0, inner_height=2, inner_width=4)
    assert PAD_RGB == (127, 127, 127)
    assert square.tolist() == [[[127] * 3] * 4, [[200] * 3] * 4, [[200] * 3] * 4, [[127] * 3] * 4]


def test_a_tall_photo_shrinks_by_areas() -> None:
    column = np.repeat(np.array([10, 30, 50, 70, 90, 110, 130, 150], np.uint8)[:, None, None], 3, 2)
    photo = np.repeat(column, 4, 1)  # (8, 4, 3)
    square, box = letterbox(photo, 4)
    assert (box.top, box.left, box.inner_height, box.inner_width) == (0, 1, 4, 2)
    assert square[:, 1, 0].tolist() == square[:, 2, 1].tolist() == [20, 60, 100, 140]  # means of pairs of rows
    assert (square[:, 0] == 127).all()
    assert (square[:, 3] == 127).all()


def test_odd_padding_is_larger_behind() -> None:
    assert letterbox(np.zeros((5, 8, 3), np.uint8), 8)[1].top == 1  # 3 rows over: 1 above, 2 below


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("size", [64, 512])
def test_there_and_back(shape: tuple[int, int], size: int) -> None:
    square, box = letterbox(astronaut(*shape), size)
    assert square.shape == (size, size, 3)
    assert max(box.inner_height, box.inner_width) == size
    assert min(box.inner_height, box.inner_width) >= 1
    for value in (0, 77, 255):  # a flat alpha comes back flat, whatever the padding holds
        alpha = np.full((size, size), 255 - value, np.uint8)
        alpha[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width] = value
        back = unletterbox(alpha, box)
        assert back.shape == shape
        assert back.dtype == np.uint8
        assert (back == value).all()


def test_a_photo_of_the_models_size_is_untouched() -> None:
    photo = astronaut()
    square, box = letterbox(photo, 512)
    assert np.array_equal(square, photo)
    alpha: U8 = photo[..., 1]
    assert np.array_equal(unletterbox(alpha, box), alpha)


def test_the_alpha_is_not_shifted() -> None:
    """The middle of a disc stays where it was, to a tenth of a pixel."""
    ys, xs = np.mgrid[:300, :401]
    disc = np.where(np.hypot(ys - 120, xs - 250) < 60, 255, 0).astype(np.uint8)
    square, box = letterbox(np.repeat(disc[..., None], 3, 2), 128)
    back = unletterbox(np.ascontiguousarray(square[..., 0]), box).astype(float)
    assert (back * ys).sum() / back.sum() == pytest.approx(120, abs=0.1)
    assert (back * xs).sum() / back.sum() == pytest.approx(250, abs=0.1)
