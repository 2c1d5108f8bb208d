from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.model import MattingUNet
from training.refining import CROP, VIEWS, both_parts, half_size, halved, only_refiner, refined_crops


@pytest.fixture
def batch() -> dict[str, Tensor]:
    pha = torch.zeros(2, 1, 576, 576)
    pha[:, :, 300:, 100:200] = 1
    place = torch.arange(576 * 576).view(1, 1, 576, 576).expand(2, 3, -1, -1).float()
    composite = torch.tensor([True, False]).view(2, 1, 1, 1)
    return {"src": place / place.max() * 255, "pha": pha, "fgr": place, "bgr": -place, "composite": composite}


def test_crops_are_cut_alike_around_edges_and_only_the_refiner_gets_gradients(batch: dict[str, Tensor]) -> None:
    torch.manual_seed(0)
    model = MattingUNet()
    only_refiner(model)
    with torch.no_grad():
        small, features, sides = half_size(model, batch["src"])
    assert small.shape == (2, 1, 288, 288) and not sides
    fine, crops = refined_crops(model, batch, small, features, seed=1)
    assert fine.shape == crops["pha"].shape == (2 * VIEWS, 1, CROP, CROP)
    assert torch.equal(crops["fgr"], -crops["bgr"])
    for i, crop in enumerate(crops["fgr"]):
        y, x = divmod(int(crop[0, 0, 0]), 576)
        assert torch.equal(crops["pha"][i], batch["pha"][0, :, y : y + CROP, x : x + CROP])
        assert 0 < float(crops["pha"][i].mean()) < 1, "a crop shows no edge"
    assert crops["composite"].flatten().tolist() == [True] * VIEWS + [False] * VIEWS
    fine.mean().backward()
    learning = {name for name, p in model.named_parameters() if p.grad is not None}
    assert learning and all(name.startswith("refiner.") for name in learning)
    again, _ = refined_crops(model, batch, small, features, seed=1)
    assert torch.equal(fine, again)


def test_a_crop_is_refined_as_its_place_in_the_whole_picture_is(batch: dict[str, Tensor]) -> None:
    torch.manual_seed(0)
    model = MattingUNet()
    torch.nn.init.normal_(model.refiner.write.weight, std=0.1)
    model.eval()
    with torch.no_grad():
        small, features, _ = half_size(model, batch["src"])
        fine, crops = refined_crops(model, batch, small, features, seed=1)
        whole = model(batch["src"])
    y, x = divmod(int(crops["fgr"][0, 0, 0, 0]), 576)
    inner = slice(32, CROP - 32)  # the crop's rim sees zeros where the whole picture goes on
    there = whole[0, 0, y : y + CROP, x : x + CROP][inner, inner]
    assert torch.allclose(fine[0, 0].clamp(0, 1)[inner, inner], there, atol=1e-4)


def test_both_parts_learn_from_the_refined_alpha_and_old_norms_keep_their_statistics(batch: dict[str, Tensor]) -> None:
    torch.manual_seed(0)
    model = MattingUNet()
    torch.nn.init.normal_(model.refiner.write.weight, std=0.1)
    both_parts(model)
    before = {name: value.clone() for name, value in model.named_buffers()}
    small, features, sides = half_size(model, batch["src"])
    assert len(sides) == 4
    fine, _ = refined_crops(model, batch, small, features, seed=1)
    fine.square().mean().backward()
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert {"encoder", "stages", "fuse", "refiner"} <= learning
    changed = {name for name, value in model.named_buffers() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("refiner.") for name in changed)


def test_the_half_sized_batch_is_the_mean_of_four_pixels(batch: dict[str, Tensor]) -> None:
    small = halved(batch)
    assert small["pha"].shape == (2, 1, 288, 288)
    assert float(small["fgr"][0, 0, 0, 0]) == pytest.approx((0 + 1 + 576 + 577) / 4)
