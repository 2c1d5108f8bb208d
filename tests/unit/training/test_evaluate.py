from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_client import MattingClient
from matting_training.evaluate import Predict, TorchEngine, evaluate, main, means
from matting_training.metrics import METRICS

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = ROOT / "training" / "matting_training" / "weights" / "matting.safetensors"


@pytest.fixture(scope="module")
def predict() -> Predict:
    return MattingClient(TorchEngine(WEIGHTS, 64)).alpha


def test_a_set_is_scored_with_all_metrics(predict: Predict, dataset: Path) -> None:
    scores = evaluate(predict, dataset / "val")
    assert set(scores) == {path.stem for path in (dataset / "val" / "images").iterdir()}
    found = means(scores)
    assert found.keys() == METRICS.keys()
    assert 0 < found["MAD"] < 1 and found["SAD"] == pytest.approx(found["MAD"] * 96 * 96 / 1000)


def test_fewer_rows_count_less(predict: Predict, dataset: Path) -> None:
    few, all_ = (means(evaluate(predict, dataset / "val", rows=rows)) for rows in (0.25, 1.0))
    assert few["SAD"] < all_["SAD"]


def test_a_folder_without_alphas_gives_the_mean_alpha(predict: Predict, dataset: Path) -> None:
    assert 0 <= means(evaluate(predict, dataset / "backgrounds"))["mean alpha"] <= 1


def test_command_line(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [str(dataset / "val"), "--engine", "torch", "--weights", str(WEIGHTS), "--size", "64"]
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith("val                      SAD ")
    assert main([str(dataset / "nothing"), *argv[1:]]) == 1
    assert "nothing" in capsys.readouterr().err


def test_alphas_of_a_peer_are_scored_and_the_worst_come_first(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataset / "people"
    truths = sorted((root / "alpha").iterdir())
    for number, truth in enumerate(truths):
        alpha = cv2.imread(str(truth), cv2.IMREAD_GRAYSCALE)
        assert alpha is not None
        cv2.imwrite(str(tmp_path / f"{truth.stem}.png"), alpha if number else 255 - alpha)
    sheet = tmp_path / "sheet.png"
    assert main([str(root), "--alphas", str(tmp_path), "--sheet", str(sheet)]) == 0
    assert "SAD" in capsys.readouterr().out
    drawn = cv2.imread(str(sheet), cv2.IMREAD_GRAYSCALE)
    assert drawn is not None and drawn.shape == (256 * len(truths), 4 * 256)
    differences = [float(np.abs(row[:, 256:512].astype(float) - row[:, 512:768]).mean()) for row in
                   np.split(drawn, len(truths))]  # fmt: skip
    assert differences[0] > 50 and max(differences[1:]) == 0

    sheet.unlink()
    (tmp_path / f"{truths[1].stem}.png").unlink()
    assert main([str(root), "--alphas", str(tmp_path)]) == 1
    assert truths[1].stem in capsys.readouterr().err
    cv2.imwrite(str(tmp_path / f"{truths[1].stem}.png"), np.zeros((5, 5), np.uint8))
    assert main([str(root), "--alphas", str(tmp_path)]) == 1
    assert "(5, 5)" in capsys.readouterr().err


def test_groups_are_scored_apart(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = dataset / "people"
    for truth in (root / "alpha").iterdir():
        cv2.imwrite(str(tmp_path / f"{truth.stem}.png"), np.zeros((96, 96), np.uint8))
    groups = tmp_path / "groups.json"
    groups.write_text('{"first": ["one"], "nobody here": ["somebody"]}', encoding="utf-8-sig")
    argv = [str(root), "--alphas", str(tmp_path), "--groups", str(groups)]
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("  first (1) ")
    groups.write_text("[1]")
    assert main(argv) == 1
    assert "groups.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "says"),
    [(["--sheet", "worst.gif"], "expected .png"), (["--sheet", "nowhere/a.png"], "got no folder nowhere"),
     (["--size", "500"], "size: got 500")],
)  # fmt: skip
def test_what_cannot_work_is_said_first(
    dataset: Path, option: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(dataset / "val"), *option])
    assert says in capsys.readouterr().err


def test_weights_that_are_none_are_said(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w.safetensors").write_text("none")
    assert main([str(dataset / "val"), "--engine", "torch", "--weights", str(tmp_path / "w.safetensors")]) == 1
    assert "w.safetensors: got no weights" in capsys.readouterr().err
    assert main([str(dataset / "val"), "--engine", "torch", "--weights", str(tmp_path / "none.safetensors")]) == 1
    assert "none.safetensors: cannot be used (No such file" in capsys.readouterr().err


def test_the_published_weights_are_found_from_everywhere(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(dataset / "val"), "--engine", "torch", "--size", "64"]) == 0
    assert capsys.readouterr().out.startswith("val ")
