"""What photo jobs do when photos, models and processes fail, and how much work many photos are."""

from __future__ import annotations

import json
import socket
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from matting_api.jobs import buckets, photos, results, shelf, store
from matting_api.jobs.buckets import Buckets, TargetFailed, read_grants
from matting_api.jobs.sources import SOURCE, Elsewhere
from matting_api.jobs.store import Cancelled, Job, JobStore
from matting_api.produce import Facts
from matting_api.request import fetch
from matting_api.request.fetch import Fetcher
from matting_client import ServerUnavailable

from tests.unit.api.conftest import wait_until
from tests.unit.api.test_bucket_jobs import point_at

MANY = 2000
FACTS = Facts(True, 0.0123, 40, 30)
Make = Callable[..., tuple[bytes, Facts]]


def make_same(photo: bytes, name: str, asked: object) -> tuple[bytes, Facts]:
    return photo, FACTS


def new_job(folder: Path, names: list[str]) -> Job:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / SOURCE, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return Job(folder.name, folder, {"names": names, "by_address": False, "webhook": "", "fields": {}}, len(names))


def work(job: Job, make: Make) -> None:
    photos.work(job, make, Elsewhere(), 1000, workers=2)


def outcomes(job: Job) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    with zipfile.ZipFile(job.folder / results.ARCHIVE) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, json.loads(files.pop("results.json"))


def test_a_photo_that_ends_the_server_is_left_out(tmp_path: Path) -> None:
    job = new_job(tmp_path, ["a.png", "bad.png", "c.png"])
    (tmp_path / photos.BEGUN).mkdir()
    (tmp_path / photos.BEGUN / "000001").write_bytes(b"." * photos.MOST_BEGINS)  # as processes leave it
    (tmp_path / photos.BEGUN / "000002").write_bytes(b"." * (photos.MOST_BEGINS - 1))
    work(job, make_same)
    files, told = outcomes(job)
    assert files == {"a-cutout.png": b"a.png", "c-cutout.png": b"c.png"}
    assert told[1]["error"]["code"] == "internal_error" and "bad.png" in told[1]["error"]["detail"]


def test_what_nobody_foresaw_fails_one_photo_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def make(photo: bytes, name: str, asked: object) -> tuple[bytes, Facts]:
        if name == "b.png":
            raise IndexError
        return photo, FACTS

    job = new_job(tmp_path, ["a.png", "b.png"])
    work(job, make)
    files, told = outcomes(job)
    assert list(files) == ["a-cutout.png"] and job.done == 2
    assert told[1]["error"]["code"] == "internal_error"
    assert "IndexError" in caplog.text


def test_an_end_while_the_model_is_gone_fails_no_photo(tmp_path: Path) -> None:
    asked_for = threading.Event()

    def gone(photo: bytes, name: str, asked: object) -> tuple[bytes, Facts]:
        asked_for.set()
        raise ServerUnavailable("127.0.0.1:1", problem="no answer")

    job = new_job(tmp_path, ["a.png", "b.png"])
    ending = threading.Thread(target=lambda: (asked_for.wait(), job.stop.set()))
    ending.start()
    with pytest.raises(Cancelled):
        work(job, gone)
    ending.join()
    assert list((tmp_path / results.RESULTS).iterdir()) == list((tmp_path / photos.BEGUN).iterdir()) == []
    job.stop.clear()
    work(job, make_same)
    assert len(outcomes(job)[0]) == 2


def test_a_job_that_gets_on_is_not_given_up(tmp_path: Path) -> None:
    """However often the server is killed: only kills between which nothing was done count."""
    (tmp_path / shelf.LOCK).touch()
    job = new_job(tmp_path / shelf.new_id(), ["a.png", "b.png", "c.png"])
    job.starts = store.MOST_STARTS - 1
    job.save()
    (job.folder / results.RESULTS).mkdir()
    (job.folder / results.RESULTS / "000000.png").write_bytes(b"done before")
    starts = []

    def work_once(job: Job) -> None:
        work(job, make_same)
        starts.append(job.starts)

    opened = JobStore(tmp_path, most=3, kept_seconds=60, work=work_once)
    wait_until(lambda: opened.get(job.name).state in store.OVER)
    opened.close()
    assert opened.get(job.name).state == store.DONE and starts == [1]
    assert outcomes(job)[0]["a-cutout.png"] == b"done before"


def test_what_is_told_of_results_outlives_the_process(tmp_path: Path) -> None:
    """Also where some were made before an earlier version was replaced, or half a photo's outcome is there."""
    job = new_job(tmp_path, ["old.png", "empty.png", "half.png", "lost.png", "new.png"])
    (tmp_path / results.RESULTS).mkdir()
    (tmp_path / results.RESULTS / "000000.png").write_bytes(b"of an earlier version, which told nothing")
    empty = Facts(False, 0.5, 4, 3, ("first of 2 frames",))
    results.keep_facts(job, 1, empty)
    (tmp_path / results.RESULTS / "000001.png").write_bytes(b"empty")
    for number in (2, 3):  # a kill came before their results
        results.keep_facts(job, number, empty)

    def make(photo: bytes, name: str, asked: object) -> tuple[bytes, Facts]:
        if name == "lost.png":
            raise IndexError
        return photo, FACTS

    work(job, make)
    told = outcomes(job)[1]
    facts = {"found": True, "uncertainty": 0.0123, "width": 40, "height": 30}
    assert told[0] == {"photo": "old.png", "file": "old-cutout.png"}
    assert told[1] == {
        "photo": "empty.png", "file": "empty-cutout.png",
        "found": False, "uncertainty": 0.5, "width": 4, "height": 3, "warnings": ["first of 2 frames"],
    }  # fmt: skip
    assert told[2] == {"photo": "half.png", "file": "half-cutout.png", **facts}
    assert told[3].keys() == {"photo", "error"}
    assert told[4] == {"photo": "new.png", "file": "new-cutout.png", **facts}
    photos.clear(job)
    assert (results.count_failed(job), results.count_empty(job)) == (1, 1)  # also now that all else is removed


def test_a_result_that_cannot_be_kept_is_not_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TargetFailed(400, "target_refused", "target is refused", "target: the bucket refuses")

    job = new_job(tmp_path, ["a.png"])
    monkeypatch.setattr(results.ToArchive, "keep", fail)
    with pytest.raises(TargetFailed):
        work(job, lambda photo, name, asked: (photo, Facts(False, 0.5, 4, 3)))
    assert results.count_empty(job) == 0


def test_many_photos_are_no_more_work_each(tmp_path: Path) -> None:
    """Also where all have the same name: nothing is searched through anew for each of them."""
    job = new_job(tmp_path, [f"{number}/photo.png" for number in range(MANY)])
    start = time.process_time()
    work(job, make_same)
    spent = time.process_time() - start
    assert spent < 6  # s of CPU; it takes 1, and took 20 when each photo searched the folder and opened the archive
    files, told = outcomes(job)
    assert [files[each["file"]].decode() for each in told] == job.order["names"]


@pytest.mark.parametrize("order", [{"bucket": "s3://photos/may"}, {"by_address": True}, {"target": "s3://photos/out"}])
def test_a_job_that_is_cancelled_waits_for_nobody(
    order: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, limit in ((buckets, "TOTAL_SECONDS"), (fetch, "TOTAL_SECONDS"), (fetch, "STEP_SECONDS")):
        monkeypatch.setattr(module, limit, 3600.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        point_at(monkeypatch, silent.getsockname()[1])
        job = new_job(tmp_path, [f"{host}/a.png" if "by_address" in order else "a.png"])
        job.order |= order
        elsewhere = Elsewhere(Fetcher(1000, lambda address: True, None), Buckets(read_grants("photos")))
        with ThreadPoolExecutor() as pool:
            working = pool.submit(photos.work, job, make_same, elsewhere, 1000, workers=2)
            with silent.accept()[0], pytest.raises(Cancelled):  # it is asked
                job.stop.set()
                working.result(20)
