"""Results that are also kept on the server: which, under what names, how many, and what is never touched."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from matting_api import outputs as module
from matting_api.jobs import disk
from matting_api.outputs import Outputs, new_name
from matting_client import OptionError

from tests.unit.api.conftest import Serve, pixels, wait_until
from tests.unit.api.test_removebg import post
from tests.unit.api.test_video import send, wait
from tests.unit.client.video_clips import write_clip

DAY = 86_400.0


@contextmanager
def outputs(folder: Path, most_bytes: int = 2**20, counted: list[bool] | None = None) -> Iterator[Outputs]:
    told: list[bool] = [] if counted is None else counted
    made = Outputs(folder, most_bytes, DAY, told.append)
    yield made
    made.close()


def test_what_the_api_answers_is_kept(serve: Serve, portrait: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    client = serve(outputs=folder)
    answer = post(client, portrait)
    as_jpeg = client.post("/v1/cutout?format=jpeg&background=white", files={"image_file": ("a/../b.png", portrait)})
    alpha = client.post("/v1/alpha", content=portrait)
    packed = post(client, portrait, format="zip")
    assert client.post("/v1/alpha", content=b"no photo").status_code == 400
    kept = {path.name.split("-", 3)[3]: path.read_bytes() for path in folder.iterdir()}
    assert kept == {
        "photo-cutout.png": answer.content,
        "b-cutout.jpg": as_jpeg.content,
        "image_file-alpha.png": alpha.content,
        "photo-cutout.zip": packed.content,
    }
    assert 'matting_outputs_total{kept="true"} 4.0' in client.get("/metrics").text


def test_clips_are_kept(serve: Serve, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4")
    client = serve(outputs=tmp_path / "outputs")
    job = wait(client, send(client, tmp_path / "clip.mp4").json(), "done", "failed")
    (kept,) = (tmp_path / "outputs").iterdir()
    assert kept.name.endswith("-cutout.webm")
    assert kept.read_bytes() == client.get(job["result"]).content


def test_nothing_is_kept_unless_asked_for(
    serve: Serve, portrait: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert post(serve(), portrait).status_code == 200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stem", ["../../etc/passwd", "a\nb", "CON", "x" * 300, "", "-rf", "\ud800", "名前", ".."])
def test_names_of_strangers_stay_in_the_folder(tmp_path: Path, stem: str) -> None:
    folder = tmp_path / "outputs"
    with outputs(folder) as box:
        box.keep(b"x", stem, "-cutout.png")
    (kept,) = folder.iterdir()
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    assert kept.name.endswith("-cutout.png") and kept.name.isprintable() and len(kept.name.encode()) <= 150


def test_the_oldest_give_way_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(bytes(5000))
    (tmp_path / new_name("linked", "-cutout.png")).symlink_to(tmp_path / "holiday.png")
    with outputs(tmp_path, most_bytes=1000) as box:
        for number in range(8):
            box.keep(bytes(300), f"photo{number}", "-cutout.png")
            newest = max(tmp_path.glob(f"*photo{number}-*"), key=os.path.getmtime)
            os.utime(newest, (time.time() - 100 + number,) * 2)
        kept = sorted(path.name.split("-")[3] for path in tmp_path.glob("*-photo*"))
        assert kept == ["photo5", "photo6", "photo7"]
        box.keep(bytes(5000), "large", "-cutout.png")  # the newest stays, however large
        assert [path.name.split("-")[3] for path in tmp_path.glob("*-cutout.png") if not path.is_symlink()] == ["large"]
    assert (tmp_path / "holiday.png").stat().st_size == 5000


def test_what_is_too_old_goes_and_what_a_killed_process_left(tmp_path: Path) -> None:
    with outputs(tmp_path) as box:
        box.keep(b"old", "old", ".png")
        box.keep(b"new", "new", ".png")
    (old,) = tmp_path.glob("*-old.png")
    part = tmp_path / ".matting-output-0123456789abcdef.part"
    part.write_bytes(b"half")
    for path, age in ((old, 2 * DAY), (part, 7200.0)):
        os.utime(path, (time.time() - age,) * 2)
    with outputs(tmp_path):
        assert [path.name[-8:] for path in tmp_path.iterdir()] == ["-new.png"]


def test_files_are_as_open_as_their_folder(tmp_path: Path) -> None:
    for mode in (0o700, 0o755):
        folder = tmp_path / f"{mode:o}"
        folder.mkdir(mode=mode)
        with outputs(folder) as box:
            before = os.umask(0o077)  # as under the supervisor
            box.keep(b"x", "photo", ".png")
            os.umask(before)
        (kept,) = folder.iterdir()
        assert kept.stat().st_mode & 0o777 == mode & 0o666


def test_a_result_that_cannot_be_kept_is_answered_all_the_same(
    serve: Serve, portrait: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "outputs"
    client = serve(outputs=folder)
    folder.rmdir()
    folder.write_text("somebody put a file in its place")
    assert pixels(post(client, portrait).content).shape == (400, 512, 4)
    assert "a result cannot be kept (Not a directory)" in caplog.text
    assert 'matting_outputs_total{kept="false"} 1.0' in client.get("/metrics").text


def test_results_leave_some_of_the_disk_to_uploads_and_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with outputs(tmp_path) as box:
        free = shutil.disk_usage(tmp_path).free
        monkeypatch.setattr(disk, "FREE_SHARE", 1)
        monkeypatch.setattr(disk, "FREE_BYTES", free - 2**30)
        box.keep(b"x", "photo", ".png")
        assert len(list(tmp_path.iterdir())) == 1
        monkeypatch.setattr(disk, "FREE_BYTES", free + 2**30)
        box.keep(b"x", "photo", ".png")
        (clip := tmp_path / "clip.webm").write_bytes(b"x")
        box.keep_file(clip)
        assert len(list(tmp_path.iterdir())) == 2
        assert caplog.text.count("the disk is nearly full") == 1  # a line a minute
        monkeypatch.setattr(module, "TOLD_SECONDS", 0.0)
        box.keep_file(clip)
        assert "uploads and jobs), 2 since the last such line" in caplog.text


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"--outputs: .*file/outputs cannot be written to by user \d+ \(Not a dir"):
        Outputs(tmp_path / "file" / "outputs", 1, DAY, lambda kept: None)


def test_a_folder_that_cannot_be_looked_through_is_looked_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The results are kept and answered, and the thread that removes old ones goes on."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.01)
    counted: list[bool] = []
    with outputs(tmp_path, most_bytes=100, counted=counted) as box:
        looks: list[Path] = []

        def broken(folder: Path) -> None:
            looks.append(folder)
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(module, "_results", broken)
            wait_until(lambda: len(looks) > 1)
            box.keep(bytes(200), "photo", ".png")
        assert counted == [True] and "cannot be looked through for old results (Input/output error)" in caplog.text
        (kept,) = tmp_path.iterdir()
        os.utime(kept, (time.time() - 2 * DAY,) * 2)
        wait_until(lambda: not list(tmp_path.iterdir()))
