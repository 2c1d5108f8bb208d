from __future__ import annotations

from pathlib import Path

import pytest
import torch
from matting_export.metadata import TRAINING_DATA, training_data
from matting_training.average import average, main, mean_of_weights
from matting_training.checkpoint import load_model, read_metadata, save_weights
from matting_training.data.pairs import find_pairs

WEIGHTS = Path(__file__).parents[3] / "training/matting_training/weights/matting.safetensors"


@pytest.fixture
def worse(tmp_path: Path) -> Path:
    """The published weights, spoilt."""
    model = load_model(WEIGHTS)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.stages.parameters():
            parameter += 0.3 * parameter.std() * torch.randn_like(parameter) if parameter.numel() > 1 else 0
    path = tmp_path / "worse.safetensors"
    save_weights(path, model.state_dict(), model.config, {"seen": 8, "scores": {}, "learnt": {"mine": 9}})
    return path


def test_a_point_between_is_the_mean(worse: Path) -> None:
    old, new, middle = load_model(WEIGHTS), load_model(worse), mean_of_weights(WEIGHTS, worse, 0.25)
    for name, value in middle.named_parameters():
        want = 0.75 * old.get_parameter(name) + 0.25 * new.get_parameter(name)
        assert torch.allclose(value, want, atol=1e-6), name


def test_the_share_that_measures_best_is_written(dataset: Path, worse: Path, tmp_path: Path) -> None:
    out = tmp_path / "mean.safetensors"
    validation = {"val": find_pairs(dataset / "val")}
    assert average(WEIGHTS, worse, out, validation=validation, shares=(0.0, 1.0), size=64) in (0.0, 1.0)
    header = read_metadata(out)
    assert set(header["scores"]["val"]) == {"SAD", "MAD", "MSE", "Grad"}
    assert main([str(WEIGHTS), str(worse), str(out), "--data", str(dataset), "--validate", "val", "--shares", "1",
                 "--size", "64"]) == 0  # fmt: skip
    header = read_metadata(out)
    assert header["seen"] == read_metadata(WEIGHTS)["seen"] + 8
    assert training_data(header) == f"{TRAINING_DATA}; then mine (9 photos)"
    assert training_data(read_metadata(WEIGHTS)) == TRAINING_DATA


def test_missing_data_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(WEIGHTS), str(WEIGHTS), str(tmp_path / "o"), "--data", str(tmp_path)]) == 1
    assert "val_london" in capsys.readouterr().err
    for more in (["nowhere/o"], [str(tmp_path / "o"), "--shares", "1.5"]):
        with pytest.raises(SystemExit, match="2"):
            main([str(WEIGHTS), str(WEIGHTS), *more])
        assert "got" in capsys.readouterr().err
