"""What a store does with a folder that others use too, and how long jobs stay in it."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from matting_api.app import create_app
from matting_api.errors import ApiError
from matting_api.jobs import clips, photos, results, store
from matting_api.jobs.buckets import TargetFailed
from matting_api.jobs.store import Cancelled, Job, JobStore
from matting_api.produce import Facts
from matting_api.settings import Settings
from matting_client import OptionError

from tests.unit.api.conftest import wait_until

DAY = 24 * 3600.0
IDS = [f"{letter * 21}A" for letter in "abcdefgh"]  # as the store makes them
NOTE: dict[str, Any] = {
    "order": {}, "total": 1, "mark": "", "created": 0.0, "state": "done", "done": 1, "error": None, "starts": 0,
}  # fmt: skip


def opened(folder: Path, **settings: Any) -> JobStore:
    return JobStore(folder, **{"most": 20, "kept_seconds": DAY, "work": lambda job: None, **settings})


def put_note(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({**NOTE, "created": time.time(), **changes}))
    return folder


def wait_for_the_end(job: Job) -> None:
    job.stop.wait(20)
    raise Cancelled


@pytest.mark.parametrize("kind", ["photos", "clips"])
def test_a_folder_with_a_persons_files_is_refused(kind: str, tmp_path: Path) -> None:
    photo = tmp_path / kind / "2025-wedding" / "1.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"once only")
    with pytest.raises(OptionError, match=f"--jobs-folder: .*{kind}: .*no jobs") as refused:
        create_app(Settings(engine="local", jobs_folder=tmp_path))
    assert "\n" not in str(refused.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [photo]  # and no store was opened beside it


def test_only_incomplete_uploads_are_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    jobs = tmp_path / "jobs"
    opened(jobs).close()
    outside = put_note(tmp_path / "outside")
    (outside / "job.json").unlink()
    good, incomplete, newer, no_json, other_kind, unreadable, nested, link = (jobs / name for name in IDS)
    put_note(good)
    (incomplete / "results").mkdir(parents=True)
    put_note(newer, colour="red")
    put_note(no_json).joinpath("job.json").write_text("{")
    put_note(other_kind, created="today")
    (unreadable / "job.json").mkdir(parents=True)  # EISDIR; the tests' user may read everything
    put_note(nested).joinpath("job.json").write_text("[" * 100_000)
    link.symlink_to(outside)
    person = jobs / "2025-06-14-Anna-und-Bo"  # as long as an id
    person.mkdir()
    with caplog.at_level(logging.WARNING, "jobs"):
        again = opened(jobs)
    assert again.get(good.name).state == "done"
    again.close()
    assert not incomplete.exists() and person.is_dir() and outside.is_dir()
    for left in (newer, no_json, other_kind, unreadable, nested):
        assert (left / "job.json").exists() and str(left) in caplog.text
        with pytest.raises(ApiError):
            again.get(left.name)
    assert person.name in caplog.text and "colour" in caplog.text


@pytest.mark.parametrize("known_by", ["lock", "data.db"])
def test_folders_of_earlier_versions_are_taken_up(known_by: str, tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / ({"lock", "data.db"} - {known_by}).pop()).unlink()
    note = {name: value for name, value in NOTE.items() if name != "mark"}
    (tmp_path / IDS[0]).mkdir()
    (tmp_path / IDS[0] / "job.json").write_text(json.dumps({**note, "created": time.time()}))
    again = opened(tmp_path)
    assert again.get(IDS[0]).mark == ""
    again.close()


def test_an_empty_disk_will_do(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    opened(tmp_path).close()
    assert (tmp_path / "lost+found").is_dir()


def test_a_clock_that_jumps_forgets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = opened(tmp_path, work=wait_for_the_end)
    names = [jobs.add(jobs.new_folder(), {}, 1).name for _ in range(2)]
    wait_until(lambda: jobs.get(names[0]).state == store.WORKING)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 2 * DAY)
    assert [jobs.get(name).state for name in names] == ["working", "queued"]
    jobs.close()
    again = opened(tmp_path)  # nor does the next process
    wait_until(lambda: all(again.get(name).state == store.DONE for name in names))
    again.close()


def test_what_waits_or_is_worked_on_is_never_forgotten(tmp_path: Path) -> None:
    """And what was late is kept long enough to be fetched."""
    jobs = opened(tmp_path, kept_seconds=0.0, work=wait_for_the_end)
    names = [jobs.add(jobs.new_folder(), {}, 1).name for _ in range(2)]
    wait_until(lambda: jobs.get(names[0]).state == store.WORKING)
    jobs.close()
    later = opened(tmp_path, kept_seconds=DAY)
    late = later.get(names[0])
    wait_until(lambda: late.state == store.DONE)
    assert late.until >= time.monotonic() + store.LEAST_SECONDS - 60
    later.close()


def test_ages_of_an_earlier_process(tmp_path: Path) -> None:
    """A day at most, whatever the clock said then, and an hour from a late end."""
    opened(tmp_path).close()
    for name, created in zip(IDS, (time.time() + 400 * DAY, 0.0, 0.0), strict=False):
        put_note(tmp_path / name, created=created)
    os.utime(tmp_path / IDS[1] / "job.json", (0, 0))
    jobs = opened(tmp_path)
    assert jobs.get(IDS[0]).until <= time.monotonic() + DAY
    assert jobs.get(IDS[2]).until == pytest.approx(time.monotonic() + store.LEAST_SECONDS, abs=60)
    with pytest.raises(ApiError):
        jobs.get(IDS[1])
    jobs.close()
    assert not (tmp_path / IDS[1]).exists()


def test_an_idle_server_keeps_its_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks, and results go all the same; also while another job is worked on."""
    monkeypatch.setattr(store, "TIDY_SECONDS", 0.05)
    jobs = opened(tmp_path, kept_seconds=0.5, work=lambda job: wait_for_the_end(job) if job.order else None)
    folder = jobs.add(jobs.new_folder(), {}, 1).folder
    jobs.add(jobs.new_folder(), {"long": True}, 1)
    wait_until(lambda: not folder.exists())
    jobs.close()


def test_a_failed_job_keeps_no_photos(tmp_path: Path) -> None:
    def work(job: Job) -> None:
        for name in ("begun", "results", "facts"):
            (job.folder / name).mkdir()
        for name in ("source.zip", "results.part", "results/000000.png", "results/000001.json"):
            (job.folder / name).write_bytes(b"x")
        results.keep_facts(job, 0, Facts(False, 0.5, 4, 3))
        raise TargetFailed(400, "target_failed", "target cannot be used", "target: it is not there")

    told: list[str] = []
    jobs = opened(tmp_path, work=work, over=lambda job: told.append(job.name), clear=photos.clear)
    job = jobs.add(jobs.new_folder(), {}, 2)
    wait_until(lambda: not (job.folder / "begun").exists() and bool(told))
    jobs.close()
    left = sorted(str(path.relative_to(job.folder)) for path in job.folder.rglob("*") if path.is_file())
    assert left == ["facts/000000.empty", "job.json", "results/000001.json"]
    assert (results.count_failed(job), results.count_empty(job), job.state) == (1, 1, "failed")


@pytest.mark.parametrize("state", ["done", "failed"])
def test_a_clip_that_is_over_keeps_its_result_alone(state: str, tmp_path: Path) -> None:
    job = Job(IDS[0], put_note(tmp_path / IDS[0]), {"format": "webm"}, None, state=state)
    for name in ("source", "cutout.webm", ".cutout.webm.part"):
        (job.folder / name).write_bytes(b"x")
    (job.folder / "work").mkdir()
    clips.clear(job)
    clips.clear(job)
    names = {path.name for path in job.folder.iterdir()}
    assert names == ({"job.json", "cutout.webm"} if state == "done" else {"job.json"})
