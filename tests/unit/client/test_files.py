"""Which photos a command line means, and where each result goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from matting_client.cli.inputs import Job, output_format, plan
from matting_client.errors import OptionError


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `shop` with pictures and other things in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop" / "deeper").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "c.webp", "notes.txt", "deeper/d.png"):
        (tmp_path / "shop" / name).write_bytes(b"x")
    return tmp_path / "shop"


def targets(jobs: list[Job]) -> list[str]:
    assert [job.clash for job in jobs] == [None] * len(jobs)
    return [str(job.target) for job in jobs]


def test_a_folder_gives_its_own_pictures_by_name() -> None:
    jobs = plan(["shop"], None, "png")
    assert [str(job.source) for job in jobs] == ["shop/a.png", "shop/b.JPG", "shop/c.webp"]
    assert targets(jobs) == ["outputs/a.png", "outputs/b.png", "outputs/c.png"]


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")])
def test_the_suffix_follows_the_format(format: str, suffix: str) -> None:
    assert targets(plan(["shop/b.JPG"], "out", format)) == [f"out/b{suffix}"]


def test_globs() -> None:
    assert targets(plan(["shop/*.[pJ]*"], "out", "png")) == ["out/a.png", "out/b.png"]
    assert targets(plan(["shop/*.JPG"], "out", "png")) == ["out/b.png"]
    assert targets(plan(["shop/**/*.png"], "out", "png")) == ["out/a.png", "out/d.png"]


def test_a_file_with_a_glob_sign_in_its_name_is_that_file(shop: Path) -> None:
    (shop / "p[1].jpg").write_bytes(b"x")
    assert targets(plan(["shop/p[1].jpg"], None, "png")) == ["outputs/p[1].png"]


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("new.png", "new.png"),
        ("deep/new.WEBP", "deep/new.WEBP"),
        ("folder", "folder/a.png"),
        ("shop/deeper", "shop/deeper/a.png"),
        ("v1.2/", "v1.2/a.png"),
    ],
)
def test_where_one_photo_goes(out: str, expected: str) -> None:
    assert targets(plan(["shop/a.png"], out, "png")) == [expected]


def test_an_existing_folder_with_a_suffix_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "old.png").mkdir()
    assert targets(plan(["shop/b.JPG"], "old.png", "png")) == ["old.png/b.png"]
    assert output_format("old.png", True) is None


def test_missing_files_are_jobs_that_will_fail() -> None:
    """One wrong name does not stop the others."""
    assert [str(job.source) for job in plan(["shop/a.png", "none.jpg"], "out", "png")] == ["shop/a.png", "none.jpg"]


def test_standard_input_and_output() -> None:
    assert plan(["-"], None, "png") == [Job(None, None)]
    assert plan(["shop/a.png"], "-", "png") == [Job(Path("shop/a.png"), None)]
    assert targets(plan(["-"], "x.png", "png")) == ["x.png"]
    assert targets(plan(["-", "shop/a.png"], "out", "png")) == ["out/stdin.png", "out/a.png"]
    assert Job(None, None).name == "standard input"


def test_results_with_the_same_name(shop: Path) -> None:
    (shop / "a.jpg").write_bytes(b"x")
    jobs = plan(["shop"], "out", "png")
    assert [bool(job.clash) for job in jobs] == [False, True, False, False]
    assert jobs[1].clash == "out/a.png is the result of shop/a.jpg already; rename one of the photos"


@pytest.mark.parametrize("out", ["shop", "shop/", "./shop/../shop"])
def test_results_never_replace_photos(out: str) -> None:
    jobs = plan(["shop"], out, "png")
    clashes = {str(job.source): job.clash for job in jobs}
    assert "would replace the photo" in str(clashes["shop/a.png"])
    assert clashes["shop/b.JPG"] is clashes["shop/c.webp"] is None
    assert "would replace the photo" in str(plan(["shop/a.png"], "shop/a.png", "png")[0].clash)


def test_a_link_to_the_photo_is_the_photo(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(shop)
    assert "would replace" in str(plan(["shop/a.png"], "link", "png")[0].clash)


@pytest.mark.parametrize(
    ("inputs", "out", "message"),
    [
        (["shop/deeper", "none*.jpg"], "out", r"none\*\.jpg: got no matching file"),
        (["shop"], "-", "-o -: got 3 photos, expected one"),
        (["shop/a.png", "shop/b.JPG"], "out.png", "-o out.png: got one file for 2 photos, expected a folder"),
        (["shop/*.*"], "out.jpg", "-o out.jpg: got one file for 4 photos"),
        (["shop/a.png"], "out.bmp", r"-o out.bmp: got the suffix .bmp, expected .png, .jpg or .webp"),
        (["shop"], "shop/notes.txt", "-o shop/notes.txt: got a file, expected a folder"),
    ],
)
def test_command_lines_that_make_no_sense(inputs: list[str], out: str, message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}"):
        plan(inputs, out, "png")


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match="empty: got a folder without pictures"):
        plan(["empty"], None, "png")


@pytest.mark.parametrize(
    ("out", "single", "format"),
    [
        ("a.jpg", True, "jpeg"),
        ("a.JPEG", True, "jpeg"),
        ("a.webp", True, "webp"),
        ("a", True, None),
        ("a.jpg", False, None),
        (None, True, None),
        ("a.jpg/", True, None),
    ],
)
def test_the_format_an_output_asks_for(out: str | None, single: bool, format: str | None) -> None:
    assert output_format(out, single) == format
