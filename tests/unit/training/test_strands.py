from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matting_training.data.hair import cut_gaps, draw_lines, draw_strands
from numpy.random import Generator


def subject(size: int = 128) -> np.ndarray:
    """A brown disc of soft outline that stands on the lower border."""
    y, x = np.mgrid[:size, :size]
    pha = np.clip((size * 0.3 - np.hypot(y - size * 0.6, x - size / 2)) * 100, 0, 255)
    pha[size * 3 // 5 :, size // 3 : size * 2 // 3] = 255
    return np.dstack([np.full((size, size), c, np.uint8) for c in (120, 80, 40)] + [pha.astype(np.uint8)])


def test_hairs_are_thin_lie_outside_and_have_the_subjects_colour() -> None:
    fgra = subject()
    for seed in range(5):
        out = draw_strands(np.random.default_rng(seed), fgra)
        added = out[..., 3].astype(int) - fgra[..., 3]
        assert added.min() >= 0 and 10 < (added > 20).sum() < 0.1 * added.size
        assert not added[118:].any()  # hair grows in the upper part
        hue = out[added > 60][:, :3].astype(float)
        assert (hue[:, 0] > hue[:, 1]).all() and (hue[:, 1] > hue[:, 2]).all()
    assert np.array_equal(fgra, subject()), "the given picture was changed"


def test_gaps_only_take_alpha_away_along_the_outline() -> None:
    fgra = subject()
    for seed in range(5):
        out = cut_gaps(np.random.default_rng(seed), fgra)
        taken = fgra[..., 3].astype(int) - out[..., 3]
        assert taken.min() >= 0 and 5 < (taken > 20).sum() < 0.1 * taken.size
        assert np.array_equal(out[..., :3], fgra[..., :3])
        assert not taken[110:].any()
    assert np.array_equal(fgra, subject()), "the given picture was changed"


def test_lines_change_some_of_a_background() -> None:
    for seed in range(6):
        bgr = np.full((128, 128, 3), 120, np.uint8)
        draw_lines(np.random.default_rng(seed), bgr)
        assert 0.005 < (bgr != 120).any(2).mean() < 0.7


@pytest.mark.parametrize("draw", [draw_strands, cut_gaps])
def test_the_same_number_draws_the_same_hairs(draw: Callable[[Generator, np.ndarray], np.ndarray]) -> None:
    one, two, other = (draw(np.random.default_rng(seed), subject()) for seed in (3, 3, 4))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


@pytest.mark.parametrize("draw", [draw_strands, cut_gaps])
def test_a_picture_without_an_outline_stays(draw: Callable[[Generator, np.ndarray], np.ndarray]) -> None:
    for value in (0, 255):
        fgra = np.full((64, 64, 4), value, np.uint8)
        assert draw(np.random.default_rng(0), fgra) is fgra
