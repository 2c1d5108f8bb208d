"""The inside of a subject, as the network means it."""

from __future__ import annotations

import numpy as np
import pytest
from matting_client.processing import Letterbox, solidify
from matting_client.types import U8

SIDE = 512
WHOLE = Letterbox(SIDE, SIDE, 0, 0, SIDE, SIDE)


def of(value: int) -> U8:
    return np.full((SIDE, SIDE), value, np.uint8)


@pytest.mark.parametrize(
    ("value", "becomes"), [(0, 0), (1, 1), (100, 101), (180, 182), (185, 187), (200, 231), (208, 255), (255, 255)]
)
def test_what_is_nearly_full_is_full_and_the_rest_is_stretched(value: int, becomes: int) -> None:
    assert set(solidify(of(value), WHOLE).flat) == {becomes}


def test_nothing_loses_and_the_order_stays() -> None:
    levels = [int(solidify(of(value), WHOLE)[0, 0]) for value in range(256)]
    assert levels == sorted(levels)
    assert all(after >= before for before, after in enumerate(levels))


def test_a_cloud_inside_goes_and_a_strand_stays() -> None:
    pha = of(0)
    pha[100:300, 100:300] = 255
    pha[180:220, 180:220] = 225
    pha[400:404] = 235  # a strand of four pixels
    out = solidify(pha, WHOLE)
    assert (out[100:300, 100:300] == 255).all()
    assert (out[400:404] == 238).all()
    assert out.astype(int).sum() == 255 * 200 * 200 + 238 * 4 * SIDE


def test_who_is_cut_off_by_the_frame_is_solid_up_to_there_and_what_is_beyond_stays() -> None:
    pha = of(0)
    pha[:100] = 77  # beyond the photo
    pha[100:412, 200:300] = 225
    out = solidify(pha, Letterbox(312, SIDE, 100, 0, 312, SIDE))
    assert (out[:100] == 77).all()
    assert (out[100:412, 202:298] == 255).all()
    assert (out[100:412, 200:202] == 228).all()
    assert pha[100, 200] == 225


def test_near_is_as_far_in_the_photo_at_every_size() -> None:
    pha = np.zeros((1024, 1024), np.uint8)
    pha[500:508] = 235
    pha[600:609] = 235
    out = solidify(pha, Letterbox(1024, 1024, 0, 0, 1024, 1024))
    assert out[500:508].max() == 238
    assert out[604, 500] == 255
