"""`matting cutout --mask --keep --remove`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_client import Pick, Stroke, connect
from matting_client.cli.main import main

from tests.unit.client.conftest import LOCAL
from tests.unit.client.pictures import astronaut


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), astronaut(300, 400)[..., ::-1])
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """Transparent but for a white disc and a black bar."""
    rgba = np.zeros((300, 400, 4), np.uint8)
    cv2.circle(rgba, (80, 220), 40, (255, 255, 255, 255), -1)
    rgba[:60] = (0, 0, 0, 255)
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), rgba)
    return path


def test_marks_are_those_of_the_client(photo: Path, mask: Path, tmp_path: Path, local: Path) -> None:
    with connect("local") as client:
        cutout = client.cutout(photo)
    grey = np.full((300, 400), 127, np.uint8)
    cv2.circle(grey, (80, 220), 40, 255, -1)
    grey[:60] = 0
    x, y = cutout.subjects()[0].point
    strokes = [Stroke(True, ((50, 60),), 15), Stroke(False, ((300, 200),), 22.5)]
    runs = {
        "brush": (["--keep", "50,60,15", "--remove", "300,200,22.5"], cutout.corrected(strokes=strokes)),
        "mask": (["--mask", str(mask)], cutout.corrected(grey)),
        "alone": (["--keep", f"{x},{y}"], cutout.corrected(picks=[Pick(True, x, y)])),
        "without": (["--remove", f"{x},{y}"], cutout.corrected(picks=[Pick(False, x, y)])),
    }
    results = set()
    for name, (arguments, expected) in runs.items():
        out = tmp_path / f"{name}-out.png"
        assert main(["cutout", str(photo), "-o", str(out), *arguments, *LOCAL]) == 0
        assert out.read_bytes() == expected.to_bytes(), name
        results.add(out.read_bytes())
    assert len({*results, cutout.to_bytes()}) == 5, "each changes something else"


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--keep", "1"], "--keep: got '1', expected x,y or x,y,radius", 2),
        (["--keep", "1,2,3,4"], "expected x,y or x,y,radius", 2),
        (["--remove", "a,b"], "--remove: got 'a,b'", 2),
        (["--remove", "nan,1"], "--remove: got 'nan,1'", 2),
        (["--keep", "5,5,-3"], "--keep: got '5,5,-3'", 2),
        (["--mask", "nowhere.png"], "nowhere.png: cannot be read", 2),
        (["--remove", "9000,10,5"], "photo.png: stroke: got one at 9000,10, expected one on the photo", 1),
        (["--remove", "9000,10"], "photo.png: point: got no subject at 9000,10", 1),
    ],
)
def test_marks_that_cannot_be(
    photo: Path,
    tmp_path: Path,
    local: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
    code: int,
) -> None:
    out = tmp_path / "out.png"
    assert main(["cutout", str(photo), "-o", str(out), *arguments, *LOCAL]) == code
    assert message in capfd.readouterr().err and not out.exists()


def test_marks_belong_to_one_photo(photo: Path, mask: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--keep", "1,1,5"], ["--mask", str(mask)]):
        assert main(["cutout", str(photo.parent), "-o", "out/", *arguments, *LOCAL]) == 2
        assert "got 2 photos, expected one" in capfd.readouterr().err
