"""The matting U-Net: EfficientNet-Lite0 encoder, CBAM in the skips, transformer at 1/32, supervision on every level.

src (3, S, S) ──encoder──> 1/2 ─ 1/4 ─ 1/8 ─ 1/16 ─ 1/32
  │                        CBAM  CBAM  CBAM  CBAM   transformer
  │ detail                   │     │     │     │      │
  └──> full <── decoder <── 1/2 <─ 1/4 <─ 1/8 <─ 1/16 <┘      (side alphas in training)
         └──> pha (1, S, S)

Above 512 pixels the deep levels (1/8 and further) see the photo at half its size: what a subject is was learnt at that
scale, and only edges and strands gain from more pixels. The weights are the same, but two blocks at 1/2 and full size
see large photos alone: there is the budget for them, and there are the strands.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matting_training.model.blocks import ConvBnAct, DecoderStage, Residual, TransformerBlock, upsample2
from matting_training.model.crops import Window
from matting_training.model.encoder import CHANNELS, TAPS, EfficientNetLite0

MEAN, STD = 127.0, 128.0  # what the encoder's ImageNet weights were trained with, on 0..255
WHOLE_SIDE = 512  # largest photo that all levels see at its own size
FINE_LEVELS = 2  # how many skips (1/2, 1/4) see a larger photo at its own size


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the network; it travels with the weights."""

    bottleneck: int = 160  # channels at 1/32
    decoder: tuple[int, int, int, int] = (128, 80, 48, 32)  # channels at 1/16, 1/8, 1/4, 1/2
    detail: int = 16  # channels at full size
    fine: tuple[int, int] = (24, 16)  # inner channels of the blocks for photos above 512 px, at 1/2 and full size
    cbam: bool = True  # attention in the skip connections
    transformer: int = 2  # blocks at 1/32; 0 switches it off
    deep_supervision: bool = True  # auxiliary alpha heads, training only

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)


class MattingUNet(nn.Module):
    """RGB photo (B, 3, S, S) float in 0..255 -> alpha (B, 1, S, S) in [0, 1]; S a multiple of 32, of 64 above 512.

    In training mode with deep supervision the result is (alpha, side alphas at 1/16, 1/8, 1/4 and 1/2; above 512 the
    first two are at 1/32 and 1/16). With `window`, the fine levels see that part of the photo alone and nothing else
    learns: alpha is (B, 1, side, side), and only the side alphas at 1/4 and 1/2 come with it.
    """

    def __init__(self, config: ModelConfig | None = None, pretrained: bool = False) -> None:
        super().__init__()
        self.config = config = config or ModelConfig()
        self.encoder = EfficientNetLite0(pretrained)
        skips = CHANNELS[-2::-1]
        widths = (config.bottleneck, *config.decoder)
        self.neck = ConvBnAct(CHANNELS[-1], config.bottleneck, 1)
        self.context = nn.Sequential(*(TransformerBlock(config.bottleneck, 5) for _ in range(config.transformer)))
        self.stages = nn.ModuleList(
            DecoderStage(wide, skip, narrow, config.cbam)
            for wide, skip, narrow in zip(widths[:-1], skips, widths[1:], strict=True)
        )
        self.reduce = ConvBnAct(config.decoder[-1], config.detail, 1)
        self.detail = ConvBnAct(3, config.detail // 2)
        self.fuse = ConvBnAct(config.detail + config.detail // 2, config.detail)
        self.fine = nn.ModuleList(
            Residual(channels, hidden)
            for channels, hidden in zip((config.decoder[-1], config.detail), config.fine, strict=True)
        )
        self.head = nn.Conv2d(config.detail, 1, 3, padding=1)
        self.side_heads = nn.ModuleList(nn.Conv2d(c, 1, 1) for c in config.decoder if config.deep_supervision)

    def forward(self, src: Tensor, window: Window | None = None) -> Tensor | tuple[Tensor, list[Tensor]]:
        x = (src - MEAN) / STD
        large = x.shape[-1] > WHOLE_SIDE
        supervised = self.training and self.config.deep_supervision
        with nullcontext() if window is None else torch.no_grad():
            y, skips, sides = self._deep(x, large, supervised and window is None)
        if window is not None:
            x, y = window.crop(x), window.crop(y, 2 ** (FINE_LEVELS + 1))
        for level in range(FINE_LEVELS, 0, -1):
            crop = None if window is None else partial(window.crop, stride=2**level)
            y = self.stages[-level](y, skips[level - 1], crop)  # 1/4: 48, 1/2: 32
            if large and level == 1:
                y = self.fine[0](y)
            if supervised:
                sides.append(torch.sigmoid(self.side_heads[-level](y).float()))
        y = self.fuse(torch.cat([upsample2(self.reduce(y)), self.detail(x)], 1))  # full: 16
        if large:
            y = self.fine[1](y)
        pha = torch.sigmoid(self.head(y).float())
        return (pha, sides) if supervised else pha

    def deep(self, src: Tensor) -> list[Tensor]:
        """Side alphas at 1/16, 1/8 and 1/4, as of training, and nothing finer: what is the subject, not its strands.

        Parameters
        ----------
        src : as of `forward`; above 512 pixels the first two are at 1/32 and 1/16.
        """
        y, skips, sides = self._deep((src - MEAN) / STD, large=src.shape[-1] > WHOLE_SIDE, supervised=True)
        y = self.stages[-FINE_LEVELS](y, skips[FINE_LEVELS - 1])
        return [*sides, torch.sigmoid(self.side_heads[-FINE_LEVELS](y).float())]

    def early(self) -> list[nn.Parameter]:
        """Parameters of the encoder's fine levels, which cost much and know little of what a subject is."""
        encoder = self.encoder
        parts = (encoder.conv_stem, encoder.bn0, *encoder.blocks[: TAPS[FINE_LEVELS - 1]])
        return [parameter for part in parts for parameter in part.parameters()]

    def _deep(self, x: Tensor, large: bool, supervised: bool) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """What the fine levels start from, at 1/8; the fine skips, finest first; the side alphas of the deep levels."""
        *skips, y = self.encoder(F.avg_pool2d(x, 2) if large else x)  # 1/2: 16, 1/4: 24, 1/8: 40, 1/16: 112; 1/32
        y = self.context(self.neck(y))  # 1/32: 160
        sides = []
        for i in range(len(self.stages) - FINE_LEVELS):
            y = self.stages[i](y, skips[-1 - i])  # 1/16: 128, 1/8: 80
            if supervised:
                sides.append(torch.sigmoid(self.side_heads[i](y).float()))
        if large:
            return upsample2(y), self.encoder(x, FINE_LEVELS), sides
        return y, skips[:FINE_LEVELS], sides


def model_cost(model: MattingUNet, size: int = 512) -> dict[str, float]:
    """Parameters in millions and GFLOP (2 operations per multiply-add) of one alpha at (size, size)."""
    from torch.utils.flop_counter import FlopCounterMode

    still = copy.deepcopy(model).eval()  # a copy: `train()` afterwards would wake batch norms that were to stay still
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        still(torch.zeros(1, 3, size, size, device=next(model.parameters()).device))
    served = [p.numel() for name, p in model.named_parameters() if not name.startswith("side_heads")]
    return {"parameters_m": sum(served) / 1e6, "gflop": counter.get_total_flops() / 1e9}


if __name__ == "__main__":
    for side in (512, 1024):
        figures = model_cost(MattingUNet(), side)
        print(f"{side}x{side}: {figures['parameters_m']:.2f} M parameters, {figures['gflop']:.2f} GFLOP")
