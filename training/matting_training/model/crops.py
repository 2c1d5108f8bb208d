"""Windows on large pictures: the fine levels learn strands there at a fraction of the whole picture's cost."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

STEP = 8  # corners are multiples of it, so that every level finds its own pixels
MARGIN = 24  # pixels along a window's border that convolutions fill with zeros instead of the picture


@dataclass(frozen=True)
class Window:
    """Square of `side` pixels in each picture of a batch; `corners` (B, 2) are its top and left."""

    corners: Tensor
    side: int

    def crop(self, x: Tensor, stride: int = 1) -> Tensor:
        """(B, C, H, W) at 1/`stride` of the pictures' size -> (B, C, side / stride, side / stride)."""
        side = self.side // stride
        places = (self.corners // stride).tolist()
        return torch.stack([x[i, :, y : y + side, x0 : x0 + side] for i, (y, x0) in enumerate(places)])

    @staticmethod
    def inner(x: Tensor, stride: int = 1) -> Tensor:
        """What a crop at 1/`stride` holds inside of its margin, as the whole picture would give it."""
        margin = MARGIN // stride
        return x[..., margin:-margin, margin:-margin]


def choose(pha: Tensor, side: int, generator: Generator) -> Window:
    """A window around a random soft pixel of each alpha (B, 1, S, S) in 0..1; anywhere where there is none.

    Soft pixels are many where hair is loose, and so is what the windows show.
    """
    span = pha.shape[-1] - side
    corners = []
    for picture in pha[:, 0]:
        soft = ((picture > 0.04) & (picture < 0.96)).nonzero()
        if not len(soft):
            soft = torch.full((1, 2), pha.shape[-1] // 2, device=pha.device)
        pick = int(torch.randint(len(soft), (), generator=generator, device=pha.device))
        shift = torch.randint(-side // 4, side // 4 + 1, (2,), generator=generator, device=pha.device)
        corner = (soft[pick] + shift - side // 2).clamp(0, span)
        corners.append(corner // STEP * STEP)
    return Window(torch.stack(corners), side)
