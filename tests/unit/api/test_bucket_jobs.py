"""Jobs whose photos come from a bucket and whose results go to one, with a real S3 server."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from matting_api.errors import ApiError
from matting_api.extras import check_extra
from matting_api.jobs import buckets, photos
from matting_api.jobs.buckets import Buckets, BucketUnavailable, Place, read_grants
from matting_api.settings import Settings
from matting_bench.server_process import free_ports
from matting_client import OptionError

from tests.support.programs import s3
from tests.unit.api.conftest import Serve, encode, error, pixels
from tests.unit.api.test_jobs import packed, results, wait
from tests.unit.api.test_main import START_SECONDS, process

KEY_ID, SECRET = "a-key-of-this-test", "a-secret-of-this-test"
ODD_NAMES = ("a b.png", "100%.png", "ü#%2F+&?.png", "sub/a b.png")
KILLED_PHOTOS = 24


def point_at(patch: pytest.MonkeyPatch, port: int) -> None:
    """Let the S3 server at a port be the one that is used."""
    patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an S3 server that runs: buckets in it are folders, objects are files."""
    folder = tmp_path_factory.mktemp("s3") / "objects"
    folder.mkdir()
    (port,) = free_ports(1)
    with pytest.MonkeyPatch.context() as patch, s3(folder, port, KEY_ID, SECRET):
        point_at(patch, port)
        patch.setenv("AWS_REGION", "us-east-1")
        yield folder


@pytest.fixture
def bucket(objects: Path, disc: bytes) -> Iterator[Path]:
    """The bucket `photos` with some photos in its folder `may`, beside the empty bucket `results`."""
    for name in ("photos", "results"):
        (objects / name).mkdir()
    for name in (*ODD_NAMES, ".hidden"):
        path = objects / "photos" / "may" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(disc)
    yield objects / "photos"
    for name in ("photos", "results"):
        shutil.rmtree(objects / name)


def begin(client: httpx.Client, **order: str) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json=order)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_from_a_bucket_to_a_bucket(serve: Serve, bucket: Path) -> None:
    (bucket / "may" / "note.txt").write_bytes(b"no photo")
    client = serve(jobs_buckets=read_grants("results, photos/may:ro"))
    begun = begin(client, bucket="s3://photos/may/", target="s3://results/cut/out", format="webp", background="white")
    assert (begun["photos"], begun["target"]) == (5, "s3://results/cut/out")
    job = wait(client, begun, "done", "failed")
    assert (job["status"], job["done"], job["failed"]) == ("done", 5, 1)
    told = client.get(job["result"])
    assert told.headers["content-type"] == "application/json"
    assert [each["photo"] for each in told.json()] == sorted(f"may/{name}" for name in (*ODD_NAMES, "note.txt"))
    assert [each["error"]["code"] for each in told.json() if "error" in each] == ["invalid_image"]
    out = bucket.parent / "results" / "cut" / "out"
    made = [each["file"] for each in told.json() if "file" in each]
    assert all((each["found"], each["width"]) == (True, 200) for each in told.json() if "file" in each)
    assert len(made) == 4 and files_of(out) == sorted([*made, "results.json"])
    assert json.loads((out / "results.json").read_bytes()) == told.json()
    assert all(pixels((out / name).read_bytes()).shape == (100, 200, 3) for name in made)


def test_from_a_bucket_to_a_zip_and_from_a_zip_to_a_bucket(serve: Serve, bucket: Path, disc: bytes) -> None:
    client = serve(jobs_buckets=read_grants("photos"))
    files, told = results(client, wait(client, begin(client, bucket="s3://photos"), "done", "failed"))
    assert len(files) == len(told) == len(ODD_NAMES)
    sent = {"archive": ("photos.zip", packed({"one.png": disc, "bad.png": b"x"}))}
    begun = client.post("/v1/jobs", files=sent, data={"target": "s3://photos/out"}).json()
    assert wait(client, begun, "done", "failed")["failed"] == 1
    assert files_of(bucket / "out") == ["one-cutout.png", "results.json"]


def test_places_that_are_not_granted(serve: Serve, bucket: Path) -> None:
    """Nothing beside what the server was told is read or written, whatever a caller says."""
    (bucket / "mayor").mkdir()
    (bucket / "mayor" / "a.png").write_bytes(b"x")
    granted = serve(jobs_buckets=read_grants("photos/may:ro results/open"))
    for order, code in (
        ({"bucket": "s3://photos/mayor"}, "bucket_refused"),
        ({"bucket": "s3://photos"}, "bucket_refused"),
        ({"bucket": "s3://others/may"}, "bucket_refused"),
        ({"bucket": "s3://photos/may/../mayor"}, "invalid_bucket"),
        ({"bucket": "s3://photos/may//"}, "invalid_bucket"),
        ({"bucket": "http://127.0.0.1/photos/may"}, "invalid_bucket"),
        ({"bucket": "s3://127.0.0.1:9000@photos/may"}, "invalid_bucket"),
        ({"bucket": "s3://photos/may", "target": "s3://photos/may"}, "bucket_refused"),
        ({"bucket": "s3://photos/may", "target": "s3://results"}, "target_refused"),
        ({"bucket": "s3://photos/may", "target": "s3://results/open/../shut"}, "invalid_target"),
        ({"bucket": "s3://photos/may", "endpoint": "http://127.0.0.1"}, "unknown_parameter"),
        ({"bucket": "s3://photos/may", "urls": ["https://example.com/a.png"]}, "missing_source"),
        ({"bucket": "s3://photos/may/none"}, "invalid_parameter"),
    ):
        expected = code.replace("bucket", "target") if order.get("target") == "s3://photos/may" else code
        answer = granted.post("/v1/jobs", json=order)
        assert (answer.status_code, error(answer)["code"]) == (400, expected), answer.text
    for order in ({"bucket": "s3://photos/may"}, {"urls": ["https://example.com/a.png"], "target": "s3://results"}):
        refused = error(serve().post("/v1/jobs", json=order))
        assert refused["code"] in ("bucket_not_supported", "target_not_supported")
    assert files_of(bucket.parent / "results") == []


def test_too_much_is_refused_before_any_of_it_is_read(
    serve: Serve, bucket: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = serve(jobs_buckets=read_grants("photos"), max_upload_mb=1, jobs_folder=tmp_path)
    with (bucket / "may" / "large.png").open("wb") as file:
        file.truncate(2**20 + 1)
    answer = client.post("/v1/jobs", json={"bucket": "s3://photos/may"})
    assert answer.status_code == 413 and "large.png" in error(answer)["detail"]
    monkeypatch.setattr(photos, "MOST_PHOTOS", 3)
    answer = client.post("/v1/jobs", json={"bucket": "s3://photos"})
    assert error(answer)["code"] == "invalid_parameter" and "3" in error(answer)["detail"]
    assert [path for path in (tmp_path / "photos").iterdir() if path.is_dir()] == []


def test_an_object_that_has_grown_or_gone_since_it_was_listed(bucket: Path, disc: bytes) -> None:
    opened = Buckets(read_grants("photos"))
    assert anyio.run(opened.read, Place("photos"), "may/a b.png", len(disc)) == disc
    with pytest.raises(ApiError) as large:
        anyio.run(opened.read, Place("photos"), "may/a b.png", len(disc) - 1)
    with pytest.raises(ApiError) as gone:
        anyio.run(opened.read, Place("photos"), "may/gone.png", len(disc))
    assert (large.value.code, gone.value.code) == ("file_too_large", "bucket_failed")


def test_a_store_that_refuses_us_or_a_target_that_is_none(
    serve: Serve, bucket: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A job fails as a whole when nothing of it can be kept, and where the store is stays in the log."""
    client = serve(jobs_buckets=read_grants("photos none"))
    job = wait(client, begin(client, bucket="s3://photos/may", target="s3://none/out"), "done", "failed")
    assert (job["status"], job["error"]["code"], job["failed"]) == ("failed", "target_failed", 0)
    assert "png" not in job["error"]["detail"]
    none = client.post("/v1/jobs", json={"bucket": "s3://none/may"})
    assert (none.status_code, error(none)["code"]) == (400, "bucket_failed") and "not there" in error(none)["detail"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    refused = serve(jobs_buckets=read_grants("photos")).post("/v1/jobs", json={"bucket": "s3://photos/may"})
    assert (refused.status_code, error(refused)["code"]) == (400, "bucket_refused")
    assert "127.0.0.1" not in refused.text and "127.0.0.1" in caplog.text


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("may//a.png", 200, "invalid_bucket"),
        ("may/../a.png", 200, "invalid_bucket"),
        ("may/\x7f.png", 200, "invalid_bucket"),
        ("may/a.png", 301, "bucket_refused"),
        ("may/a.png", 403, "bucket_refused"),
        ("may/a.png", 404, "bucket_failed"),
    ],
)
def test_trying_again_is_advised_only_where_it_may_help(
    key: str, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listing(monkeypatch, status, (key, 9)), pytest.raises(ApiError) as refused:
        anyio.run(Buckets(read_grants("photos")).list_photos, Place("photos"), 10, 10)
    assert (refused.value.status, refused.value.code) == (400, code)


def test_what_systems_and_programs_add_is_no_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty objects that show a folder, and what lies beside photos."""
    names = ("Thumbs.db", "__MACOSX/a.png", ".DS_Store", ".t/a.png")
    litter = (("may.5/", 0), *((f"may.5/{name}", 9) for name in names))
    with listing(monkeypatch, 200, *litter, ("may.5/none.jpg", 0), ("may.5/a.png", 9)):
        found = anyio.run(Buckets(read_grants("photos")).list_photos, Place("photos"), 10, 10)
    assert found == ["may.5/a.png", "may.5/none.jpg"]


@contextmanager
def listing(monkeypatch: pytest.MonkeyPatch, status: int, *objects: tuple[str, int]) -> Iterator[None]:
    """A store that answers everything with this listing: rclone's objects are files, which have no such names."""
    entry = (
        "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>{}</Size>"
        '<ETag>"x"</ETag></Contents>'
    )
    found = "".join(entry.format(*each) for each in objects)
    body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()

    class Store(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        threading.Thread(target=server.serve_forever).start()
        point_at(monkeypatch, server.server_port)
        try:
            yield
        finally:
            server.shutdown()


def test_a_store_that_is_silent_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "TOTAL_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_at(monkeypatch, silent.getsockname()[1])
        with pytest.raises(BucketUnavailable):
            anyio.run(Buckets(read_grants("photos")).list_photos, Place("photos"), 10, 10)
        with pytest.raises(BucketUnavailable):
            anyio.run(Buckets(read_grants("photos")).read, Place("photos"), "a.png", 10)


def test_a_store_that_comes_back_fails_no_photo(
    serve: Serve, disc: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("matting_api.jobs.job.PAUSE_SECONDS", 0.05)
    (port,) = free_ports(1)
    point_at(monkeypatch, port)
    (tmp_path / "objects" / "results").mkdir(parents=True)
    client = serve(jobs_buckets=read_grants("results"))
    archive = {"archive": ("photos.zip", packed({f"{number}.png": disc for number in range(3)}))}
    begun = client.post("/v1/jobs", files=archive, data={"target": "s3://results"}).json()
    deadline = time.monotonic() + START_SECONDS
    while "error sending request" not in caplog.text:  # it was asked, and did not answer
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with s3(tmp_path / "objects", port, KEY_ID, SECRET):
        job = wait(client, begun, "done", "failed")
    assert (job["status"], job["failed"]) == ("done", 0)
    assert len(files_of(tmp_path / "objects" / "results")) == 4


def test_a_kill_loses_and_doubles_nothing(bucket: Path, tmp_path: Path, repository: Path) -> None:
    """Each photo has a size of its own, by which its result is known again."""
    sizes = {f"{number}": (100 + number, 150) for number in range(KILLED_PHOTOS)}
    (bucket / "june").mkdir()
    for stem, (height, width) in sizes.items():
        (bucket / "june" / f"{stem}.png").write_bytes(encode(np.full((height, width, 3), 255, np.uint8)))
    options = ("--engine", "local", "--no-page", "--jobs", "2", "--jobs-folder", str(tmp_path / "jobs"))
    place, kills = "", 0
    for stop_at in (3, None):
        with process(tmp_path, repository, *options, "--jobs-buckets", "photos:ro,results") as (running, url):
            with httpx.Client(base_url=url, timeout=START_SECONDS) as client:
                place = place or f"/v1/jobs/{begin(client, bucket='s3://photos/june', target='s3://results')['id']}"
                job = client.get(place).json()
                deadline = time.monotonic() + START_SECONDS
                while job["status"] != "done" and (stop_at is None or job["done"] < stop_at):
                    assert time.monotonic() < deadline, job
                    time.sleep(0.04)
                    job = client.get(place).json()
                kills += job["status"] != "done"
            running.kill()
            running.wait()
    assert (kills, job["failed"], job["done"]) == (1, 0, KILLED_PHOTOS)
    out = bucket.parent / "results"
    assert files_of(out) == sorted(["results.json", *(f"{stem}-cutout.png" for stem in sizes)])
    assert {stem: pixels((out / f"{stem}-cutout.png").read_bytes()).shape[:2] for stem in sizes} == sizes


@pytest.mark.parametrize("text", ["Photos", "a", "photos/../x", "photos:rw", "https://photos"])
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="--jobs-buckets"):
        read_grants(text)


def test_a_missing_package_is_told_with_its_remedy() -> None:
    assert Settings(engine="local").jobs_buckets == ()
    with pytest.raises(OptionError, match=r"--jobs-buckets: .*no_such_package.*'\.\[s3\]'"):
        check_extra("--jobs-buckets", "no_such_package.inside", "s3")
