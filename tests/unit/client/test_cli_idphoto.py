"""`matting idphoto` in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matting_client.idphoto import sizes
from PIL import Image

from tests.unit.client.conftest import RunCommand


@pytest.fixture
def person(tmp_path: Path) -> Path:
    picture = np.zeros((600, 480, 3), np.uint8)
    rows, columns = np.ogrid[:600, :480]
    picture[((rows - 200) / 110) ** 2 + ((columns - 240) / 80) ** 2 < 1] = 250
    picture[290:380, 200:280] = 250
    picture[360:, 60:420] = 250
    Image.fromarray(picture).save(tmp_path / "me.png")
    return tmp_path / "me.png"


def test_a_photo_and_a_sheet(matting: RunCommand, person: Path, tmp_path: Path) -> None:
    done = matting("idphoto", "me.png", "-o", "visa.jpg", "--kind", "us-visa", "--engine", "local")
    assert (done.returncode, done.stderr) == (0, b"")
    with Image.open(tmp_path / "visa.jpg") as photo:
        assert photo.size == (600, 600) and photo.info["dpi"][0] == pytest.approx(299, abs=1)
    sheet = matting("idphoto", "me.png", "-o", "sheet.pdf", "--paper", "a4", "--engine", "local")
    assert sheet.returncode == 0 and (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")


def test_kinds_are_listed(matting: RunCommand) -> None:
    lines = matting("idphoto", "--kinds").stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == list(sizes())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "got no photo, expected one; or --kinds"),
        (("me.png", "--kind", "club"), "--kind: got 'club', expected one of one-inch, "),
        (("me.png", "-o", "a.pdf"), "or with .pdf for a sheet"),
        (("me.png", "-o", "a.gif"), "a name that ends with .jpg"),
        (("me.png", "--background", "no colour"), "'no colour'"),
        (("none.png", "--engine", "local"), "none.png"),
        (("me.png", "--zoom", "9", "--engine", "local"), "zoom: got 9"),
    ],
)
def test_wrong_usage_is_one_line(
    matting: RunCommand, person: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = matting("idphoto", *arguments)
    assert done.returncode == 2 and done.stderr.decode().count("\n") == 1 and told in done.stderr.decode()
    assert not (tmp_path / "idphoto.jpg").exists()


def test_nobody_in_the_photo(matting: RunCommand, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "wall.png")
    done = matting("idphoto", "wall.png", "--engine", "local")
    assert done.returncode == 2 and b"wall.png: got a photo in which nobody was found" in done.stderr
