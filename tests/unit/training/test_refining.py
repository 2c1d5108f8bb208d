from __future__ import annotations

import torch

from training.model import MattingUNet
from training.refining import CROP, VIEWS, only_refiner, refined_crops


def test_crops_are_cut_alike_around_edges_and_only_the_refiner_gets_gradients() -> None:
    torch.manual_seed(0)
    model = MattingUNet()
    only_refiner(model)
    pha = torch.zeros(2, 1, 576, 576)
    pha[:, :, 300:, 100:200] = 1
    place = torch.arange(576 * 576).view(1, 1, 576, 576).expand(2, 3, -1, -1).float()
    batch = {"src": place / place.max() * 255, "pha": pha, "fgr": place, "bgr": -place}
    batch["composite"] = torch.tensor([True, False]).view(2, 1, 1, 1)
    fine, crops = refined_crops(model, batch, seed=1)
    assert fine.shape == crops["pha"].shape == (2 * VIEWS, 1, CROP, CROP)
    assert torch.equal(crops["fgr"], -crops["bgr"])
    for i, crop in enumerate(crops["fgr"]):
        y, x = divmod(int(crop[0, 0, 0]), 576)
        assert torch.equal(crops["pha"][i], pha[0, :, y : y + CROP, x : x + CROP])
        assert 0 < float(crops["pha"][i].mean()) < 1, "a crop shows no edge"
    assert crops["composite"].flatten().tolist() == [True] * VIEWS + [False] * VIEWS
    fine.mean().backward()
    learning = {name for name, p in model.named_parameters() if p.grad is not None}
    assert learning and all(name.startswith("refiner.") for name in learning)
    again, _ = refined_crops(model, batch, seed=1)
    assert torch.equal(fine, again)
