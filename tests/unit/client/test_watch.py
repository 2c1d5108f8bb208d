"""A watched folder: whole photos are cut out, half-written ones waited for, failed ones moved aside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from matting_client import MattingClient, OptionError, Options, ServerBusy
from matting_client.cli import watch
from matting_client.cli.interruption import Interruption
from matting_client.cli.watch import Inbox, work_once
from matting_client.runtime.local import LocalEngine
from matting_client.types import Image

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

    def infer(self, image: Image) -> Image:
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


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="got no folder to watch"):
        watch.main([str(tmp_path / "none")])
    with pytest.raises(OptionError, match=r"--settle: got -1\.0"):
        watch.main([str(tmp_path), "--settle", "-1"])


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
