from __future__ import annotations

import numpy as np

from training.strands import draw_strands


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


def test_the_same_number_draws_the_same_hairs() -> None:
    one, two, other = (draw_strands(np.random.default_rng(seed), subject()) for seed in (3, 3, 4))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_a_picture_without_an_outline_stays() -> None:
    for value in (0, 255):
        fgra = np.full((64, 64, 4), value, np.uint8)
        assert draw_strands(np.random.default_rng(0), fgra) is fgra
