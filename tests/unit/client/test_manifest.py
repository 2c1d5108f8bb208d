"""`matting cutout --manifest`: a row for each photo, for spreadsheets, and more of them when it goes on."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from matting_client.errors import OutputError
from matting_client.manifest import BYTE_ORDER_MARK, COLUMNS, Entry, Manifest

from tests.unit.client.conftest import LOCAL, RunCommand
from tests.unit.client.pictures import astronaut, file_of


def rows(path: Path) -> list[dict[str, str]]:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(BYTE_ORDER_MARK) and text.count(BYTE_ORDER_MARK) == 1
    return list(csv.DictReader(text.removeprefix(BYTE_ORDER_MARK).splitlines()))


def test_each_photo_has_a_row(matting: RunCommand, tmp_path: Path, local: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "人.jpg").write_bytes(file_of(astronaut(150, 200), "JPEG", quality=95))
    (tmp_path / "in" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    command = ("cutout", "in", "-o", "out/", "--manifest", "m.csv", *LOCAL)
    assert matting(*command).returncode == 1
    found = {row["photo"]: row for row in rows(tmp_path / "m.csv")}
    assert list(next(iter(found.values()))) == list(COLUMNS)
    good, bad = found["in/人.jpg"], found["in/bad.jpg"]
    assert (good["state"], good["file"], good["width"], good["height"]) == ("done", "out/人.png", "200", "150")
    assert good["found"] == "yes" and 0 <= float(good["uncertainty"]) < 1 and int(good["model_ms"]) >= 0
    assert bad["state"] == "failed" and "bad.jpg" in bad["reason"] and bad["file"] == bad["width"] == ""
    assert matting(*command, "--skip-existing").returncode == 1
    assert [row["photo"] for row in rows(tmp_path / "m.csv")].count("in/bad.jpg") == 2
    assert matting(*command[:-3], "made/m.csv", *LOCAL).returncode == 1
    assert len(rows(tmp_path / "made" / "m.csv")) == 2
    assert matting(*command[:-3], "m.csv/no.csv", *LOCAL).returncode == 2
    before = (tmp_path / "m.csv").read_bytes()
    assert matting(*command, "--engine", "triton", "--url", "127.0.0.1:1").returncode == 2
    assert (tmp_path / "m.csv").read_bytes() == before  # of what was done, though no server answers now


def test_a_row_is_of_the_result(matting: RunCommand, tmp_path: Path, local: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(file_of(astronaut(150, 200), "JPEG", quality=95))
    assert (
        matting("cutout", "a.jpg", "-o", "o.jpg", "--template", "amazon", "--manifest", "m.csv", *LOCAL).returncode == 0
    )
    row = rows(tmp_path / "m.csv")[0]
    assert (row["width"], row["height"], row["state"]) == ("2000", "2000", "done")
    assert "the subject was enlarged" in row["reason"]


def test_a_name_that_is_no_text_has_a_row_and_stops_nothing(matting: RunCommand, tmp_path: Path, local: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in (b"a\xff.jpg", b"b.jpg"):
        (tmp_path / "in" / os.fsdecode(name)).write_bytes(file_of(astronaut(60, 80), "JPEG"))
    assert matting("cutout", "in", "-o", "out/", "--manifest", "m.csv", *LOCAL).returncode == 0
    assert sorted(row["photo"] for row in rows(tmp_path / "m.csv")) == ["in/a\\udcff.jpg", "in/b.jpg"]


def test_a_list_that_cannot_be_written_stops_nothing(matting: RunCommand, tmp_path: Path, local: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(6):
        (tmp_path / "in" / f"{number}.jpg").write_bytes(file_of(astronaut(60, 80), "JPEG"))
    done = matting("cutout", "in", "-o", "out/", "--manifest", "/dev/full", *LOCAL)
    assert done.returncode == 2 and b"/dev/full: cannot be written" in done.stderr  # known before any photo
    with Manifest(tmp_path / "m.csv") as manifest:
        assert manifest._file is not None
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, manifest._file.fileno())  # as when the disk has become full
        os.close(full)
        with pytest.raises(OutputError, match="cannot be written"):
            manifest.add(Entry("a.jpg", "done"))


def test_a_row_after_one_that_was_cut_off_is_whole(tmp_path: Path) -> None:
    """As where the disk was full."""
    path = tmp_path / "m.csv"
    with Manifest(path) as manifest:
        manifest.add(Entry("a.jpg", "done", "out/a.png"))
    path.write_bytes(path.read_bytes()[:-10])
    with Manifest(path, goes_on=True) as manifest:
        manifest.add(Entry("b.jpg", "done", "out/b.png"))
    assert [row["photo"] for row in rows(path)] == ["a.jpg", "b.jpg"]


def test_no_cell_is_a_formula() -> None:
    for name in ("=1+1.jpg", "＝1＋1.jpg", "\n=1.jpg"):
        assert Entry(name, "failed", reason="@x").row()[0] == f"'{name}"
