from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_training.data.pairs import DataError, find_pairs
from matting_training.gate import NotBetterError, check, error_of, geometric_mean
from matting_training.validation import validate_pairs

BEFORE = {"val_a": 0.0040, "val_b": 0.0100}


@pytest.mark.parametrize(
    ("after", "aim"),
    [
        ({"val_a": 0.0030, "val_b": 0.0100}, None),
        ({"val_a": 0.0030, "val_b": 0.01019}, None),  # within what is called kept
        ({"val_a": 0.0040, "val_b": 0.0090}, "val_b"),
    ],
)
def test_what_is_better_and_keeps_the_rest_passes(after: dict[str, float], aim: str | None) -> None:
    check(BEFORE, after, aim)


@pytest.mark.parametrize(
    ("after", "aim", "says"),
    [
        ({"val_a": 0.0010, "val_b": 0.0104}, None, "val_b 0.01000 -> 0.01040"),  # a loss that no gain outweighs
        (BEFORE, None, "no better"),
        ({"val_a": 0.0030, "val_b": 0.0100}, "val_b", "no better"),
        ({"val_a": 0.0040, "val_b": 0.00998}, "val_b", "no better"),  # chance
    ],
)
def test_what_is_worse_or_no_better_is_refused(after: dict[str, float], aim: str | None, says: str) -> None:
    with pytest.raises(NotBetterError, match=says):
        check(BEFORE, after, aim)


def test_an_alpha_of_another_size_is_named(dataset: Path) -> None:
    pairs = find_pairs(dataset / "people")
    cv2.imwrite(str(pairs[1].alpha), np.zeros((30, 20), np.uint8))
    for measure in (error_of, validate_pairs):
        with pytest.raises(DataError, match=f"{pairs[1].alpha}: got 20x30"):
            measure(lambda rgb: rgb[..., 0], pairs)


def test_a_set_that_doubles_outweighs_one_that_loses_a_third() -> None:
    assert geometric_mean({"a": 0.002, "b": 0.2}) > geometric_mean({"a": 0.001, "b": 0.3})


def test_photos_are_turned_with_their_alpha(tmp_path: Path) -> None:
    """White subjects on black are their own alpha; who knows the upright photo alone errs on the one upside down."""
    alpha = np.zeros((40, 30), np.uint8)
    alpha[:10] = 255
    for folder in ("images", "alpha"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "one.png"), alpha)
    pairs = find_pairs(tmp_path)
    assert [error_of(lambda rgb: rgb[..., 0], pairs, quarters) for quarters in (0, 2)] == [0, 0]
    assert [error_of(lambda rgb: alpha, pairs, quarters) for quarters in (0, 2)] == [0, 0.5]
