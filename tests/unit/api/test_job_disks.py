"""What jobs do when their disk is full, comes and goes, or is not there."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matting_api.errors import ApiError
from matting_api.jobs import clips, disk, photos, results, rounds, store
from matting_api.jobs.job import Job
from matting_api.jobs.sources import Elsewhere
from matting_api.jobs.store import JobStore
from matting_client import OutputError
from matting_client.video import order
from persistqueue import SQLiteAckQueue

from tests.unit.api.conftest import Serve, error, wait_until
from tests.unit.api.test_jobs import send, wait
from tests.unit.api.test_photo_jobs import FACTS, new_job

FULL = OSError(errno.ENOSPC, "No space left on device", "/srv/secret")


class Trouble:
    """Makes a method fail as often as is wanted."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: Any, name: str, raised: Exception) -> None:
        self.left, self.met = 0.0, 0
        whole = getattr(owner, name)

        def method(*args: Any, **named: Any) -> Any:
            if self.left > 0:
                self.left, self.met = self.left - 1, self.met + 1
                raise raised
            return whole(*args, **named)

        patch.setattr(owner, name, method)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(rounds, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(store, "AGAIN_SECONDS", 0.02)


def note_of(job: Job) -> str:
    return Job.load(job.folder).state


@pytest.mark.parametrize(
    ("owner", "name", "raised"),
    [
        (Job, "save", FULL),
        (SQLiteAckQueue, "get", sqlite3.OperationalError("database or disk is full")),
        (SQLiteAckQueue, "ack", sqlite3.OperationalError("disk I/O error")),
        (SQLiteAckQueue, "clear_acked_data", sqlite3.OperationalError("disk I/O error")),
    ],
)
def test_jobs_go_on_after_a_full_disk(
    owner: Any, name: str, raised: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble(monkeypatch, owner, name, raised)
    begun, go = threading.Event(), threading.Event()
    told: list[str] = []

    def work(job: Job) -> None:
        begun.set()
        go.wait(20)

    jobs = JobStore(tmp_path, most=9, kept_seconds=60, work=work, over=lambda job: told.append(job.name))
    first, second = (jobs.add(jobs.new_folder(), {}, 1) for _ in range(2))
    begun.wait(20)
    trouble.left = 3
    go.set()
    wait_until(lambda: trouble.met == 3 and all(note_of(job) in store.OVER for job in (first, second)))
    third = jobs.add(jobs.new_folder(), {}, 1)
    wait_until(lambda: len(told) == 3)
    jobs.close()
    assert sorted(told) == sorted(job.name for job in (first, second, third))  # each once
    assert jobs.get(third.name).state == store.DONE
    assert SQLiteAckQueue(str(tmp_path)).unack_count() == 0


def test_an_end_that_cannot_be_told_holds_up_no_other_job(tmp_path: Path) -> None:
    told: list[str] = []

    def over(job: Job) -> None:
        told.append(job.name)
        if job.name == told[0]:
            raise KeyError("webhook")

    jobs = JobStore(tmp_path, most=9, kept_seconds=60, work=lambda job: None, over=over)
    bad, good = (jobs.add(jobs.new_folder(), {}, 1) for _ in range(2))
    wait_until(lambda: good.told and told.count(bad.name) > 2)
    jobs.close()
    assert told.count(good.name) == 1


def test_a_job_that_cannot_be_queued_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = Trouble(monkeypatch, SQLiteAckQueue, "put", sqlite3.OperationalError("disk I/O error"))
    jobs = JobStore(tmp_path, most=1, kept_seconds=60, work=lambda job: None)
    trouble.left = 1
    with pytest.raises(ApiError) as refused:
        jobs.add(jobs.new_folder(), {}, 1, "mark")
    assert refused.value.code == "storage_unavailable"
    assert jobs.find("mark") is None
    job = jobs.add(jobs.new_folder(), {}, 1, "mark")  # and it holds no place
    wait_until(lambda: job.state == store.DONE)
    jobs.close()


def test_a_store_that_could_not_be_opened_can_be_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trouble = Trouble(monkeypatch, store, "SQLiteAckQueue", sqlite3.OperationalError("unable to open database file"))
    trouble.left = 2
    jobs = JobStore(None, most=1, kept_seconds=60, work=lambda job: None)
    for _ in range(2):
        with pytest.raises(ApiError) as refused:
            jobs.new_folder()
        assert refused.value.status == 503
        assert list(tmp_path.iterdir()) == []
    job = jobs.add(jobs.new_folder(), {}, 1)
    wait_until(lambda: job.state == store.DONE)
    jobs.close()


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.EACCES, 503, "storage_unavailable"),
        (errno.ENOENT, 503, "storage_unavailable"),
        (errno.ENOSPC, 507, "insufficient_storage"),
    ],
)
def test_a_temporary_folder_that_cannot_be_used(
    number: int, status: int, code: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> str:
        raise OSError(number, "reason", "/srv/secret")

    client = serve()
    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    answer = client.post("/v1/jobs", json={"urls": ["https://example.com/a.jpg"]})
    assert (answer.status_code, error(answer)["code"]) == (status, code)
    assert "/" not in error(answer)["detail"] and "TMPDIR" not in answer.text and answer.headers["Retry-After"]


def set_free(patch: pytest.MonkeyPatch, beyond: Callable[[], int]) -> None:
    """Let the disk have so many bytes beyond those that are left to others."""
    patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=2**40, free=2 * 2**30 + beyond()))


@pytest.mark.parametrize(
    ("total", "kept"),
    [(2 * 2**30, 2 * 2**30 // 10), (20 * 2**30, 2 * 2**30), (2**40, 2 * 2**30)],  # a tmpfs of 2 GiB, disks
)
def test_a_small_disk_may_be_used_but_for_a_tenth(
    total: int, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=total, free=kept + 100))
    disk.check_space(tmp_path, 100)
    with pytest.raises(ApiError) as refused:
        disk.check_space(tmp_path, 101)
    assert refused.value.code == "insufficient_storage"


def test_a_failed_job_is_told_to_caller_and_log(
    serve: Serve, disc: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = iter((0, 10**6))  # it is taken, and finds no room later
    set_free(monkeypatch, lambda: next(looks, -1))
    client = serve()
    job = wait(client, send(client, {"a.png": disc}).json(), "failed")
    answer = client.get(f"/v1/jobs/{job['id']}/result")
    assert (answer.status_code, error(answer)["detail"].partition("; ")[2]) == (409, "its state says why")
    assert f"job {job['id']} failed: {job['error']['detail']}" in caplog.text


def test_photos_are_not_cut_out_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    set_free(monkeypatch, lambda: -1 if len(made) >= 3 else 0)

    def make(photo: bytes, name: str, asked: object) -> tuple[bytes, Any]:
        made.append(name)
        return photo, FACTS

    job = new_job(tmp_path, [f"{number}.png" for number in range(200)])
    with pytest.raises(ApiError) as refused:
        photos.work(job, make, Elsewhere(), 1000, workers=2)
    assert (refused.value.status, refused.value.code) == (507, "insufficient_storage")
    assert len(made) <= 4 and results.count_failed(job) == 0
    set_free(monkeypatch, lambda: 10**6)
    photos.work(job, make, Elsewhere(), 1000, workers=2)  # nothing of it is lost
    assert results.done_fields(job).exists()


def test_a_result_is_put_together_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_free(monkeypatch, lambda: 299)
    job = new_job(tmp_path, ["a.png", "b.png", "c.png"])
    with pytest.raises(ApiError) as refused:
        photos.work(job, lambda photo, name, asked: (b"x" * 100, FACTS), Elsewhere(), 1000, workers=1)
    assert refused.value.code == "insufficient_storage" and not results.done_fields(job).exists()


@pytest.mark.parametrize("name", ["keep_facts", "_note_begin"])
def test_a_disk_that_fails_ends_a_job_and_not_photo_by_photo(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise disk.disk_failure(FULL)

    monkeypatch.setattr(photos, name, fail)
    job = new_job(tmp_path, ["a.png", "b.png"])
    with pytest.raises(ApiError, match="insufficient_storage"):
        photos.work(job, lambda photo, name, asked: (photo, FACTS), Elsewhere(), 1000, workers=1)
    assert results.count_failed(job) == 0


def test_errors_of_the_disk_hold_no_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    job = Job("file", tmp_path / "file", {}, 1)
    for step in (job.save, lambda: results.keep_failure(job, 0, {})):
        with pytest.raises(ApiError) as refused:
            step()
        assert refused.value.code == "storage_unavailable" and str(tmp_path) not in refused.value.detail


def test_a_clip_leaves_room_to_others_and_tells_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "VideoFile", lambda *_, **__: SimpleNamespace())
    monkeypatch.setattr(clips, "Plan", lambda *_: None)
    job = Job("clip", tmp_path, {"format": "webm"}, None)

    def one_frame(plan: object, target: Path, step: Callable[[], None]) -> None:
        step()

    def full(plan: object, target: Path, step: Callable[[], None]) -> None:
        try:
            raise FULL
        except OSError:
            raise OutputError(target, problem="cannot be written (No space left on device)") from None

    def not_encodable(plan: object, target: Path, step: Callable[[], None]) -> None:
        raise OutputError(target, problem="cannot be written (Invalid argument)")

    for convert, beyond, code in (
        (one_frame, -1, "insufficient_storage"),
        (full, 0, "insufficient_storage"),
        (not_encodable, 0, "invalid_parameter"),
    ):
        set_free(monkeypatch, lambda beyond=beyond: beyond)
        with pytest.raises(ApiError) as refused:
            clips.work(job, convert)
        assert refused.value.code == code and str(tmp_path) not in refused.value.detail
