"""`matting idphoto` in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matting_client.idsizes import sizes
from PIL import Image

from tests.support.portrait import lit_person
from tests.unit.client.conftest import RunCommand
from tests.unit.client.pictures import file_of


@pytest.fixture
def person(tmp_path: Path) -> Path:
    Image.fromarray(lit_person()[0]).save(tmp_path / "me.png")
    return tmp_path / "me.png"


def test_a_photo_and_a_sheet(matting: RunCommand, person: Path, tmp_path: Path) -> None:
    done = matting("idphoto", "me.png", "-o", "visa.jpg", "--kind", "us-visa", "--engine", "local")
    assert done.returncode == 0 and done.stderr.count(b"\n") == 1 and b"background was changed" in done.stderr
    with Image.open(tmp_path / "visa.jpg") as photo:
        assert photo.size == (600, 600) and photo.info["dpi"][0] == pytest.approx(299, abs=1)
    sheet = matting("idphoto", "me.png", "-o", "sheet.pdf", "--paper", "a4", "--engine", "local")
    assert sheet.returncode == 0 and (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")


def test_what_the_file_lacks_is_told(matting: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "me.jpg").write_bytes(file_of(lit_person()[0], "JPEG", quality=95)[:-20])
    done = matting("idphoto", "me.jpg", "--engine", "local")
    assert done.returncode == 0 and b"me.jpg: warning: the file is incomplete: " in done.stderr


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
        (("me.png", "--background", "studio"), "expected #rrggbb or a colour name\n"),
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


def test_nobody_in_the_photo_and_two(matting: RunCommand, person: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "wall.png")
    done = matting("idphoto", "wall.png", "--engine", "local")
    assert done.returncode == 2 and b"wall.png: got a photo in which no face was found" in done.stderr
    Image.fromarray(np.hstack([lit_person()[0]] * 2)).save(tmp_path / "pair.png")
    done = matting("idphoto", "pair.png", "--engine", "local")
    assert done.returncode == 2 and b"pair.png: got a photo with 2 faces" in done.stderr
    assert not (tmp_path / "idphoto.jpg").exists()
