from __future__ import annotations

import json
from pathlib import Path

import torch
from matting_training.checkpoint import load_model
from matting_training.losses import deep_loss
from matting_training.model.unet import MattingUNet
from matting_training.train import run

from tests.unit.training.test_train import config


def changes(before: Path, after: Path) -> set[str]:
    """Parts of the network, such as `stages.1`, in which a weight is another one."""
    old, new = (load_model(path).state_dict() for path in (before, after))
    return {".".join(name.split(".")[:3]) for name, value in new.items() if not torch.equal(value, old[name])}


def test_batches_for_the_deep_levels_leave_the_fine_ones_alone(dataset: Path, tmp_path: Path, start: Path) -> None:
    settings = {"start": start, "statistics": False, "size": (64,), "batch": 2}
    run(config(dataset, tmp_path / "deep", deep=3, samples=6, epoch=6, **settings))
    changed = changes(start, tmp_path / "deep" / "best.safetensors")
    assert {"encoder.blocks.3", "encoder.blocks.15", "neck.0.weight", "stages.2.mix", "side_heads.2.weight"} <= changed
    still = (
        "encoder.conv_stem",
        "encoder.blocks.0",
        "encoder.blocks.2",
        "stages.3",
        "reduce",
        "detail",
        "fuse",
        "head",
    )
    assert not {name for name in changed if name.startswith(still)}
    run(config(dataset, tmp_path / "all", deep=3, samples=8, epoch=8, **settings))
    changed = changes(start, tmp_path / "all" / "best.safetensors")
    assert {"encoder.conv_stem.weight", "encoder.blocks.2", "stages.3.mix", "head.weight"} <= changed
    logged = json.loads((tmp_path / "all" / "log.jsonl").read_text().splitlines()[-1])
    assert logged["deep"] > 0 and logged["gradient"] > 0


def test_the_deep_side_alphas_are_those_of_the_whole_network() -> None:
    torch.manual_seed(1)
    model = MattingUNet().train()
    src = torch.rand(2, 3, 128, 128) * 255
    with torch.no_grad():
        _, sides = model(src)
        deep = model.deep(src)
    assert [side.shape[-1] for side in deep] == [8, 16, 32]
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(deep, sides, strict=False))


def test_what_is_surely_wrong_is_pulled_hardest() -> None:
    slopes = []
    for wrong in (2.0, 8.0):
        logit = torch.full((1, 1, 4, 4), -wrong, requires_grad=True)
        deep_loss([torch.sigmoid(logit)], torch.ones(1, 1, 16, 16))["total"].backward()
        assert logit.grad is not None
        slopes.append(-float(logit.grad.mean()))
    assert slopes[1] > slopes[0] / 2 > 0 and slopes[1] * 16 > 0.4
