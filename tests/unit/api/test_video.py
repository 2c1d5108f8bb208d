"""A clip as a job: uploaded, watched, fetched, cancelled, refused."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from matting_api.jobs import clips, store
from matting_api.jobs.job import Cancelled, Job
from matting_api.settings import Settings
from matting_client import ServerUnavailable
from matting_client.imaging.encode import encode
from matting_client.video import order
from matting_client.video.job import SEGMENT
from matting_client.video.pipeline import Plan
from matting_client.video.reader import VideoFile

from tests.support.clock import set_clock
from tests.unit.api.conftest import Serve, running
from tests.unit.client.video_clips import FRAMES, read_clip, write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path)
    return path


def send(client: httpx.Client, clip: Path, **fields: str) -> httpx.Response:
    return client.post("/v1/video", files={"video_file": ("clip.mp4", clip.read_bytes())}, data=fields)


def wait(client: httpx.Client, job: dict[str, Any], *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while job["status"] not in states:
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
        job = client.get(f"/v1/video/{job['id']}").json()
    return job


@pytest.mark.parametrize("fields", [{}, {"format": "mov"}, {"format": "mp4", "background": "#00b140"}])
def test_a_clip_is_cut_out(serve: Serve, clip: Path, tmp_path: Path, fields: dict[str, str]) -> None:
    client = serve()
    begun = send(client, clip, **fields)
    assert begun.status_code == 202, begun.text
    assert begun.headers["Location"] == f"/v1/video/{begun.json()['id']}"
    job = wait(client, begun.json(), "done", "failed")
    assert (job["status"], job["done"]) == ("done", FRAMES)
    result = client.get(job["result"])
    path = tmp_path / f"result.{fields.get('format', 'webm')}"
    path.write_bytes(result.content)
    frames, _, heard = read_clip(path)
    assert len(frames) == FRAMES
    assert heard > 0.3
    assert client.delete(f"/v1/video/{job['id']}").status_code == 204
    assert client.get(f"/v1/video/{job['id']}").status_code == 404


def test_bad_orders_are_refused_at_once(serve: Serve, clip: Path, tmp_path: Path) -> None:
    client = serve()
    text = tmp_path / "text.mp4"
    text.write_bytes(b"#EXTM3U\nfile:///etc/hostname\n")
    video = ("video_file", ("clip.mp4", clip.read_bytes()))
    for answer, code in (
        (send(client, clip, format="avi"), "invalid_parameter"),
        (send(client, clip, format="mp4"), "invalid_parameter"),
        (send(client, clip, background="/etc/hostname"), "invalid_parameter"),
        (send(client, clip, background="wall.jpg"), "invalid_parameter"),
        (send(client, clip, background="#ffffff", alpha_only="true"), "invalid_parameter"),
        (send(client, clip, colour="red"), "unknown_parameter"),
        (send(client, clip, start="soon"), "invalid_parameter"),
        (send(client, clip, start="0:10"), "invalid_parameter"),
        (send(client, clip, start="0.2", end="0.1"), "invalid_parameter"),
        (send(client, text), "invalid_image"),
        (client.post("/v1/video", data={"format": "webm"}), "missing_source"),
        (client.post("/v1/video?format=avi", files=[video]), "invalid_parameter"),
        (client.post("/v1/video?colour=red", files=[video]), "unknown_parameter"),
        (client.post("/v1/video?format=mov", files=[video], data={"format": "mov"}), "invalid_parameter"),
        (client.post("/v1/video?format=mov&format=mov", files=[video]), "invalid_parameter"),
        (client.post("/v1/video", files=[video, ("mask_file", ("a.png", b"x"))]), "unknown_parameter"),
        (client.post("/v1/video", files=[video, video]), "invalid_parameter"),
        (client.post("/v1/video", files=[video, *[("format", (None, b"mov"))] * 2]), "invalid_parameter"),
    ):
        assert answer.status_code == 400, answer.text
        assert answer.json()["errors"][0]["code"] == code
        assert "/tmp" not in answer.text and "Path" not in answer.text


def test_empty_fields_are_not_given_and_others_may_stand_in_the_address(serve: Serve, clip: Path) -> None:
    client = serve()
    files = {"video_file": ("clip.mp4", clip.read_bytes())}
    empty = {"format": "", "alpha_only": "", "background": ""}
    for address, fields, kind in (("", empty, "webm"), ("?format=mp4&background=red", {}, "mp4")):
        begun = client.post(f"/v1/video{address}", files=files, data=fields)
        assert begun.status_code == 202, begun.text
        done = wait(client, begun.json(), "done", "failed")
        assert client.get(done["result"]).headers["content-type"] == f"video/{kind}"


def test_a_picture_behind_a_clip(serve: Serve, clip: Path, tmp_path: Path) -> None:
    client = serve()
    wall = ("wall.png", encode(np.full((90, 120, 3), 230, np.uint8), "png"))
    files = {"video_file": ("clip.mp4", clip.read_bytes()), "bg_image_file": wall}
    colour = {"format": "mp4", "background": "#e6e6e6"}
    made = []
    for job in (
        client.post("/v1/video", files=files, data={"format": "mp4"}).json(),
        send(client, clip, **colour).json(),
    ):
        done = wait(client, job, "done", "failed")
        (tmp_path / "result.mp4").write_bytes(client.get(done["result"]).content)
        made.append(read_clip(tmp_path / "result.mp4")[0][0])
    assert np.array_equal(*made) and not np.array_equal(made[0], read_clip(clip)[0][0])
    for more, word in (
        ({"data": {"background": "red"}}, "got background and bg_image_file"),
        ({"data": {"alpha_only": "true"}}, "alpha_only: got background beside it"),
        ({"files": {**files, "bg_image_file": ("wall.png", b"no picture")}}, "wall.png: got no known picture format"),
    ):
        refused = client.post("/v1/video", **{"files": files, **more})  # type: ignore[arg-type]
        assert refused.status_code == 400 and word in refused.json()["errors"][0]["detail"], refused.text


def test_a_clip_of_too_many_frames_is_refused(serve: Serve, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of it is not."""
    monkeypatch.setattr(order, "MOST_FRAMES", FRAMES - 1)
    client = serve()
    done = wait(client, send(client, clip, start="0:00.1", end="0.3").json(), "done", "failed")
    assert done["frames"] == done["done"] == 5  # of 25 a second
    answer = send(client, clip)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["title"]) == (413, "file_too_large", "Clip too long")
    assert error["detail"].endswith(f"got {FRAMES} frames, expected at most {FRAMES - 1}; use a part of the clip")


def test_a_clip_may_be_larger_than_a_photo(serve: Serve, clip: Path, tmp_path: Path) -> None:
    api = serve(max_upload_mb=1, max_clip_mb=2)
    large = tmp_path / "large.mp4"
    for megabytes, status in ((1, 202), (3, 413)):
        large.write_bytes(clip.read_bytes() + (8 + megabytes * 2**20).to_bytes(4) + b"free" + bytes(megabytes * 2**20))
        assert send(api, large).status_code == status


def test_frames_are_as_large_as_the_memory_allows(serve: Serve, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "memory_limit", lambda: 128 * 96 * 4 * 100)
    client = serve()
    assert send(client, clip, format="mov").status_code == 202
    refused = send(client, clip, format="webm")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "invalid_image")
    assert "got 128x96 pixels, expected 1 to 5851; make it smaller" in refused.text


def test_clips_are_bounded_and_can_be_cancelled(
    serve: Serve, clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clips, "MOST_JOBS", 2)
    client = serve()
    write_clip(tmp_path / "long.mp4", frames=300, sound=None)
    first, second = (send(client, tmp_path / "long.mp4").json() for _ in range(2))
    assert send(client, clip).status_code == 503
    assert client.get(f"/v1/video/{second['id']}/result").status_code == 409
    for job in (first, second):
        assert client.delete(f"/v1/video/{job['id']}").status_code == 204
    last = send(client, clip)
    assert last.status_code == 202
    assert wait(client, last.json(), "done", "failed")["status"] == "done"  # and the long ones do not hold it up


def test_results_go_after_their_time(serve: Serve, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    job = wait(client, send(client, clip).json(), "done")
    set_clock(monkeypatch, lambda: time.monotonic() + clips.KEPT_SECONDS, store)
    assert client.get(job["result"]).status_code == 404


def test_a_clip_that_is_taken_up_again_counts_what_was_there(
    clip: Path, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is done when all its frames are, and is not given up while it gets on."""
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    settings = Settings(engine="local", jobs_folder=tmp_path / "jobs")
    frames = 3 * SEGMENT
    write_clip(tmp_path / "long.mp4", frames=frames, sound=None)
    with running(settings) as client:
        job = send(client, tmp_path / "long.mp4").json()
        while job["done"] <= SEGMENT:
            job = client.get(f"/v1/video/{job['id']}").json()
    assert job["status"] == "working"
    with running(settings) as client:
        job = client.get(f"/v1/video/{job['id']}").json()
        while not job["done"]:
            job = client.get(f"/v1/video/{job['id']}").json()
        assert job["done"] >= SEGMENT
        job = wait(client, job, "done", "failed")
    assert (job["status"], job["done"], job["frames"]) == ("done", frames, frames)


def test_a_job_is_left_while_sound_is_put_to_it(clip: Path, tmp_path: Path) -> None:
    shutil.copy(clip, tmp_path / clips.SOURCE)
    job = Job("name", tmp_path, {}, FRAMES)

    def convert(plan: Plan, target: Path, step: Callable[[], None]) -> None:
        assert isinstance(plan.source, VideoFile)
        plan.source.go_on()
        job.stop.set()
        plan.source.go_on()

    with pytest.raises(Cancelled):
        clips.work(job, convert)


def test_a_model_that_comes_back_fails_no_clip(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matting_api.jobs.job.PAUSE_SECONDS", 0.0)
    shutil.copy(clip, tmp_path / clips.SOURCE)
    job = Job("name", tmp_path, {}, FRAMES)
    problems = ["no answer"]

    def convert(plan: Plan, target: Path, step: Callable[[], None]) -> None:
        step()
        if problems:
            raise ServerUnavailable("127.0.0.1:1", problem=problems.pop())

    clips.work(job, convert)
    assert job.done == 1  # a frame that is made again counts once
