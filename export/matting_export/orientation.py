"""The network that tells which way up a photo is, as ONNX: `python -m matting_export.orientation WEIGHTS`."""

from __future__ import annotations

import sys
from pathlib import Path

import matting_client
import numpy as np
import onnx
import torch
from matting_client.cli.parser import Parser, error_line, run_alone
from matting_client.processing.upright import SIDE, WEIGHTS
from matting_training.orientation import OrientationNet, load
from matting_training.whole import written_whole
from onnx import numpy_helper
from torch import nn

from matting_export.graph import exported, store_weights_as_half, strip_traces

OPSET = 18  # the oldest that torch writes
PUBLISHED = Path(matting_client.__file__).parent / WEIGHTS


def write(model: OrientationNet, path: Path) -> None:
    """The network and a softmax, `photo` (1, 3, 128, 128) to `quarters` (1, 4), its weights rounded to fp16."""
    whole = nn.Sequential(model, nn.Softmax(1)).eval()
    proto = exported(whole, torch.zeros(1, 3, SIDE, SIDE), ("photo", "quarters"), OPSET)
    round_weights(proto)
    strip_traces(proto)
    with written_whole(path) as part:
        onnx.save(proto, part)


def round_weights(proto: onnx.ModelProto) -> None:
    """Round weights, into which batch norms are folded by now, to fp16, and keep them as that, in place."""
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        rounded = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    store_weights_as_half(proto)


def main() -> int:
    """Run the command; 1 for weights that cannot be used."""
    parser = Parser("python -m matting_export.orientation", description=__doc__)
    parser.add_argument("weights", type=Path, help="orientation.safetensors of matting_training.orientation")
    parser.add_argument("-o", "--output", type=Path, default=PUBLISHED, help="(default: the client's)")
    given = parser.parse_args()
    try:
        write(load(given.weights), given.output)
    except (OSError, ValueError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    print(f"wrote {given.output}")
    return 0


if __name__ == "__main__":
    run_alone(main)
