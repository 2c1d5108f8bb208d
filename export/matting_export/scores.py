"""What each published model scores on photos that it never saw: for its contract, which the page's About shows."""

from __future__ import annotations

import json
from pathlib import Path

from matting_client import MattingClient
from matting_client.engines import LocalEngine
from matting_client.repository import CONTRACT_FILE
from matting_training.data.pairs import DataError, Pair, find_pairs
from matting_training.train import VALIDATION
from matting_training.validation import validate_pairs

from matting_export.metadata import write_contract

Scores = dict[str, dict[str, float]]  # by set and metric


def find_validation(*folders: Path) -> dict[str, list[Pair]]:
    """The sets named val_... of all folders that have alphas.

    Raises
    ------
    DataError
        There is none.
    """
    found = [path for data in folders for path in sorted(data.glob(f"{VALIDATION}*")) if (path / "alpha").is_dir()]
    if not found:
        where = ", ".join(map(str, folders))
        raise DataError(f"{where}: got no set named {VALIDATION}..., expected one to measure on; hold out some photos")
    return {path.name: find_pairs(path) for path in found}


def publish_scores(repository: Path, name: str, *folders: Path) -> Scores:
    """Measure one model of the repository in fp32, at its own size, and write the scores into its contract.

    Raises
    ------
    DataError
        The folders have no sets named val_..., or a picture cannot be read.
    OSError, ValueError
        The model has no contract that can be read; publish it first.
    """
    validation = find_validation(*folders)
    file = repository / name / CONTRACT_FILE
    contract = json.loads(file.read_text(encoding="utf-8"))
    with MattingClient(LocalEngine(name, repository, precision="f32")) as client:
        measured = {each: validate_pairs(client.alpha, pairs) for each, pairs in validation.items()}
    scores = {each: {metric: float(f"{value:.4g}") for metric, value in row.items()} for each, row in measured.items()}
    write_contract(file, {**contract, "scores": scores})
    return scores
