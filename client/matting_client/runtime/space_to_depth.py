"""The network's last layers at half the size, with each square of four pixels in the channels: for bf16 on AMX.

At the photo's size the network has few channels: 16, enlarged from half the size, and 8 from the photo itself are
joined and become alpha in two 3x3 convolutions. That fills AMX's tiles badly, and enlarging and joining copy 20 MB a
photo. With four pixels in the channels (space to depth), a 3x3 convolution is one of four times the channels that has
zeros where a pixel is out of reach, and bilinear doubling with a convolution behind it is a single one at half the
size. On AMX a photo takes an eighth less time; in fp32, with more to multiply, slightly more
(docs/decisions/packed-last-layers.md).

It is the same function but for the three outermost pixels: there the enlargement repeats the edge, and the packed
convolution sees zeros beyond it. That changes alpha by less than bf16's rounding does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from matting_client.types import F32

# Of bilinear doubling: a pixel at an even (odd) place is 3/4 the small pixel it lies in and 1/4 the one before (after).
NEAR = 0.75
FAR = 0.25


class _Unlike(Exception):
    """The graph is not the one we know."""


@dataclass(frozen=True)
class _Layer:
    """A 3x3 convolution that keeps the size, with its bias; `source` is the OpenVINO output that it reads."""

    weights: F32  # (O, I, 3, 3)
    bias: F32  # (O,)
    source: Any


def pack_last_layers(model: Any) -> bool:
    """Change an `openvino.Model` of fixed shape in place; False where it ends in another way and stays as it is."""
    from openvino import opset13 as ops

    try:
        add = _last_bias(model)
        head = _layer(add)
        join = _layer(_source(_node(head.source, "Relu")))
        cat = _node(join.source, "Concat")
        small = _source_of_doubling(cat.input_value(0).get_node())
        detail = _layer(_source(_node(cat.input_value(1), "Relu")))
    except _Unlike:
        return False

    def convolution(source: Any, weights: F32, bias: F32) -> Any:
        found = ops.convolution(source, ops.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
        return ops.add(found, ops.constant(np.tile(bias, 4).reshape(1, -1, 1, 1)))

    near = ops.space_to_depth(detail.source, "blocks_first", 2)
    near = ops.relu(convolution(near, pack_weights(detail.weights), detail.bias))
    channels = small.get_partial_shape()[1].get_length()
    weights = [packed_after_doubling(join.weights[:, :channels]), pack_weights(join.weights[:, channels:])]
    joined = ops.relu(convolution(ops.concat([small, near], 1), np.concatenate(weights, 1), join.bias))
    alpha = ops.depth_to_space(convolution(joined, pack_weights(head.weights), head.bias), "blocks_first", 2)
    add.output(0).replace(alpha.output(0))
    model.validate_nodes_and_infer_types()
    return True


def pack_weights(weights: F32) -> F32:
    """(O, I, 3, 3) of a convolution at full size -> (4 O, 4 I, 3, 3) of the same one on packed pixels, blocks first."""
    out, channels = weights.shape[:2]
    result = np.zeros((2, 2, out, 2, 2, channels, 3, 3), np.float32)
    for y, x, dy, dx in np.ndindex(2, 2, 3, 3):  # the pixel in its square, and the step from it
        row, in_y = divmod(y + dy - 1, 2)
        column, in_x = divmod(x + dx - 1, 2)
        result[y, x, :, in_y, in_x, :, row + 1, column + 1] = weights[:, :, dy, dx]
    return result.reshape(4 * out, 4 * channels, 3, 3)


def packed_after_doubling(weights: F32) -> F32:
    """(O, I, 3, 3) of a convolution behind bilinear doubling -> (4 O, I, 3, 3) of one on the small picture."""
    out, channels = weights.shape[:2]
    result = np.zeros((2, 2, out, channels, 3, 3), np.float32)
    for y, x, dy, dx in np.ndindex(2, 2, 3, 3):
        for row, of_row in _doubled(y + dy - 1):
            for column, of_column in _doubled(x + dx - 1):
                result[y, x, :, :, row + 1, column + 1] += of_row * of_column * weights[:, :, dy, dx]
    return result.reshape(4 * out, channels, 3, 3)


def _doubled(place: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """The two small pixels that make the large one at `place`, with their shares."""
    small, odd = divmod(place, 2)
    return (small, NEAR), (small + 1 if odd else small - 1, FAR)


def _last_bias(model: Any) -> Any:
    """The addition behind the last convolution, which has to make one channel of the photo's size."""
    side = model.input(0).get_partial_shape()[1].get_length()
    convolutions = [op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    if not convolutions or list(convolutions[-1].output(0).get_partial_shape().to_shape()) != [1, 1, side, side]:
        raise _Unlike
    users = [user.get_node() for user in convolutions[-1].output(0).get_target_inputs()]
    additions = [user for user in users if user.get_type_name() == "Add"]
    if len(additions) != 1:
        raise _Unlike
    return additions[0]


def _layer(add: Any) -> _Layer:
    if add.get_type_name() != "Add":
        raise _Unlike
    convolution = _node(add.input_value(0), "Convolution")
    bias = _constant(add.input_value(1).get_node())
    weights = _constant(convolution.input_value(1).get_node())
    how = convolution.get_attributes()
    ones = [how[name] for name in ("strides", "pads_begin", "pads_end", "dilations")]
    if weights.shape[2:] != (3, 3) or any(list(pair) != [1, 1] for pair in ones):
        raise _Unlike
    return _Layer(weights, bias.reshape(-1), convolution.input_value(0))


def _source_of_doubling(resize: Any) -> Any:
    how = resize.get_attributes() if resize.get_type_name() == "Interpolate" else {}
    source = resize.input_value(0) if how else None
    if source is None or not how["mode"].startswith("linear") or how["coordinate_transformation_mode"] != "half_pixel":
        raise _Unlike
    small, large = (list(x.get_partial_shape().to_shape()) for x in (source, resize.output(0)))
    if large != [*small[:2], 2 * small[2], 2 * small[3]]:
        raise _Unlike
    return source


def _node(output: Any, kind: str) -> Any:
    node = output.get_node()
    if node.get_type_name() != kind:
        raise _Unlike
    return node


def _source(node: Any) -> Any:
    return node.input_value(0).get_node()


def _constant(node: Any) -> F32:
    """The numbers of a constant, which may be stored as fp16 or in another shape."""
    kind = node.get_type_name()
    if kind == "Constant":
        return np.asarray(node.get_data(), np.float32)
    if kind == "Convert":
        return _constant(_source(node))
    if kind == "Reshape":
        return _constant(_source(node)).reshape(list(node.output(0).get_partial_shape().to_shape()))
    raise _Unlike
