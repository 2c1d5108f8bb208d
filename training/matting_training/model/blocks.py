"""Building blocks of the matting U-Net: convolution, CBAM attention, transformer and decoder stage."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBnAct(nn.Sequential):
    """Convolution without bias, batch normalisation, ReLU.

    Batch rather than instance normalisation: it folds into the convolution at export and does not overflow half
    precision at full resolution.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions whose result is added to what they get, at first nothing. (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = ConvBnAct(channels, hidden)
        self.expand = nn.Conv2d(hidden, channels, 3, padding=1)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.expand(self.squeeze(x))
        return out


class CBAM(nn.Module):
    """Convolutional block attention: which channels, then which places, of a feature map matter.

    Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018. The shared perceptron is two 1x1 convolutions
    and the pools are plain reductions, which export to ONNX without shape arithmetic. (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 4, 8)
        self.channel = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, channels, 1)
        )
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        # A sum over 256x256 places leaves fp16's range (65,504).
        mean = x.float().mean((2, 3), keepdim=True).to(x.dtype)
        peak = x.amax((2, 3), keepdim=True)
        x = x * torch.sigmoid(self.channel(mean) + self.channel(peak))
        places = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.spatial(places))


class Attention(nn.Module):
    """Multi-head self-attention over the positions of a feature map, (B, N, C) -> (B, N, C)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(b, n, c))
        return out


class TransformerBlock(nn.Module):
    """Pre-norm transformer block with a convolutional position code, (B, C, H, W) -> (B, C, H, W).

    The position comes from a depthwise convolution's zero padding (Chu et al., "Conditional Positional Encodings for
    Vision Transformers", ICLR 2023), so one set of weights serves every input size. Both branches start damped (layer
    scale, Touvron et al., ICCV 2021), so that a fresh block does not disturb the pretrained encoder.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.attention = Attention(channels, heads)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))
        self.scale1 = nn.Parameter(torch.full((channels,), 0.1))
        self.scale2 = nn.Parameter(torch.full((channels,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x + self.position(x)
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.scale1 * self.attention(self.norm1(tokens))
        tokens = tokens + self.scale2 * self.mlp(self.norm2(tokens))
        out: Tensor = tokens.transpose(1, 2).reshape(b, c, h, w)
        return out


class DecoderStage(nn.Module):
    """Double the size of `x`, join the (attended) skip connection and mix.

    (B, Cx, h, w) and (B, Cs, 2h, 2w) -> (B, Co, 2h, 2w). With `crop`, `x` shows a window alone, and `crop` cuts it
    out of the attended skip connection: attention is of the whole picture.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, cbam: bool) -> None:
        super().__init__()
        self.attend: nn.Module = CBAM(skip_channels) if cbam else nn.Identity()
        self.mix = nn.Sequential(
            ConvBnAct(in_channels + skip_channels, out_channels), ConvBnAct(out_channels, out_channels)
        )

    def forward(self, x: Tensor, skip: Tensor, crop: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        skip = self.attend(skip)
        mixed: Tensor = self.mix(torch.cat([upsample2(x), skip if crop is None else crop(skip)], 1))
        return mixed


def upsample2(x: Tensor) -> Tensor:
    """Bilinear doubling of (B, C, H, W)."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
