from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from matting_training.checkpoint import load_model, load_weights, read_metadata, save_weights
from matting_training.model.blocks import Residual
from matting_training.model.encoder import CHANNELS, EfficientNetLite0
from matting_training.model.unet import WHOLE_SIDE, MattingUNet, ModelConfig, model_cost
from safetensors.torch import load_file, save_file

SWITCHES = [
    ModelConfig(),
    ModelConfig(cbam=False),
    ModelConfig(transformer=0),
    ModelConfig(deep_supervision=False),
    ModelConfig(cbam=False, transformer=0, deep_supervision=False),
]


@pytest.mark.parametrize("config", SWITCHES)
def test_every_switch_gives_an_alpha_of_the_input_size(config: ModelConfig) -> None:
    model = MattingUNet(config).eval()
    with torch.no_grad():
        pha = model(torch.rand(2, 3, 96, 64) * 255)
    assert pha.shape == (2, 1, 96, 64)
    assert float(pha.min()) >= 0 and float(pha.max()) <= 1


@pytest.mark.parametrize(("config", "size"), [*((config, 64) for config in SWITCHES), (ModelConfig(), 576)])
def test_training_gives_side_alphas_and_every_parameter_learns(config: ModelConfig, size: int) -> None:
    model = MattingUNet(config).train()
    out = model(torch.rand(2, 3, size, size) * 255)
    pha, sides = out if isinstance(out, tuple) else (out, [])
    deep = size // 2 if size > WHOLE_SIDE else size
    expected = [deep // 16, deep // 8, size // 4, size // 2] if config.deep_supervision else []
    assert [side.shape[2] for side in sides] == expected
    (pha.mean() + sum(side.mean() for side in sides)).backward()
    still = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is None}
    assert still == (set() if size > WHOLE_SIDE else {"fine"})


def test_the_blocks_for_large_photos_add_nothing_at_first_and_never_to_small_ones() -> None:
    torch.manual_seed(2)
    model, photos = MattingUNet().eval(), [torch.rand(1, 3, size, size) * 255 for size in (64, 576)]
    with torch.no_grad():
        fresh = [model(photo) for photo in photos]
        for block in model.fine:
            assert isinstance(block, Residual)
            block.squeeze[0].weight.mul_(2)
        assert all(torch.equal(model(photo), alpha) for photo, alpha in zip(photos, fresh, strict=True))
        for block in model.fine:
            assert isinstance(block, Residual)
            torch.nn.init.normal_(block.expand.weight, std=0.1)
        small, large = (model(photo) for photo in photos)
    assert torch.equal(small, fresh[0]) and not torch.allclose(large, fresh[1], atol=1e-3)


def test_above_512_pixels_the_deep_levels_see_half_the_size() -> None:
    model = MattingUNet().train()
    deep: list[tuple[int, ...]] = []
    model.neck.register_forward_hook(lambda module, given, out: deep.append(tuple(out.shape[2:])))
    with torch.no_grad():
        pha, sides = model(torch.rand(1, 3, 576, 576) * 255)
    assert deep == [(9, 9)]
    assert [side.shape[2] for side in sides] == [18, 36, 144, 288]
    assert pha.shape == (1, 1, 576, 576)


def test_stays_within_the_budget_at_both_sizes() -> None:
    model = MattingUNet()
    small, large = model_cost(model, 512), model_cost(model, 1024)
    assert small["gflop"] <= 15 and large["gflop"] <= 60
    assert small["parameters_m"] <= 8


def test_cost_counts_two_operations_per_multiply_add() -> None:
    stem = 2 * 32 * 3 * 9 * 32 * 32  # 3x3 convolution from 3 to 32 channels on 64x64 with stride 2
    assert model_cost(MattingUNet(), 64)["gflop"] * 1e9 > stem
    ratio = (
        model_cost(MattingUNet(ModelConfig(transformer=0)), 128)["gflop"]
        / model_cost(MattingUNet(ModelConfig(transformer=0)), 64)["gflop"]
    )
    assert ratio == pytest.approx(4, rel=0.01)


def test_encoder_takes_all_imagenet_weights_and_halves_five_times() -> None:
    encoder = EfficientNetLite0(pretrained=True).eval()
    assert float(encoder.conv_stem.weight.detach().abs().mean()) > 0.05
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 64, 64))
    assert [tuple(f.shape[1:]) for f in features] == [(c, 32 >> i, 32 >> i) for i, c in enumerate(CHANNELS)]


def test_published_weights_survive_a_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MattingUNet(ModelConfig(transformer=1)).eval()
    path = tmp_path / "w.safetensors"
    save_weights(path, model.state_dict(), model.config, {"seen": 7, "scores": {}})
    assert read_metadata(path)["seen"] == 7
    again = load_model(path)
    assert again.config == model.config
    image = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        assert torch.allclose(model(image), again(image), atol=2e-3)  # weights are stored in fp16
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_weights_of_another_shape_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = MattingUNet(ModelConfig(transformer=0))
    save_weights(path, model.state_dict(), model.config, {})
    with pytest.raises(ValueError, match=r"w\.safetensors.*missing \['context"):
        load_weights(MattingUNet(), path)


def test_weights_of_another_version_are_refused(tmp_path: Path) -> None:
    model, path = MattingUNet(ModelConfig(transformer=0)), tmp_path / "w.safetensors"
    save_weights(path, model.state_dict(), model.config, {"seen": 7, "scores": {}})
    weights, header = load_file(path), read_metadata(path)
    header["model"]["refiner"] = 32
    save_file(weights, path, {key: json.dumps(value) for key, value in header.items()})
    with pytest.raises(ValueError, match=r"w\.safetensors: got a model with .*refiner.*expected bottleneck"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("model", {"bottleneck": wrong}) for wrong in ("x", None, -1, 10**9)),
        *(("model", {key: wrong}) for key, wrong in (("transformer", 10**9), ("fine", 3), ("decoder", [1, 2]))),
        *(("seen", wrong) for wrong in ("x", [], float("nan"))),
        ("learnt", [1]),
    ],
)
def test_headers_that_describe_no_network_are_refused(tmp_path: Path, key: str, value: object) -> None:
    if isinstance(value, dict):
        value = ModelConfig().to_dict() | value
    header = {"model": json.dumps(ModelConfig().to_dict()), key: json.dumps(value)}
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", header)
    with pytest.raises(ValueError, match=r"w\.safetensors: got a wrong"):
        load_model(tmp_path / "w.safetensors")
