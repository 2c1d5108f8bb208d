from __future__ import annotations

from pathlib import Path

import pytest
import torch
from matting_training.checkpoint import load_model
from matting_training.config import TrainConfig
from matting_training.model.blocks import Residual
from matting_training.model.crops import MARGIN, STEP, Window, choose
from matting_training.model.unet import MattingUNet
from matting_training.train import run
from matting_training.trainer import keep_statistics

from tests.unit.training.test_train import config


def strand(size: int, row: int, column: int) -> torch.Tensor:
    """Alpha (1, 1, size, size) of one soft dot of 2x2 pixels."""
    pha = torch.zeros(1, 1, size, size)
    pha[..., row : row + 2, column : column + 2] = 0.5
    return pha


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("place", [(3, 200), (120, 250), (250, 3)])
def test_a_window_shows_a_soft_pixel_and_stays_in_the_picture(seed: int, place: tuple[int, int]) -> None:
    pha = torch.cat([strand(256, *place), torch.ones(1, 1, 256, 256)])
    window = choose(pha, 128, torch.Generator().manual_seed(seed))
    assert window.crop(pha)[0].max() == 0.5
    assert int(window.corners.min()) >= 0 and int(window.corners.max()) <= 128
    assert not (window.corners % STEP).any()


def test_windows_depend_on_the_seed_alone() -> None:
    pha = torch.rand(4, 1, 256, 256)
    first, again, other = (choose(pha, 64, torch.Generator().manual_seed(seed)).corners for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("size", [256, 640])
def test_inside_its_margin_a_window_gets_what_the_whole_picture_gives_there(size: int) -> None:
    torch.manual_seed(3)
    model = MattingUNet().train()
    keep_statistics(model)
    for block in model.fine:
        assert isinstance(block, Residual)
        torch.nn.init.normal_(block.expand.weight, std=0.1)  # fresh ones add nothing
    src = torch.rand(2, 3, size, size) * 255
    window = Window(torch.tensor([[64, 32], [0, 128]]), 128)
    with torch.no_grad():
        (pha, sides), (part, part_sides) = model(src), model(src, window)
    assert torch.allclose(window.inner(part), window.inner(window.crop(pha)), atol=1e-5)
    for side, found in zip(sides[-2:], part_sides, strict=True):
        stride = size // side.shape[-1]
        expected = window.inner(window.crop(side, stride), stride)
        assert torch.allclose(window.inner(found, stride), expected, atol=1e-5)
    assert window.inner(part).shape[-1] == 128 - 2 * MARGIN


def test_only_the_fine_levels_learn_on_windows(dataset: Path, tmp_path: Path, start: Path) -> None:
    run(config(dataset, tmp_path / "run", start=start, size=(192,), window=128, samples=8, statistics=False))
    before, after = (load_model(path).state_dict() for path in (start, tmp_path / "run" / "best.safetensors"))
    changed = {".".join(n.split(".")[:2]) for n, value in after.items() if not torch.equal(value, before[n])}
    assert {"stages.2", "stages.3", "reduce.0", "detail.0", "fuse.0", "head.weight", "side_heads.3"} <= changed
    assert not {name for name in changed if name.startswith(("encoder", "neck", "context", "stages.0", "stages.1"))}


@pytest.mark.parametrize("side", [-64, 64, 200])
def test_a_window_must_fit_the_levels(side: int) -> None:
    with pytest.raises(ValueError, match=f"window: got {side}"):
        TrainConfig(window=side)
