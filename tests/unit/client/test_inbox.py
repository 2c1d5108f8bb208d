"""What a watched folder gives to do: each photo once, again when it has changed, and no word is said twice."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from matting_client import Cutout, MattingClient, Options
from matting_client.cli import inbox as inbox_module
from matting_client.cli import watch
from matting_client.cli.inbox import Inbox
from matting_client.cli.interruption import Interruption
from matting_client.cli.watch import Troubles, work_once
from matting_client.errors import OutputError
from matting_client.runtime.local import LocalEngine
from PIL import Image

from tests.support.clock import set_clock
from tests.unit.client.pictures import astronaut, file_of

PHOTO = file_of(astronaut(40, 60), "JPEG")
OTHER = file_of(astronaut(20, 30), "JPEG")
OLD = (10**18, 10**18)  # ns
Look = Callable[[], bool]


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    return Inbox(tmp_path / "in", tmp_path / "out", "png", recursive=False, settle=0.0)


@pytest.fixture
def look(local: Path, inbox: Inbox) -> Iterator[Look]:
    """Look at the folder once; what keeps photos waiting is remembered."""
    troubles = Troubles()
    with MattingClient(LocalEngine()) as client:
        yield lambda: work_once(client, inbox, Options(), 2, Interruption(), troubles=troubles)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_a_copy_that_stalled_is_done_again_when_it_is_whole(inbox: Inbox, look: Look) -> None:
    """With the date of the photo it is a copy of, as of cp -p, rsync -t and unzip, which is older than the result."""
    rows = np.random.default_rng(0).integers(1, 256, (400, 400, 3), np.uint8)
    whole = file_of(rows, "JPEG")
    photo, result = inbox.folder / "a.jpg", inbox.out / "a.png"
    photo.write_bytes(whole[: int(0.96 * len(whole))])  # read with a loss
    look()
    look()
    first = result.read_bytes()
    photo.write_bytes(whole)
    os.utime(photo, ns=OLD)
    look()
    look()
    assert result.read_bytes() != first
    second = result.stat().st_mtime_ns
    look()
    assert result.stat().st_mtime_ns == second


def test_a_copy_that_stalled_and_cannot_be_read_stays_until_it_is_whole(
    inbox: Inbox, look: Look, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    set_clock(monkeypatch, lambda: now[0], inbox_module, watch)

    def look_after(seconds: float) -> str:
        now[0] += seconds
        look()
        return capsys.readouterr().err

    inbox.settle = 2.0
    photo, result = inbox.folder / "a.jpg", inbox.out / "a.png"
    photo.write_bytes(PHOTO[:300])
    look_after(0)
    assert "tried once more when it has not changed for 20 s" in look_after(2)
    assert look_after(2) == "" and photo.is_file()
    photo.write_bytes(PHOTO)
    look_after(2)
    assert "a.png" in look_after(2) and size_of(result) == (60, 40)
    photo.write_bytes(PHOTO[:200])
    look_after(2)
    look_after(2)
    assert photo.is_file() and not (inbox.out / "failed").exists()
    assert look_after(15) == ""
    assert "moved to" in look_after(5)
    assert (inbox.out / "failed" / "a.jpg").is_file()


@pytest.mark.parametrize("is_away_between", [False, True])
def test_an_older_photo_of_the_same_name_is_done(inbox: Inbox, look: Look, is_away_between: bool) -> None:
    photo = inbox.folder / "a.jpg"
    photo.write_bytes(PHOTO)
    look()
    look()
    if is_away_between:
        photo.unlink()
        look()
    photo.write_bytes(OTHER)
    os.utime(photo, ns=OLD)
    look()
    look()
    assert size_of(inbox.out / "a.png") == (30, 20)


def test_a_photo_that_changes_after_a_restart_is_done_again(inbox: Inbox, look: Look) -> None:
    """At the start dates alone tell what is done, and that is not told anew afterwards."""
    photo = inbox.folder / "a.jpg"
    photo.write_bytes(PHOTO)
    os.utime(photo, ns=OLD)
    (inbox.out / "a.png").write_bytes(b"of the last run")
    look()
    look()
    assert (inbox.out / "a.png").read_bytes() == b"of the last run"
    photo.write_bytes(OTHER)
    os.utime(photo, ns=OLD)
    look()
    look()
    assert size_of(inbox.out / "a.png") == (30, 20)


def test_a_photo_of_a_camera_that_is_ahead_is_not_done_again_at_each_start(inbox: Inbox, look: Look) -> None:
    photo = inbox.folder / "a.jpg"
    photo.write_bytes(PHOTO)
    os.utime(photo, (time.time() + 10**7,) * 2)
    (inbox.out / "a.png").write_bytes(b"retouched since")
    look()
    look()
    assert (inbox.out / "a.png").read_bytes() == b"retouched since"


def test_a_folder_that_comes_back_is_not_done_again(inbox: Inbox, look: Look) -> None:
    """As a disk that was unmounted, whose place is an empty folder."""
    (inbox.folder / "a.jpg").write_bytes(PHOTO)
    look()
    look()
    done = (inbox.out / "a.png").stat().st_mtime_ns
    away = inbox.folder.with_name("away")
    inbox.folder.rename(away)
    inbox.folder.mkdir()
    look()
    inbox.folder.rmdir()
    away.rename(inbox.folder)
    look()
    look()
    assert (inbox.out / "a.png").stat().st_mtime_ns == done


def calls_of_a_look(folder: Path, count: int) -> int:
    """Functions that one look calls, C ones included, at a folder of so many photos that are done."""
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    for number in range(count):
        (folder / "in" / f"{number}.jpg").touch()
        (folder / "out" / f"{number}.png").touch()
    inbox = Inbox(folder / "in", folder / "out", "png", recursive=False, settle=0.0)
    inbox.due()
    (folder / "in" / "new.jpg").touch()  # all is planned anew
    calls = 0

    def count_one(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_one)
    try:
        inbox.due()
    finally:
        sys.setprofile(before)
    return calls


def test_a_look_costs_as_much_for_each_photo_of_many_as_of_few(tmp_path: Path) -> None:
    assert calls_of_a_look(tmp_path / "many", 800) < 5 * calls_of_a_look(tmp_path / "few", 200)


def test_the_end_is_heeded_within_a_look(inbox: Inbox, local: Path) -> None:
    for number in range(3):
        (inbox.folder / f"{number}.jpg").write_bytes(PHOTO)
    with MattingClient(LocalEngine()) as client, Interruption() as interruption:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            work_once(client, inbox, Options(), 2, interruption)
    assert not inbox._seen  # it has not come so far


def test_a_result_that_cannot_be_written_holds_up_no_other(
    inbox: Inbox, look: Look, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox.out / "a.png").mkdir()
    monkeypatch.setattr(watch, "HELD_SECONDS", 0.0)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (inbox.folder / name).write_bytes(PHOTO)
        for _ in range(3):
            look()
    assert (inbox.out / "b.png").is_file() and (inbox.out / "c.png").is_file()
    assert (inbox.folder / "a.jpg").is_file()
    assert capsys.readouterr().err.count("waiting") == 1
    (inbox.out / "a.png").rmdir()
    look()
    assert (inbox.out / "a.png").is_file()


def test_what_nobody_expected_stops_nothing(
    inbox: Inbox, look: Look, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Cutout, "encode", lambda _: bytearray(1 << 60))  # there is not so much memory
    (inbox.folder / "a.jpg").write_bytes(PHOTO)
    assert look() and look()
    assert (inbox.out / "failed" / "a.jpg").is_file() and "a.jpg: MemoryError" in capsys.readouterr().err


def test_what_the_options_never_allow_is_put_aside(
    inbox: Inbox, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox.format = "jpeg"
    (inbox.folder / "a.jpg").write_bytes(PHOTO)
    with MattingClient(LocalEngine()) as client:
        for _ in range(2):
            work_once(client, inbox, Options(format="jpeg", max_kb=1), 2, Interruption())
    assert (inbox.out / "failed" / "a.jpg").is_file()
    assert "a.jpg: got 2 kB at quality 30, expected at most 1 kB" in capsys.readouterr().err


def test_what_cannot_be_written_is_tried_seldom_and_one_at_a_time(
    inbox: Inbox, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []

    def full(path: Path, data: bytes) -> None:
        tried.append(path)
        raise OutputError(path, problem="No space left on device")

    monkeypatch.setattr("matting_client.cli.work.write", full)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (inbox.folder / name).write_bytes(PHOTO)
    for _ in range(6):
        look()
    assert sorted(path.name for path in tried) == ["a.png", "b.png", "c.png"]
    set_clock(monkeypatch, lambda: time.monotonic() + watch.HELD_SECONDS, watch)
    look()  # sets the time of the next one
    look()
    assert tried[3:] == tried[:1]


def test_what_is_left_out_is_told_once(inbox: Inbox, look: Look, capsys: pytest.CaptureFixture[str]) -> None:
    (inbox.folder / "notes.txt").write_text("hello")
    (inbox.folder / "sub").mkdir()
    (inbox.folder / "sub" / "b.jpg").write_bytes(PHOTO)
    (inbox.folder / ".hidden").touch()
    (inbox.folder / "half.jpg.part").write_bytes(b"x")
    os.mkfifo(inbox.folder / "pipe.jpg")
    (inbox.folder / "gone.jpg").symlink_to("nothing.jpg")
    for _ in range(3):
        look()
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix(f"matting watch: {inbox.folder}: ") for line in lines] == [
        "left out 3 files: gone.jpg (a link that cannot be followed: No such file or directory), "
        "notes.txt (no picture), pipe.jpg (a pipe)",
        "left out 1 folder, which --recursive takes: sub/",
        "left out 1 hidden or system file",
    ]
    (inbox.folder / "photos.zip").write_bytes(b"PK\3\4")
    for _ in range(3):
        look()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("left out 1 file: photos.zip (a ZIP archive or an office document)")


def test_a_file_that_still_comes_is_not_told(inbox: Inbox, look: Look, capsys: pytest.CaptureFixture[str]) -> None:
    """A photo without a suffix is known by its first bytes."""
    inbox.settle = 3600.0
    (inbox.folder / "IMG_1").touch()
    look()
    (inbox.folder / "IMG_1").write_bytes(PHOTO)
    look()
    inbox.settle = 0.0
    look()
    assert capsys.readouterr().err == f"matting watch: {inbox.folder / 'IMG_1'}: {inbox.out / 'IMG_1.png'}\n"
