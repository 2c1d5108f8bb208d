"""No command replaces a file that it reads, whatever name the file is given by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from matting_client.cli import cutout, idphoto, inputs, scene, video
from matting_client.cli.main import main
from matting_client.errors import OptionError

from tests.unit.client.conftest import LOCAL
from tests.unit.client.pictures import astronaut, file_of
from tests.unit.client.video_clips import picture, write_clip

PHOTO = file_of(astronaut(150, 200), "JPEG")


@pytest.fixture
def folder(local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, a background, a mask, a clip and a folder of frames, all in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(PHOTO)
    for name in ("ground.png", "mask.png"):
        (tmp_path / name).write_bytes(file_of(astronaut(150, 200), "PNG"))
    write_clip(tmp_path / "clip.mp4")
    (tmp_path / "frames").mkdir()
    for number in range(3):
        (tmp_path / "frames" / f"{number:05d}.png").write_bytes(file_of(picture(number), "PNG"))
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "hard.jpg").hardlink_to(tmp_path / "b.jpg")
    return tmp_path


REFUSED: list[tuple[Callable[[list[str]], int], str]] = [
    (idphoto.main, "a.jpg -o a.jpg"),
    (idphoto.main, "a.jpg -o link.jpg"),
    (scene.main, "a.jpg --behind b.jpg -o a.jpg"),
    (scene.main, "a.jpg --behind b.jpg -o hard.jpg"),
    (cutout.main, "a.jpg -o x.png --manifest a.jpg"),
    (cutout.main, "a.jpg -o x.png --manifest photos.jpg"),
    (cutout.main, "a.jpg -o x.png --manifest -"),
    (cutout.main, "a.jpg -o x.png --background ground.png --manifest ground.png"),
    (video.main, "clip.mp4 -o clip.mp4 --background white"),
    (video.main, "frames -o frames/%05d.png"),
    (video.main, "clip.mp4 -o frames/%05d.png --background frames/00001.png"),
    (video.main, "frames -o clip.mp4 --background clip.mp4"),
]


@pytest.mark.parametrize(("command", "arguments"), REFUSED, ids=[arguments for _, arguments in REFUSED])
def test_it_is_refused_before_anything_is_written(
    folder: Path, command: Callable[[list[str]], int], arguments: str
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(OptionError, match=r"would replace|no name for a list"):
        command([*arguments.split(), *LOCAL])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("option", ["--background", "--mask"])
def test_what_is_read_beside_a_photo_is_kept(folder: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "ground.png").read_bytes()
    assert cutout.main(["a.jpg", "-o", "ground.png", option, "ground.png", *LOCAL]) == 1
    assert "the result would replace ground.png, which is read" in capsys.readouterr().err
    assert (folder / "ground.png").read_bytes() == before


def test_links_that_lead_nowhere_stop_nobody_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "x.jpg").symlink_to("y.jpg")
    (folder / "y.jpg").symlink_to("x.jpg")
    assert main(["cutout", "x.jpg", "a.jpg", "-o", "out/", *LOCAL]) == 1
    assert (folder / "out" / "a.png").is_file()
    assert main(["video", "clip.mp4", "-o", "x.jpg/clip.webm", *LOCAL]) in (1, 2)
    assert main(["video", "c" * 300 + ".mp4", "-o", "out.webm", *LOCAL]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_what_an_alpha_alone_cannot_show_is_refused(folder: Path) -> None:
    for lost in (["--background", "red"], ["--shadow", "drop"], ["--template", "amazon"]):
        with pytest.raises(OptionError, match="--alpha-only: got --"):
            cutout.main(["a.jpg", "-o", "x.png", "--alpha-only", *lost, *LOCAL])


@pytest.fixture
def nobody() -> Iterator[None]:
    """Let the right to write be that of nobody where root, who has it everywhere, runs the tests."""
    if os.geteuid() == 0:
        os.setresuid(65534, 0, 0)
    yield
    if os.geteuid() == 0:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize("out", ["kept/", "kept/new/"])
def test_a_folder_that_cannot_be_written_to_is_known_before_the_work(folder: Path, nobody: None, out: str) -> None:
    (folder / "kept").mkdir(mode=0o555)
    with pytest.raises(OptionError, match=r"-o kept.*: cannot be written to \(.*kept is read-only for you\)"):
        cutout.main(["a.jpg", "b.jpg", "-o", out, "--url", "127.0.0.1:1"])


def test_standard_input_has_one_result() -> None:
    plan = inputs.pair_with_results(inputs.find_photos(["-", "-"]), "out/", "png")
    assert [job.clash for job in plan] == [
        None,
        "out/stdin.png is the result of standard input already; rename one of the photos",
    ]
