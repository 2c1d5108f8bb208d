from __future__ import annotations

from pathlib import Path

import pytest
from matting_client import MattingClient

from training.evaluate import TorchEngine, evaluate, main
from training.metrics import METRICS

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = ROOT / "training" / "weights" / "matting.safetensors"


@pytest.fixture(scope="module")
def client() -> MattingClient:
    return MattingClient(TorchEngine(WEIGHTS, 64))


def test_a_set_is_scored_with_all_metrics(client: MattingClient, dataset: Path) -> None:
    found = evaluate(client, dataset / "val")
    assert found.keys() == METRICS.keys()
    assert 0 < found["MAD"] < 1 and found["SAD"] == pytest.approx(found["MAD"] * 96 * 96 / 1000)


def test_fewer_rows_count_less(client: MattingClient, dataset: Path) -> None:
    assert evaluate(client, dataset / "val", rows=0.25)["SAD"] < evaluate(client, dataset / "val")["SAD"]


def test_a_folder_without_alphas_gives_the_mean_alpha(client: MattingClient, dataset: Path) -> None:
    assert 0 <= evaluate(client, dataset / "backgrounds")["mean alpha"] <= 1


def test_command_line(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [str(dataset / "val"), "--engine", "torch", "--weights", str(WEIGHTS), "--size", "64"]
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith("val            SAD ")
    assert main([str(dataset / "nothing"), *argv[1:]]) == 1
    assert "nothing" in capsys.readouterr().err
