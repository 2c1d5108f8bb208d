from __future__ import annotations

import pytest
import torch
from matting_training.losses import (
    EDGE_WEIGHT,
    GRADIENT_LENGTHS,
    GRADIENT_SQUARES,
    alpha_loss,
    composition_loss,
    edge_band,
    gradient_loss,
    laplacian_loss,
    laplacian_pyramid,
    matting_loss,
    side_loss,
)
from matting_training.plots import loss_names

ALL = torch.ones(1, 1, 1, 1, dtype=torch.bool)


def test_edge_band_covers_the_edge_and_leaves_flat_regions() -> None:
    pha = torch.zeros(1, 1, 64, 64)
    pha[..., 32:] = 1
    band = edge_band(pha)
    assert band[0, 0, 5, 31] == 1 and band[0, 0, 5, 32] == 1
    assert band[0, 0, 5, :20].sum() == 0 and band[0, 0, 5, 44:].sum() == 0


def test_edge_band_holds_flat_grey_haze_no_edge_only_where_alpha_changes() -> None:
    assert edge_band(torch.full((1, 1, 32, 32), 1.0)).sum() == 0


def test_alpha_loss_by_hand() -> None:
    pha = torch.zeros(1, 1, 8, 8)
    pred = torch.full_like(pha, 0.25)
    assert float(alpha_loss(pred, pha)) == pytest.approx(
        0.5
    )  # no edge: the weighted mean and the plain one are the same
    assert EDGE_WEIGHT > 0


def test_an_error_at_the_edge_costs_more() -> None:
    pha = torch.zeros(1, 1, 64, 64)
    pha[..., 32:] = 1
    at_edge, far = pha.clone(), pha.clone()
    at_edge[..., 30] = 0.5
    far[..., 4] = 0.5
    assert alpha_loss(at_edge, pha) > 1.5 * alpha_loss(far, pha)


def test_laplacian_pyramid_is_linear_and_blind_to_constants_in_every_band() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, 64, 64)
    for ab, x, y in zip(laplacian_pyramid(a - b), laplacian_pyramid(a), laplacian_pyramid(b), strict=True):
        assert torch.allclose(ab, x - y, atol=1e-6)
    assert float(laplacian_loss(torch.ones(1, 1, 64, 64), torch.zeros(1, 1, 64, 64))) == pytest.approx(0, abs=1e-6)


def test_laplacian_loss_sees_a_lost_hair() -> None:
    pha = torch.zeros(1, 1, 64, 64)
    pha[..., 20] = 1
    smeared = torch.zeros_like(pha)
    smeared[..., 18:23] = 0.2
    assert laplacian_loss(smeared, pha) > laplacian_loss(pha, pha)


def test_composition_counts_only_known_colours() -> None:
    pha, pred = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)
    fgr, bgr = torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    composite = torch.tensor([True, False]).view(2, 1, 1, 1)
    assert float(composition_loss(pred, pha, fgr, bgr, composite)) == pytest.approx(0.25)


def test_side_loss_averages_alpha_down() -> None:
    pha = torch.zeros(1, 1, 4, 4)
    pha[..., :2] = 1
    exact = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    assert float(side_loss([exact], pha)) == 0
    assert float(side_loss([1 - exact], pha)) == 1


def test_total_is_zero_for_a_perfect_matte() -> None:
    pha = (torch.rand(1, 1, 64, 64) > 0.5).float()
    batch = {
        "pha": pha,
        "fgr": torch.rand(1, 3, 64, 64),
        "bgr": torch.rand(1, 3, 64, 64),
        "composite": torch.ones(1, 1, 1, 1),
    }
    losses = matting_loss(pha, [], batch)
    assert float(losses["total"]) == 0
    assert set(losses) == {"alpha", "laplacian", "gradient", "composition", "total"}


def test_gradient_loss_of_a_ramp_is_its_slope_and_of_a_shift_nothing() -> None:
    pha = torch.zeros(1, 1, 64, 64)
    pha[..., 32:] = 1
    for slope in (2.0, 4.0):  # steep, so that the little by which a length is more than 0 does not count
        ramp = torch.arange(64.0).view(1, 1, 1, 64) * slope
        expected = slope + (GRADIENT_SQUARES + GRADIENT_LENGTHS) * slope**2
        assert float(gradient_loss(pha + ramp, pha, ALL)) == pytest.approx(expected, rel=1e-3)
    assert float(gradient_loss(pha + 0.2, pha, ALL)) == pytest.approx(0, abs=1e-6)
    assert float(gradient_loss(pha.roll(3, 3), pha, ALL)) > 0.05


def test_gradient_loss_is_of_exact_alphas_alone() -> None:
    pha = torch.zeros(2, 1, 64, 64)
    pha[..., 32:] = 1
    pred = pha.clone()
    pred[1] = pha[1].roll(3, 2)
    exact = torch.tensor([True, False]).view(2, 1, 1, 1)
    assert float(gradient_loss(pred, pha, exact)) == 0
    assert float(gradient_loss(pred, pha, ~exact)) == pytest.approx(2 * float(gradient_loss(pred, pha, ALL)))
    assert float(gradient_loss(pred, pha, torch.zeros_like(exact))) == 0


def test_gradient_loss_without_an_edge_is_nothing() -> None:
    assert float(gradient_loss(torch.rand(1, 1, 32, 32), torch.zeros(1, 1, 32, 32), ALL)) == 0


def test_every_loss_is_plotted() -> None:
    pha = torch.rand(1, 1, 64, 64)
    batch = {"pha": pha, "fgr": torch.rand(1, 3, 64, 64), "bgr": torch.rand(1, 3, 64, 64), "composite": ALL}
    whole = matting_loss(pha, [pha], batch)
    rows = [{"seen": 8, **whole, "waiting": 0.1, "val_a/MAD": 0.1}, {"seen": 16, **whole, "deep": 0.2}]
    assert loss_names(rows) == [*whole, "deep"]
