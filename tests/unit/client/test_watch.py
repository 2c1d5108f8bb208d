"""A watched folder: whole photos are cut out, half-written ones waited for, failed ones moved aside."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from matting_client import MattingClient, OptionError, Options, ServerBusy
from matting_client.cli import watch
from matting_client.cli.inbox import Inbox
from matting_client.cli.interruption import Interruption
from matting_client.cli.watch import Troubles, work_once
from matting_client.errors import OutputError
from matting_client.runtime.local import LocalEngine
from matting_client.types import Image as Pixels
from PIL import Image

from tests.support.clock import set_clock
from tests.unit.client.pictures import astronaut, file_of

PHOTO = file_of(astronaut(40, 60), "JPEG")


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    (tmp_path / "in").mkdir()
    return Inbox(tmp_path / "in", tmp_path / "out", "png", recursive=True, settle=0.0)


@pytest.fixture
def look(local: Path, inbox: Inbox) -> Iterator[Callable[[], bool]]:
    """Look at the folder once."""
    with MattingClient(LocalEngine()) as client:
        yield lambda: work_once(client, inbox, Options(), 2, Interruption())


def test_a_photo_is_taken_at_the_second_look(inbox: Inbox, look: Callable[[], bool]) -> None:
    (inbox.folder / "red").mkdir()
    (inbox.folder / "red" / "a.jpg").write_bytes(PHOTO)
    (inbox.folder / "b.jpg.part").write_bytes(PHOTO)
    (inbox.folder / "notes.txt").write_text("hello")
    look()
    assert not inbox.out.exists()
    assert look()
    assert [path.name for path in inbox.out.rglob("*.*")] == ["a.png"]
    assert (inbox.out / "red" / "a.png").is_file()


def test_a_file_that_grows_is_waited_for(inbox: Inbox, look: Callable[[], bool]) -> None:
    photo = inbox.folder / "a.jpg"
    for share in (0.3, 0.6, 1.0):
        photo.write_bytes(PHOTO[: int(share * len(PHOTO))])
        look()
        assert not inbox.out.exists()
    look()
    assert (inbox.out / "a.png").is_file()


def test_what_fails_is_moved_aside_and_named(
    inbox: Inbox, look: Callable[[], bool], capsys: pytest.CaptureFixture[str]
) -> None:
    (inbox.folder / "broken.jpg").write_bytes(PHOTO[:300])
    (inbox.folder / "good.jpg").write_bytes(PHOTO)
    look()
    look()
    assert (inbox.out / "failed" / "broken.jpg").read_bytes() == PHOTO[:300]
    assert (inbox.out / "good.png").is_file()
    assert [path.name for path in inbox.folder.iterdir()] == ["good.jpg"]
    said = capsys.readouterr().err
    assert "broken.jpg: got a damaged JPEG" in said and "moved to" in said


class Full(LocalEngine):
    """As of a server whose queue is full."""

    def infer(self, image: Pixels) -> Pixels:
        raise ServerBusy("127.0.0.1:1", problem="its queue is full")


def test_what_a_busy_server_refuses_stays_for_later(local: Path, inbox: Inbox) -> None:
    (inbox.folder / "a.jpg").write_bytes(PHOTO)
    with MattingClient(Full()) as client:
        assert work_once(client, inbox, Options(), 2, Interruption())  # seen for the first time
        assert not work_once(client, inbox, Options(), 2, Interruption())
    assert [path.name for path in inbox.folder.iterdir()] == ["a.jpg"]
    assert not inbox.out.exists()


def test_after_a_restart_only_what_is_new_or_newer_is_done(inbox: Inbox, look: Callable[[], bool]) -> None:
    (inbox.folder / "a.jpg").write_bytes(PHOTO)
    look()
    look()
    again = Inbox(inbox.folder, inbox.out, "png", recursive=True, settle=0.0)
    again.due()
    assert again.due() == []
    later = time.time_ns() + 10**9
    os.utime(inbox.folder / "a.jpg", ns=(later, later))
    again.due()
    assert [job.name for job in again.due()] == [str(inbox.folder / "a.jpg")]


def test_another_photo_of_the_same_name_replaces_none(inbox: Inbox, look: Callable[[], bool]) -> None:
    for size in (100, 200):
        (inbox.folder / "a.jpg").write_bytes(PHOTO[:size])
        look()
        look()
    failed = inbox.out / "failed"
    assert {path.name: path.stat().st_size for path in failed.iterdir()} == {"a.jpg": 100, "a-2.jpg": 200}


def test_photos_of_one_stem_have_results_of_their_own(inbox: Inbox, look: Callable[[], bool]) -> None:
    """Also one that is older than the result of the other, as copies from a card are."""
    (inbox.folder / "a.png").write_bytes(file_of(astronaut(30, 30), "PNG"))
    look()
    look()
    assert [path.name for path in inbox.out.iterdir()] == ["a.png"]
    (inbox.folder / "a.jpg").write_bytes(PHOTO)
    os.utime(inbox.folder / "a.jpg", ns=(10**18, 10**18))
    look()
    look()
    assert {path.name for path in inbox.out.iterdir()} == {"a.png", "a.png.png", "a.jpg.png"}
    with Image.open(inbox.out / "a.jpg.png") as picture:
        assert picture.size == (60, 40)


def test_while_results_cannot_be_written_photos_stay(
    inbox: Inbox, look: Callable[[], bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OutputError(path, problem="No space left on device")

    for name in ("a.jpg", "b.jpg"):
        (inbox.folder / name).write_bytes(PHOTO)
    troubles = Troubles()
    with MattingClient(LocalEngine()) as client:
        monkeypatch.setattr("matting_client.cli.work.write", full)
        for _ in range(3):
            work_once(client, inbox, Options(), 2, Interruption(), troubles=troubles)
        assert sorted(path.name for path in inbox.folder.iterdir()) == ["a.jpg", "b.jpg"] and not inbox.out.exists()
        assert capsys.readouterr().err.count("waiting") == 1
        monkeypatch.undo()
        monkeypatch.setenv("MATTING_MODEL_REPOSITORY", "")
        set_clock(monkeypatch, lambda: time.monotonic() + watch.HELD_SECONDS, watch)
        for _ in range(2):
            work_once(client, inbox, Options(), 2, Interruption(), troubles=troubles)
    assert sorted(path.name for path in inbox.out.iterdir()) == ["a.png", "b.png"]


def test_a_photo_that_cannot_be_moved_stays_whole_and_is_not_tried_again(
    inbox: Inbox, look: Callable[[], bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(source: Path, target: Path) -> None:  # as a move to another disk that is full
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "move", breaks)
    (inbox.folder / "a.jpg").write_bytes(PHOTO[:300])
    for _ in range(4):
        look()
    assert (inbox.folder / "a.jpg").read_bytes() == PHOTO[:300]
    assert not [path for path in inbox.out.rglob("*") if path.is_file()]
    assert capsys.readouterr().err.count("it stays, as it cannot be moved (No space left on device)") == 1


def test_a_folder_that_goes_away_is_waited_for(inbox: Inbox, local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    troubles = Troubles()
    away = inbox.folder.with_name("away")
    inbox.folder.rename(away)
    with MattingClient(LocalEngine()) as client:
        for _ in range(3):
            work_once(client, inbox, Options(), 2, Interruption(), troubles=troubles)
        assert capsys.readouterr().err.count("the folder cannot be read") == 1
        away.rename(inbox.folder)
        (inbox.folder / "a.jpg").write_bytes(PHOTO)
        for _ in range(2):
            work_once(client, inbox, Options(), 2, Interruption(), troubles=troubles)
    assert (inbox.out / "a.png").is_file()


def test_doubtful_results_are_named(inbox: Inbox, local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inbox.folder / "a.jpg").write_bytes(PHOTO)
    with MattingClient(LocalEngine()) as client:
        for _ in range(2):
            work_once(client, inbox, Options(), 2, Interruption(), review_above=0.0)
    assert re.search(r"review \d\.\d{4} .*a\.jpg", capsys.readouterr().err)


def test_results_need_a_folder_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_text("x")
    for out in (tmp_path, tmp_path / "link", "-"):
        with pytest.raises(OptionError, match="got no folder of its own"):
            watch.main([str(tmp_path), "-o", str(out), "--engine", "local"])
    with pytest.raises(OptionError, match="cannot be made"):
        watch.main([str(tmp_path), "-o", str(tmp_path / "file" / "x"), "--engine", "local"])


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="got no folder to watch"):
        watch.main([str(tmp_path / "none")])
    wrong = {"--settle": ("-1", "nan", "inf"), "--jobs": ("-3",), "--review-above": ("nan",), "-o": ("cutouts.png",)}
    for option, values in wrong.items():
        for value in values:
            with pytest.raises(OptionError, match=f"{option}:? (got )?{value}"):
                watch.main([str(tmp_path), option, value])


def test_the_command_ends_with_a_signal(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    command = [sys.executable, "-m", "matting_client.cli.main", "watch", "in", "-o", "out", "--engine", "local"]
    with subprocess.Popen(
        [*command, "--settle", "0"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE
    ) as process:
        (tmp_path / "in" / "a.jpg").write_bytes(PHOTO)
        wait_for((tmp_path / "out" / "a.png").is_file)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"Traceback" not in said
