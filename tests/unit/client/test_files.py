"""Which photos a command line means, and where each result goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matting_client.cli import inputs as command_line
from matting_client.cli.inputs import Job, find_photos, output_format
from matting_client.errors import OptionError

from tests.unit.client.pictures import astronaut, file_of


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `shop` with pictures and other things in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop" / "deeper").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "c.webp", "notes.txt", "deeper/d.png"):
        (tmp_path / "shop" / name).write_bytes(b"x")
    return tmp_path / "shop"


def plan(inputs: list[str], out: str | None, format: str, recursive: bool = False) -> list[Job]:
    return command_line.pair_with_results(find_photos(inputs, recursive, out), out, format)


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
    assert targets(plan(["shop/**/*.png"], "out", "png")) == ["out/a.png", "out/deeper/d.png"]


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
    """Of one folder all keep their suffix; photos of different folders are to be told apart by who names them."""
    for name in ("a.jpg", "A.gif"):
        (shop / name).write_bytes(b"x")
    assert targets(plan(["shop"], "out", "png")) == [
        "out/A.gif.png",
        "out/a.jpg.png",
        "out/a.png.png",
        "out/b.png",
        "out/c.png",
    ]
    (shop / "deeper" / "b.webp").write_bytes(b"x")
    (first, second) = plan(["shop/b.JPG", "shop/deeper/b.webp"], "out", "png")
    assert first.clash is None
    assert second.clash == "out/b.png is the result of shop/b.JPG already; rename one of the photos"
    assert plan(["shop/b.JPG", "shop/b.JPG"], "out", "png")[1].clash


def test_a_tree_is_kept(shop: Path) -> None:
    (shop / "deeper" / "a.png").write_bytes(b"x")
    everything = ["out/a.png", "out/b.png", "out/c.png", "out/deeper/a.png", "out/deeper/d.png"]
    assert targets(plan(["shop"], "out", "png", recursive=True)) == everything
    assert targets(plan(["shop/**/[ad].png"], "out", "png")) == ["out/a.png", "out/deeper/a.png", "out/deeper/d.png"]


def test_results_within_the_folder_are_no_photos() -> None:
    assert plan(["shop"], "shop/deeper", "png", recursive=True)[-1].source == Path("shop/c.webp")


def test_a_folder_is_judged_by_content_and_says_what_it_leaves_out(shop: Path) -> None:
    (shop / "no-suffix").write_bytes(file_of(astronaut(8, 8), "PNG"))
    (shop / "phone.heic").write_bytes(b"x")
    (shop / ".hidden.jpg").write_bytes(b"x")
    for name in ("Thumbs.db", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "deeper/@eaDir/d.jpg", ".cache/e.jpg"):
        (shop / name).parent.mkdir(parents=True, exist_ok=True)
        (shop / name).write_bytes(b"x")
    (shop / "._a.png").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X        ")
    (shop / "paper").write_bytes(b"%PDF-1.7")
    found = find_photos(["shop"])
    names = [photo.path.name for photo in found.photos if photo.path]
    assert names == ["a.png", "b.JPG", "c.webp", "no-suffix", "phone.heic"]
    assert found.left_out == [
        "shop: left out 2 files: notes.txt (no picture), paper (a PDF)",
        "shop: left out 1 folder, which --recursive takes: deeper/",
        "shop: left out 3 hidden or system files",
    ]
    deep = find_photos(["shop"], recursive=True)
    assert [photo.path.name for photo in deep.photos if photo.path] == [*names[:3], "d.png", *names[3:]]
    assert not deep.left_out[1].startswith("shop: left out 1 folder")


def denied(real: Callable[..., Any], end: str) -> Callable[..., Any]:
    """As for a user whom a folder's rights keep out, which they do not do to root."""

    def read(path: Any = ".", **options: Any) -> Any:
        if str(path).endswith(end):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    return read


@pytest.mark.parametrize("recursive", [False, True])
def test_a_subfolder_that_cannot_be_read_is_left_out(
    shop: Path, recursive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the lost+found of each ext4 disk."""
    (shop / "lost+found").mkdir()
    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, denied(getattr(os, name), "lost+found"))
    found = find_photos(["shop"], recursive)
    assert [str(photo.path) for photo in found.photos if photo.path and photo.path.parent.name == "shop"] == [
        "shop/a.png",
        "shop/b.JPG",
        "shop/c.webp",
    ]
    assert found.left_out[-1] == ("shop: left out 1 folder, which cannot be read: lost+found/ (Permission denied)")


def test_a_subfolder_of_which_only_the_names_can_be_read_is_left_out(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "stat", denied(os.stat, "deeper/."))
    assert find_photos(["shop"], recursive=True).left_out[-1] == (
        "shop: left out 1 folder, which cannot be read: deeper/ (Permission denied)"
    )


def test_links_that_lead_nowhere_and_special_files_are_named(shop: Path) -> None:
    (shop / "gone.jpg").symlink_to("nothing.jpg")
    (shop / "album").symlink_to("deeper")
    (shop / "again.jpg").symlink_to("a.png")
    (shop / "loop").symlink_to("loop")
    os.mkfifo(shop / "camera.jpg")
    (shop / "2024" / "01").mkdir(parents=True)
    found = find_photos(["shop"])
    assert [photo.path.name for photo in found.photos if photo.path] == ["a.png", "again.jpg", "b.JPG", "c.webp"]
    assert found.left_out == [
        "shop: left out 5 files: album (a link to a folder), camera.jpg (a pipe), "
        "gone.jpg (a link that cannot be followed: No such file or directory), "
        "loop (a link that cannot be followed: Too many levels of symbolic links), notes.txt (no picture)",
        "shop: left out 2 folders, which --recursive takes: 2024/, deeper/",
    ]


def test_a_link_to_the_results_is_passed_over_as_they_are(shop: Path) -> None:
    (shop / "link").symlink_to("deeper")
    assert find_photos(["shop"], out="shop/deeper").left_out == ["shop: left out 1 file: notes.txt (no picture)"]


@pytest.mark.parametrize("out", ["shop", "shop/", "./shop/../shop"])
def test_results_never_replace_photos(out: str) -> None:
    jobs = plan(["shop/*"], out, "png")
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
        (["shop"], "shop/deeper/..", "-o shop/deeper/..: got the photos' own folder, expected one for the results"),
        (["shop/a.png", "shop/b.JPG"], "out.png", "-o out.png: got one file for 2 photos, expected a folder"),
        (["shop/*.*"], "out.jpg", "-o out.jpg: got one file for 4 photos"),
        (["shop/a.png"], "out.bmp", r"-o out.bmp: got the suffix .bmp, expected .png, .jpg or .webp"),
        (["shop"], "shop/notes.txt", "-o shop/notes.txt: got a file, expected a folder"),
        (["shop/a.png"], "/dev/null", "-o /dev/null: got a file, expected a folder, or a name that ends with .png"),
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
