from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_training.clean import compare_label, main

ROOT = Path(__file__).resolve().parents[3]


def square() -> np.ndarray:
    pha = np.zeros((200, 200), np.uint8)
    pha[40:, 50:150] = 255
    return pha


def test_a_hole_that_both_views_fill_is_repaired_and_hairs_stay() -> None:
    truth, label = square(), square()
    label[100:130, 80:120] = 0  # a lost patch of shirt
    label[10:60, 20] = 255  # a hair that the model does not see
    verdict = compare_label(label, (truth, truth), repair=True)
    assert verdict.repaired == 30 * 40 and verdict.difference == 0
    assert (verdict.label[100:130, 80:120] == 255).all() and (verdict.label[10:60, 20] == 255).all()


def test_a_shoulder_lost_up_to_its_edge_gets_its_edge_back() -> None:
    truth, label = square(), square()
    label[120:, 100:] = 0
    label[100:120, 30:40] = 90  # haze elsewhere, which the model does not see
    expected = np.maximum(truth, label)
    assert np.array_equal(compare_label(label, (truth, truth), repair=True).label, expected)


def test_without_repair_the_patch_counts_as_difference() -> None:
    truth, label = square(), square()
    label[100:130, 80:120] = 0
    verdict = compare_label(label, (truth, truth), repair=False)
    assert verdict.repaired == 0 and verdict.label is label
    assert verdict.difference == pytest.approx(30 * 40 / (160 * 100 - 30 * 40), rel=0.1)


def test_a_hole_that_one_view_sees_too_is_kept() -> None:
    truth, label = square(), square()
    label[100:130, 80:120] = 0
    assert compare_label(label, (truth, label), repair=True).repaired == 0


def test_a_cleaned_set_is_a_set_without_its_wrong_pairs(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = dataset / "people/alpha/two.png"
    shape = cv2.imread(str(wrong), 0).shape
    half = np.zeros(shape, np.uint8)
    half[: shape[0] // 2] = 255
    cv2.imwrite(str(wrong), half)
    out = dataset / "clean"
    assert main([str(dataset / "people"), str(out), "--drop", "0.5"]) == 0
    rows = {row["stem"]: row for row in csv.DictReader((out / "cleaned.csv").read_text().splitlines())}
    assert rows.keys() == {"one", "two"}
    kept = {stem for stem, row in rows.items() if row["kept"] == "1"}
    assert (
        {path.stem for path in (out / "images").iterdir()} == {path.stem for path in (out / "alpha").iterdir()} == kept
    )
    assert f"{len(kept)} of 2 pairs kept" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main([str(dataset / "people"), str(out)])
    for drop in ("nan", "-1"):
        with pytest.raises(SystemExit):
            main([str(dataset / "people"), str(dataset / drop), "--drop", drop])


def test_a_set_that_was_interrupted_is_none(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("matting_training.clean.compare_label", stop)
    before = sorted(dataset.iterdir())
    with pytest.raises(KeyboardInterrupt):
        main([str(dataset / "people"), str(dataset / "clean")])
    assert sorted(dataset.iterdir()) == before
