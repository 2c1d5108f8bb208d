"""The alpha at the photo's own size follows the photo's own edges."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from matting_client.processing import letterbox, refine, unletterbox
from matting_client.processing.refine import slope
from matting_client.processing.sampling import PIECE, chosen_places, sample, shrink

from tests.unit.client.pictures import U8, astronaut, blend, grad, hair, sad

SIDE = 2048


def scene(kind: str) -> tuple[U8, U8]:
    """A photo of hair and its true alpha."""
    alpha = hair(SIDE)
    fgr = np.full((SIDE, SIDE, 3), (60, 35, 25), np.uint8)
    if kind == "plain":
        bgr = np.full((SIDE, SIDE, 3), (190, 205, 220), np.uint8)
    else:  # a real photo behind, out of focus
        bgr = cv2.GaussianBlur(astronaut(SIDE, SIDE), (0, 0), 24) // 2 + 110
    noise = np.random.default_rng(1).normal(0, 2, (SIDE, SIDE, 1))
    return np.clip(blend(fgr, alpha, bgr) + noise, 0, 255).astype(np.uint8), alpha


@pytest.mark.parametrize("kind", ["plain", "photo"])
def test_better_than_a_plain_resize(kind: str) -> None:
    photo, truth = scene(kind)
    square, box = letterbox(photo, 512)
    small: U8 = cv2.resize(truth, (512, 512), interpolation=cv2.INTER_AREA)  # a perfect model
    plain, refined = unletterbox(small, box), refine(photo, square, small, box)
    assert sad(refined, truth) < 0.8 * sad(plain, truth)
    assert grad(refined, truth) < 0.8 * grad(plain, truth)


@pytest.mark.parametrize("shape", [(512, 512), (300, 512), (40, 30), (1, 1)])
def test_a_photo_no_larger_than_the_input_is_a_plain_resize(shape: tuple[int, int]) -> None:
    photo = astronaut(*shape)
    square, box = letterbox(photo, 512)
    alpha = hair(512, 60)
    assert np.array_equal(refine(photo, square, alpha, box), unletterbox(alpha, box))


@pytest.mark.parametrize("value", [0, 130, 255])
def test_a_flat_alpha_stays(value: int) -> None:
    photo = astronaut(900, 1400)
    square, box = letterbox(photo, 256)
    assert (refine(photo, square, np.full((256, 256), value, np.uint8), box) == value).all()


def test_away_from_the_edge_nothing_changes() -> None:
    photo = astronaut(1500, 1000)
    square, box = letterbox(photo, 256)
    alpha = np.zeros((256, 256), np.uint8)
    alpha[:, 128:] = 255
    plain, refined = unletterbox(alpha, box), refine(photo, square, alpha, box)
    assert np.array_equal(plain[:, :450], refined[:, :450])
    assert np.array_equal(plain[:, 550:], refined[:, 550:])
    assert not np.array_equal(plain[:, 450:550], refined[:, 450:550])


def test_the_slope_of_an_exact_line_is_found() -> None:
    """Alpha that is linear in one channel: the filter's model holds exactly, up to the regulariser."""
    guide = np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8)
    alpha = np.round(51 + 0.6 * guide[..., 1]).astype(np.uint8)
    found = slope(guide, alpha, np.ones_like(alpha))
    assert np.abs(found[6:-6, 6:-6] - (0, 0.6, 0)).max() < 0.03


def test_the_slope_agrees_with_the_filters_own_equations() -> None:
    """Equation 19 of the paper with numpy's solver, window by window, and averaged; only where it is asked for."""
    random = np.random.default_rng(6)
    guide, alpha = random.integers(0, 256, (24, 30, 3), np.uint8), random.integers(0, 256, (24, 30), np.uint8)
    where = np.zeros((24, 30), np.uint8)
    where[8:14, 9:20] = 1
    alone = np.zeros((24, 30, 3))
    for y in range(2, 22):
        for x in range(2, 28):
            window = slice(y - 2, y + 3), slice(x - 2, x + 3)
            colours, values = guide[window].reshape(-1, 3) / 255, alpha[window].reshape(-1) / 255
            joint = (colours * values[:, None]).mean(0) - colours.mean(0) * values.mean()
            alone[y, x] = np.linalg.solve(np.cov(colours.T, bias=True) + 5e-4 * np.eye(3), joint)
    expected = cv2.blur(alone, (5, 5))
    assert np.abs(slope(guide, alpha, where) - expected)[where.view(np.bool_)].max() < 1e-4


@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
@pytest.mark.parametrize("shape", [(150, 230), (61, 83), (400, 90)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sample_agrees_with_resize(interpolation: int, shape: tuple[int, int], channels: int) -> None:
    small = np.random.default_rng(3).uniform(0, 1, (50, 70, channels)).astype(np.float32)
    whole = cv2.resize(small, shape[::-1], interpolation=interpolation).reshape(*shape, channels)
    places = np.flatnonzero(np.random.default_rng(4).uniform(size=shape) < 0.5)
    values = sample(small, shape, places, interpolation)
    assert values.shape == (len(places), channels)
    whole = whole.reshape(-1, channels)
    # remap rounds places to 1/32 of a small pixel; the field changes by up to 1.5 between neighbours.
    assert np.abs(values - whole[places]).max() < 1.5 / 32
    assert np.abs(values - whole[places]).mean() < 0.01


@pytest.mark.parametrize("shape", [(1, 7), (300, 5000), (3, PIECE + 5)])
def test_every_chosen_pixel_comes_once(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(5).uniform(size=shape) < 0.3
    seen = np.zeros(mask.size, int)
    for places in chosen_places(shape, lambda rows: mask[rows]):
        seen[places] += 1
    assert np.array_equal(seen.reshape(shape), mask)


@pytest.mark.parametrize("shape", [(1500, 2000), (1501, 2003), (700, 3000)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shrinking_quickly_is_close_to_averaging(shape: tuple[int, int], channels: int) -> None:
    photo = astronaut(*shape)[..., :channels].copy()
    size = max(1, round(shape[1] * 0.17)), max(1, round(shape[0] * 0.17))
    small, averaged = shrink(photo, size), cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    assert small.shape == averaged.shape
    assert np.abs(small.astype(int) - averaged).mean() < 3
    assert abs(float(small.mean()) - float(averaged.mean())) < 0.5  # not shifted, not darkened
