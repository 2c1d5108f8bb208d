"""Training with the refiner: the U-Net sees whole pictures at half their size, the refiner crops at full size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from training.losses import edge_band
from training.model import MEAN, STD, MattingUNet

CROP = 320  # side of a crop at the full size
VIEWS = 4  # crops of each picture: the U-Net and the augmentation cost more than they do


def only_refiner(model: MattingUNet) -> None:
    """Freeze everything but the refiner: no gradients, and batch norms keep their statistics."""
    model.eval().requires_grad_(False)
    model.refiner.train().requires_grad_(True)


def both_parts(model: MattingUNet) -> None:
    """Train everything, with the U-Net's batch norms as they are: batches of large pictures are too small for them."""
    model.train()
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d) and not name.startswith("refiner."):
            module.eval()


def half_size(model: MattingUNet, src: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The U-Net's logit, features and side alphas of pictures (B, 3, S, S) in 0..255, at S / 2."""
    x = F.avg_pool2d((src - MEAN) / STD, 2)
    return model.unet(x.contiguous(memory_format=torch.channels_last))


def halved(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The batch's `pha`, `fgr` and `bgr` averaged down to what the U-Net sees, beside its `composite`."""
    small = {name: F.avg_pool2d(batch[name], 2) for name in ("pha", "fgr", "bgr")}
    return {**small, "composite": batch["composite"]}


def refined_crops(
    model: MattingUNet, batch: dict[str, Tensor], logit: Tensor, features: Tensor, seed: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Refined alpha of `VIEWS` crops of each picture, all but one around its edges, and the same crops of the batch.

    Parameters
    ----------
    model : whose refiner is to be trained.
    batch : from `training.augment.finish`; pictures (B, C, S, S) with S a multiple of 64 and at least `CROP`.
    logit, features : from `half_size`.
    seed : decides where the crops lie.

    Returns
    -------
    Alpha (VIEWS B, 1, CROP, CROP), and the batch's `pha`, `fgr`, `bgr` and `composite` cut alike.
    """
    corners = _corners(batch["pha"], torch.Generator().manual_seed(seed))

    def cut(picture: Tensor, scale: int = 1) -> Tensor:
        side = CROP // scale
        return torch.stack(
            [picture[i, :, y // scale : y // scale + side, x // scale : x // scale + side] for i, y, x in corners]
        )

    crops = {name: cut(batch[name]) for name in ("pha", "fgr", "bgr")}
    crops["composite"] = torch.stack([batch["composite"][i] for i, _, _ in corners])
    x = ((cut(batch["src"]) - MEAN) / STD).contiguous(memory_format=torch.channels_last)
    return torch.sigmoid(model.refiner(x, cut(features, 2), cut(logit, 2))), crops


def _corners(pha: Tensor, generator: Generator) -> list[tuple[int, int, int]]:
    """Picture number, top and left of each crop: around a random place of the edge band; the last one anywhere."""
    size, found = pha.shape[-1], []
    bands = edge_band(pha)[:, 0, ::4, ::4].cpu()
    for i, band in enumerate(bands):
        places = band.nonzero() * 4
        for view in range(VIEWS):
            random = torch.rand(3, generator=generator)
            anywhere = len(places) == 0 or view == VIEWS - 1
            centre = (random[1:] * size).long() if anywhere else places[int(random[0] * len(places))]
            shift = ((random[1:] - 0.5) * CROP * 0.8).long()
            top, left = ((centre + shift - CROP // 2).clamp(0, size - CROP) // 2 * 2).tolist()
            found.append((i, top, left))
    return found
