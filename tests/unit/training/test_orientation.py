"""How the network that tells which way up a photo is learns, and that what OpenCV runs is what was learnt."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matting_export import orientation
from matting_export.orientation import write
from matting_training.data.pairs import DataError
from matting_training.orientation import (
    SHARES,
    SIDE,
    OrientationNet,
    batches,
    learn,
    main,
    moved_subject,
    quarter_turns,
    random_view,
    read_photos,
    to_tensor,
    turn_probabilities,
)
from safetensors.torch import save
from skimage import data


def test_a_batch_holds_each_view_in_all_four_orientations() -> None:
    squares, labels = next(batches({"portraits": [data.astronaut()]}, 3, seed=0))
    assert squares.shape == (12, 3, SIDE, SIDE) and labels.tolist() == [0, 1, 2, 3] * 3
    for quarters in range(4):
        assert torch.equal(squares[quarters], torch.rot90(squares[0], quarters, (1, 2)))
    assert not torch.equal(squares[0], squares[4])


def test_views_are_parts_of_the_photo_the_right_way_up() -> None:
    """What is bright at the top of the photo is at the top of every view of the whole width."""
    rows = np.repeat(np.linspace(255, 0, 300), 200).reshape(300, 200, 1)
    photo = np.repeat(rows, 3, axis=2).astype(np.uint8)
    random = np.random.default_rng(1)
    for _ in range(50):
        seen = random_view(photo, random).astype(float).mean(axis=(1, 2))
        assert seen.shape == (SIDE,) and seen[:20].mean() > seen[-20:].mean()


def test_a_subject_stands_before_a_background_that_lies_in_any_way() -> None:
    subject = np.full((40, 30, 4), 200, np.uint8)
    subject[..., 3] = 0
    subject[10:30, 10:20, 3] = 255
    ground = np.zeros((60, 60, 3), np.uint8)
    ground[:30] = 100  # bright above
    seen = [moved_subject(subject, ground, np.random.default_rng(seed)) for seed in range(20)]
    assert all(picture.shape == (40, 30, 3) and np.all(picture[10:30, 10:20] == 200) for picture in seen)
    assert {(int(picture[0, 15, 0]), int(picture[-1, 15, 0])) for picture in seen} >= {(100, 0), (0, 100)}


def test_it_learns() -> None:
    torch.manual_seed(0)
    model = OrientationNet()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    photos = [data.astronaut(), data.chelsea()]
    squares = to_tensor([one for photo in photos for one in quarter_turns(cv2.resize(photo, (SIDE, SIDE)))])
    labels = torch.arange(4).repeat(2)
    losses = [learn(model, optimizer, squares, labels) for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_what_opencv_runs_is_what_was_learnt(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = OrientationNet()
    path = tmp_path / "orientation.onnx"
    write(model, path)
    assert path.stat().st_size < 400_000
    network = cv2.dnn.readNetFromONNX(np.frombuffer(path.read_bytes(), np.uint8))
    photo = cv2.resize(data.astronaut(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    wanted = turn_probabilities(model, [data.astronaut()])[0]
    for quarters, square in enumerate(quarter_turns(photo)):
        network.setInput(cv2.dnn.blobFromImage(square))
        assert network.forward()[0] == pytest.approx(wanted[quarters], abs=0.01)


def test_sets_that_are_not_there_are_left_out_unless_it_is_all_of_them(dataset: Path) -> None:
    (dataset / "people").rename(dataset / "portraits")
    found = read_photos(dataset, tuple(SHARES))
    assert {name: len(photos) for name, photos in found.items()} == {"portraits": 2, "backgrounds": 2}
    with pytest.raises(DataError, match=r"got none of the sets nothing, expected at least one; check the path"):
        read_photos(dataset, ("nothing",))


@pytest.mark.parametrize(
    ("more", "code"), [("--minutes=0", 2), ("--batch=0", 2), ("--lr=nan", 2), ("--run=/proc/x", 1)]
)
def test_wrong_numbers_and_folders_are_told_before_anything_is_read(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, more: str, code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["orientation", f"--data={dataset}", f"--run={dataset}", more])
    with pytest.raises(SystemExit, match=str(code)):
        sys.exit(main())


def test_weights_that_cannot_be_used_are_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "orientation.safetensors"
    monkeypatch.setattr(sys, "argv", ["orientation", str(path), "-o", str(tmp_path / "out.onnx")])
    for content, said in {b"junk": "no weights", save({"a": torch.zeros(1)}): "other weights"}.items():
        path.write_bytes(content)
        assert orientation.main() == 1
        told = capsys.readouterr().err
        assert str(path) in told and said in told and told.count("\n") == 1
