"""Colours of the subject without the old background's halo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from matting_client.processing import erode, estimate_foreground, feather
from matting_client.processing.foreground import blur_fusion
from numpy.typing import NDArray

from tests.unit.client.pictures import U8, astronaut, blend, hair

Real = NDArray[np.float64]


def slow_blur_fusion(image: Real, fgr: Real, bgr: Real, pha: Real, radius: int, power: int) -> tuple[Real, Real]:
    """The paper's four equations, pixel by pixel; there `power` is 1."""
    height, width = pha.shape
    pad = [(radius, radius), (radius, radius)]
    f, b = (np.pad(x, [*pad, (0, 0)], "symmetric") for x in (fgr, bgr))
    a = np.pad(pha, pad, "symmetric")
    new_fgr, new_bgr = np.zeros_like(fgr), np.zeros_like(bgr)
    for y in range(height):
        for x in range(width):
            window = (slice(y, y + 2 * radius + 1), slice(x, x + 2 * radius + 1))
            share = a[window]
            of_f, of_b = share**power, (1 - share) ** power
            smooth_f = (f[window] * of_f[..., None]).mean((0, 1)) + 1e-5 * fgr[y, x]
            smooth_b = (b[window] * of_b[..., None]).mean((0, 1)) + 1e-5 * bgr[y, x]
            smooth_f, smooth_b = smooth_f / (of_f.mean() + 1e-5), smooth_b / (of_b.mean() + 1e-5)
            rest = image[y, x] - pha[y, x] * smooth_f - (1 - pha[y, x]) * smooth_b
            new_fgr[y, x] = np.clip(smooth_f + pha[y, x] * rest, 0, 1)
            new_bgr[y, x] = smooth_b
    return new_fgr, new_bgr


@pytest.mark.parametrize(("radius", "power"), [(1, 1), (4, 1), (2, 3)])
def test_blur_fusion_agrees_with_the_slow_reference(radius: int, power: int) -> None:
    random = np.random.default_rng(0)
    image, fgr, bgr = random.uniform(0, 1, (3, 20, 26, 3))
    pha: Real = cv2.GaussianBlur(random.uniform(-0.5, 1.5, (20, 26)), (0, 0), 2).clip(0, 1)
    expected = slow_blur_fusion(image, fgr, bgr, pha, radius, power)
    image32, fgr32, bgr32 = (cv2.cvtColor(x.astype(np.float32), cv2.COLOR_RGB2RGBA) for x in (image, fgr, bgr))
    found = blur_fusion(image32, fgr32, bgr32, pha.astype(np.float32), radius, power)
    for got, wanted in zip(found, expected, strict=True):
        assert np.abs(got[..., :3] - wanted).max() < 2e-4
        assert np.abs(got[..., 3] - 1).max() < 2e-4  # the constant that carries the weights


@pytest.mark.parametrize("side", [400, 1600])
def test_the_halo_is_gone(side: int) -> None:
    """Dark hair in front of a bright wall: its colours at the edge are its own again."""
    fgr = np.zeros((side, side, 3), np.uint8)
    fgr[:] = (70, 40, 30)
    fgr[: side // 2] = (90, 50, 20)
    soft = cv2.GaussianBlur(hair(400, 80), (0, 0), 1)
    alpha: U8 = cv2.resize(soft, (side, side), interpolation=cv2.INTER_CUBIC)
    photo = blend(fgr, alpha, np.full((side, side, 3), (90, 230, 120)))
    edge = (alpha > 25) & (alpha < 230)
    estimated = estimate_foreground(photo, alpha)
    error = np.abs(estimated[edge].astype(float) - fgr[edge]).mean()
    before = np.abs(photo[edge].astype(float) - fgr[edge]).mean()
    assert error < before / 4


def test_opaque_pixels_keep_their_colours_and_clear_ones_have_none() -> None:
    photo, alpha = astronaut(), hair(512, 60)
    estimated = estimate_foreground(photo, alpha)
    assert estimated.dtype == np.uint8
    assert np.array_equal(estimated[alpha == 255], photo[alpha == 255])
    assert (estimated[alpha == 0] == 0).all()


@pytest.mark.parametrize("value", [0, 255])
def test_an_alpha_without_an_edge(value: int) -> None:
    photo = astronaut(60, 80)
    assert np.array_equal(estimate_foreground(photo, np.full((60, 80), value, np.uint8)), photo * (value == 255))


def test_a_flat_half_alpha_keeps_a_flat_colour() -> None:
    """Nothing says what is behind, so the photo's own colour is the answer."""
    photo = np.full((30, 40, 3), (200, 100, 50), np.uint8)
    estimated = estimate_foreground(photo, np.full((30, 40), 128, np.uint8))
    assert np.abs(estimated.astype(int) - photo).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (3, 5)])
def test_odd_shapes(shape: tuple[int, int]) -> None:
    assert estimate_foreground(astronaut(*shape), np.full(shape, 99, np.uint8)).shape == (*shape, 3)


def test_the_photo_is_not_changed() -> None:
    photo, alpha = astronaut(), hair(512, 60)
    before = photo.copy()
    estimate_foreground(photo, alpha)
    assert np.array_equal(photo, before)


def test_a_moved_edge_does_not_spoil_the_colours() -> None:
    """Eroded, the photo's opaque pixels become half transparent, but their colours are the subject's already."""
    fgr = cv2.GaussianBlur(astronaut(), (0, 0), 5)
    alpha = cv2.GaussianBlur(hair(512, 80), (0, 0), 1.5)
    photo = blend(fgr, alpha, np.full((512, 512, 3), (240, 240, 240)))
    shown = erode(alpha, 5)
    edge = (shown > 0) & (shown < 255)
    moved = np.abs(estimate_foreground(photo, shown)[edge].astype(float) - fgr[edge]).mean()
    right = np.abs(estimate_foreground(photo, alpha, shown)[edge].astype(float) - fgr[edge]).mean()
    assert right < 0.7 * moved


def test_colours_reach_as_far_as_they_are_shown() -> None:
    alpha = hair(512, 60)
    photo = blend(np.full((512, 512, 3), (200, 150, 90)), alpha, np.zeros((512, 512, 3)))
    shown = feather(alpha, 4)
    outside = (alpha == 0) & (shown > 0)
    assert outside.any()
    estimated = estimate_foreground(photo, alpha, shown)
    assert np.abs(estimated[outside].astype(float) - (200, 150, 90)).mean() < 10
    assert (estimated[shown == 0] == 0).all()
