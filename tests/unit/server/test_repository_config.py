"""Every config.pbtxt parses, means what we think, and agrees with the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

REPOSITORY = Path(__file__).resolve().parents[3] / "model_repository"
SIZES = {"matting_512": 512, "matting_1024": 1024}
VARIANTS = ("config.pbtxt", "configs/cuda.pbtxt", "configs/tensorrt.pbtxt")
REJECT = 0  # ModelQueuePolicy.TimeoutAction


def _parse(model: str, variant: str) -> Any:
    return text_format.Parse((REPOSITORY / model / variant).read_text(), model_config_pb2.ModelConfig())


def test_no_model_is_forgotten() -> None:
    assert {path.parent.name for path in REPOSITORY.glob("*/config.pbtxt")} == set(SIZES)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", SIZES)
def test_contract(model: str, variant: str) -> None:
    config, size = _parse(model, variant), SIZES[model]
    assert config.name == model
    for tensors, name, channels in ((config.input, "image", 3), (config.output, "alpha", 1)):
        (tensor,) = tensors
        assert (tensor.name, tensor.data_type) == (name, model_config_pb2.TYPE_UINT8)
        # Without the batch axis: with it, or without max_batch_size, Triton forms no batches.
        assert list(tensor.dims) == [size, size, channels]
    assert (config.max_batch_size == 1) == (variant == "configs/cuda.pbtxt")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", SIZES)
def test_the_queue_refuses(model: str, variant: str) -> None:
    config = _parse(model, variant)
    assert config.HasField("dynamic_batching")
    policy = config.dynamic_batching.default_queue_policy
    assert policy.timeout_action == REJECT
    assert policy.max_queue_size >= 2 * config.max_batch_size
    assert policy.default_timeout_microseconds > 0
    assert not policy.allow_timeout_override


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", SIZES)
def test_warm_up_runs_the_real_input(model: str, variant: str) -> None:
    config = _parse(model, variant)
    assert config.model_warmup
    for sample in config.model_warmup:
        tensor = sample.inputs["image"]
        assert list(tensor.dims) == list(config.input[0].dims)
        assert tensor.data_type == config.input[0].data_type
        assert 1 <= sample.batch_size <= config.max_batch_size


@pytest.mark.parametrize("model", SIZES)
def test_default_config_fits_every_machine(model: str) -> None:
    config = _parse(model, "config.pbtxt")
    assert (config.backend, config.platform, config.default_model_filename) == ("onnxruntime", "", "")
    (group,) = config.instance_group
    # No kind: NVIDIA's container takes the GPU where there is one, the CPU otherwise.
    assert (group.count, group.kind) == (1, model_config_pb2.ModelInstanceGroup.KIND_AUTO)


@pytest.mark.parametrize("model", SIZES)
def test_cuda_config_runs_one_size_of_batch(model: str) -> None:
    config = _parse(model, "configs/cuda.pbtxt")
    assert (config.backend, config.default_model_filename, config.max_batch_size) == ("onnxruntime", "", 1)
    (group,) = config.instance_group
    assert (group.count, group.kind) == (2, model_config_pb2.ModelInstanceGroup.KIND_GPU)


@pytest.mark.parametrize("model", SIZES)
def test_tensorrt_config(model: str) -> None:
    config = _parse(model, "configs/tensorrt.pbtxt")
    assert (config.platform, config.default_model_filename) == ("tensorrt_plan", "model.plan")
    (group,) = config.instance_group
    assert (group.count, group.kind) == (2, model_config_pb2.ModelInstanceGroup.KIND_GPU)
    cuda = config.optimization.cuda
    assert cuda.graphs
    batches = [graph.batch_size for graph in cuda.graph_spec]
    assert batches == [size for size in (1, 2, 4, 8, 16) if size <= config.max_batch_size]
    covered: list[int] = []
    for graph in cuda.graph_spec:
        assert list(graph.input["image"].dim) == list(config.input[0].dims)
        low = graph.graph_lower_bound
        if graph.HasField("graph_lower_bound"):
            assert list(low.input["image"].dim) == list(config.input[0].dims)
        covered += range(low.batch_size or graph.batch_size, graph.batch_size + 1)
    # Every batch size that can occur has exactly one graph.
    assert covered == list(range(1, config.max_batch_size + 1))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", SIZES)
def test_agrees_with_the_exported_contract(model: str, variant: str) -> None:
    config = _parse(model, variant)
    contract = json.loads((REPOSITORY / model / "contract.json").read_text())
    for ours, theirs in ((config.input[0], contract["input"]), (config.output[0], contract["output"])):
        assert ours.name == theirs["name"]
        assert model_config_pb2.DataType.Name(ours.data_type) == f"TYPE_{theirs['datatype']}"
        assert list(ours.dims) == theirs["dims"]
