"""The network as it is served: batch norms folded into the convolutions, convolution weights rounded to fp16."""

from __future__ import annotations

import copy

import torch
from matting_training.model.blocks import ConvBnAct
from matting_training.model.encoder import EfficientNetLite0, InvertedResidual
from matting_training.model.unet import MattingUNet
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PAIRS = {
    EfficientNetLite0: (("conv_stem", "bn0"),),
    InvertedResidual: (("expand_conv", "bn0"), ("depthwise_conv", "bn1"), ("project_conv", "bn2")),
    ConvBnAct: (("0", "1"),),
}


def fold_batch_norms(model: MattingUNet) -> MattingUNet:
    """Copy of a network in evaluation mode with identity in place of its batch norms.

    Rounding to fp16 (the graph still computes in fp32) halves the published file. `export.verify` measures what the
    rounding does to alpha and holds the exported file to the folded network exactly.
    """
    folded = copy.deepcopy(model).eval()
    for module in folded.modules():
        for kind, pairs in PAIRS.items():
            if isinstance(module, kind):
                for conv, norm in pairs:
                    _fuse(module, conv, norm)
    return folded


def _fuse(module: nn.Module, conv_name: str, norm_name: str) -> None:
    conv = getattr(module, conv_name, None)
    norm = getattr(module, norm_name, None)
    if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        return
    fused = fuse_conv_bn_eval(conv, norm)
    with torch.no_grad():
        fused.weight.copy_(fused.weight.half().float())
    setattr(module, conv_name, fused)
    setattr(module, norm_name, nn.Identity())
