"""The served graph: UINT8 NHWC photo in, UINT8 NHWC alpha out, everything between inside the ONNX file."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
import torch
from matting_training.model.unet import MEAN, STD, MattingUNet
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from matting_export.metadata import INPUT, OPSET, OUTPUT


class Served(nn.Module):
    """(N, S, S, 3) uint8 RGB -> (N, S, S, 1) uint8 alpha.

    The cast comes before the transpose because TensorRT refuses a transpose of UINT8, and Cast is both the first and
    the last node. With `half`, everything from the normalised photo to the logits computes in fp16.
    """

    def __init__(self, model: MattingUNet, half: bool = False) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).eval()
        self.half_precision = half
        if half:
            self.model.half()

    def forward(self, image: Tensor) -> Tensor:
        src = image.float().permute(0, 3, 1, 2)
        if self.half_precision:
            # 0..255 is exact in half precision, but the difference to the mean is better taken before.
            src = ((src - MEAN) / STD).half() * STD + MEAN
        pha = self.model(src)
        return torch.round(pha * 255).permute(0, 2, 3, 1).to(torch.uint8)


def build(model: MattingUNet, size: int, half: bool = False) -> onnx.ModelProto:
    """ONNX of the served graph with a dynamic batch and a fixed (size, size) input.

    Fixed sizes rather than dynamic ones: engines plan their memory once and do not grow with every new shape.
    """
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    batch = {"image": {0: torch.export.Dim("batch", min=1, max=64)}}
    proto = exported(Served(model, half).eval(), example, (INPUT, OUTPUT), OPSET, batch)
    if not half:
        store_weights_as_half(proto)
    strip_traces(proto)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def exported(
    module: nn.Module, example: Tensor, names: tuple[str, str], opset: int, shapes: dict[str, Any] | None = None
) -> onnx.ModelProto:
    """ONNX of a module in evaluation mode, as torch writes it.

    Parameters
    ----------
    example : its input.
    names : of input and output.
    shapes : `dynamic_shapes` of `torch.onnx.export`; None fixes those of the example.
    """
    program = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        opset_version=opset,
        input_names=names[:1],
        output_names=names[1:],
        dynamic_shapes=shapes,
        optimize=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    proto: onnx.ModelProto = program.model_proto
    return proto


def store_weights_as_half(proto: onnx.ModelProto) -> None:
    """Keep fp32 initialisers that fp16 holds exactly as fp16 with a Cast behind them, in place.

    Half the file, the same computation: engines fold the Cast when they load it.
    """
    casts = []
    kept = []
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor)
        half = array.astype(np.float16) if array.dtype == np.float32 and array.size >= 64 else None
        if half is None or not np.array_equal(half.astype(np.float32), array):
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(half, tensor.name + "_fp16"))
        casts.append(helper.make_node("Cast", [tensor.name + "_fp16"], [tensor.name], to=TensorProto.FLOAT))
    nodes = list(proto.graph.node)
    del proto.graph.initializer[:], proto.graph.node[:]
    proto.graph.initializer.extend(kept)
    proto.graph.node.extend([nodes[0], *casts, *nodes[1:]])  # the first node stays the photo's Cast


def strip_traces(proto: onnx.ModelProto) -> None:
    """Drop the exporter's stack traces: half of the file's text, and paths of the machine that made it."""
    proto.doc_string = proto.graph.doc_string = ""
    for node in proto.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del value.metadata_props[:]
    del proto.graph.metadata_props[:], proto.graph.value_info[:]


def annotate(proto: onnx.ModelProto, metadata: dict[str, Any]) -> None:
    """Replace the file's `metadata_props` by these strings."""
    del proto.metadata_props[:]
    helper.set_model_props(proto, {key: str(value) for key, value in metadata.items()})
