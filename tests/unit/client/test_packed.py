"""The packed last layers compute what the plain ones do, but for the outermost pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from matting_client.processing import letterbox
from matting_client.repository import model_repository
from matting_client.runtime.cpu import openvino_core
from matting_client.runtime.space_to_depth import pack_last_layers
from numpy.typing import NDArray
from openvino import opset13 as ops
from skimage import data

from tests.unit.client.conftest import tiny_model

SIDE = 32
BORDER = 3  # one pixel of the enlargement, and one for each convolution behind it
RNG = np.random.default_rng(0)


def _convolution(source: Any, channels: int, out: int, size: int = 3) -> Any:
    weights = RNG.standard_normal((out, channels, size, size)).astype(np.float32) / (3 * channels) ** 0.5
    found = ops.convolution(source, ops.constant(weights), [1, 1], [size // 2] * 2, [size // 2] * 2, [1, 1])
    return ops.add(found, ops.constant(RNG.standard_normal((1, out, 1, 1)).astype(np.float32)))


def _network(mode: str = "linear_onnx", size: int = 3) -> ov.Model:
    """Random layers in the order of the network's last ones: (1, S, S, 3) -> (1, 1, S, S)."""
    photo = ops.parameter([1, SIDE, SIDE, 3], np.float32)
    planes = ops.transpose(photo, ops.constant([0, 3, 1, 2]))
    small = ops.relu(_convolution(ops.avg_pool(planes, [2, 2], [0, 0], [0, 0], [2, 2], True), 3, 6))
    large = ops.interpolate(
        small,
        ops.constant([SIDE, SIDE]),
        mode,
        "sizes",
        axes=ops.constant([2, 3]),
        coordinate_transformation_mode="half_pixel",
    )
    joined = ops.relu(_convolution(ops.concat([large, ops.relu(_convolution(planes, 3, 4))], 1), 10, 5, size))
    return ov.Model([ops.sigmoid(_convolution(joined, 5, 1))], [photo])


def _run(model: ov.Model, photo: NDArray[Any]) -> NDArray[np.float32]:
    compiled = openvino_core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    return np.asarray(compiled({0: photo})[0], np.float32)


def _kinds(model: ov.Model) -> list[str]:
    return [op.get_type_name() for op in model.get_ordered_ops()]


def test_the_same_alpha_inside_and_nearly_the_same_at_the_border() -> None:
    photo = RNG.standard_normal((1, SIDE, SIDE, 3)).astype(np.float32)
    model = _network()
    plain = _run(model, photo)
    assert pack_last_layers(model)
    assert not {"Interpolate"} & set(_kinds(model)) and {"SpaceToDepth", "DepthToSpace"} <= set(_kinds(model))
    packed = _run(model, photo)
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    assert np.abs(packed[inside] - plain[inside]).max() < 1e-5
    assert plain[inside].std() > 0.1
    assert np.abs(packed - plain).max() > 1e-3  # so that a claim of being exact everywhere would be noticed


@pytest.mark.parametrize("other", [{"mode": "nearest"}, {"size": 5}])
def test_another_end_is_left_alone(other: dict[str, Any]) -> None:
    model = _network(**other)
    before = _kinds(model)
    assert not pack_last_layers(model) and _kinds(model) == before


def test_a_graph_without_convolutions_is_left_alone(tmp_path: Path) -> None:
    model = openvino_core().read_model(tiny_model(SIDE).SerializeToString())
    model.reshape([1, SIDE, SIDE, 3])
    assert not pack_last_layers(model)


def test_the_published_model_is_packed_and_agrees() -> None:
    model = openvino_core().read_model(model_repository() / "matting_512" / "1" / "model.onnx")
    model.reshape([1, 512, 512, 3])
    photo = letterbox(data.astronaut(), 512)[0][None]
    plain = _run(model, photo)
    assert pack_last_layers(model)
    difference = np.abs(_run(model, photo) - plain)[0, ..., 0]
    assert difference[BORDER:-BORDER, BORDER:-BORDER].max() <= 1  # a rounding of the last step
    assert difference.mean() / 255 < 1e-4
