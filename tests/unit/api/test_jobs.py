"""Many photos as one job: what comes of each, who is told, and that no kill loses or doubles any."""

from __future__ import annotations

import base64
import hmac
import io
import json
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from matting_api.jobs import store
from matting_api.jobs.job import NOTE
from matting_api.jobs.store import Cancelled, Job, JobStore
from matting_api.jobs.webhooks import load_secret
from matting_api.request.fetch import Fetcher
from matting_client import OptionError

from tests.unit.api.conftest import Serve, encode, pixels, wait_until
from tests.unit.api.test_main import START_SECONDS, process

KILLED_PHOTOS = 40
SECRET = b"a secret of twenty-four or more"


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def send(client: httpx.Client, files: dict[str, bytes], **fields: str) -> httpx.Response:
    return client.post("/v1/jobs", files={"archive": ("photos.zip", packed(files))}, data=fields)


def wait(client: httpx.Client, job: dict[str, Any], *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while job["status"] not in states:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
        job = client.get(f"/v1/jobs/{job['id']}").json()
    return job


def results(client: httpx.Client, job: dict[str, Any]) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The files of a result, and what is told of each photo."""
    answer = client.get(job["result"])
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, json.loads(files.pop("results.json"))


def test_a_zip_of_photos(serve: Serve, portrait: bytes, disc: bytes) -> None:
    client = serve()
    sent = {
        "b/portrait.png": portrait,
        "a/portrait.jpg": disc,
        "note.txt": b"no photo",
        "__MACOSX/b/._portrait.png": b"x",
        "b/Thumbs.db": b"x",
        "Desktop.ini": b"x",
        "@eaDir/a/portrait.png": portrait,
        "../../evil.png": disc,
    }
    begun = send(client, sent, format="webp", background="white")
    assert begun.status_code == 202, begun.text
    assert begun.headers["Location"] == f"/v1/jobs/{begun.json()['id']}"
    assert begun.json()["photos"] == 4
    job = wait(client, begun.json(), "done", "failed")
    assert (job["status"], job["done"], job["failed"]) == ("done", 4, 1)
    files, told = results(client, job)
    assert [each["photo"] for each in told] == ["b/portrait.png", "a/portrait.jpg", "note.txt", "../../evil.png"]
    assert [each.get("file") for each in told] == [
        "portrait-cutout.webp",
        "portrait-cutout-2.webp",
        None,
        "evil-cutout.webp",
    ]
    assert told[2]["error"]["code"] == "invalid_image" and "note.txt" in told[2]["error"]["detail"]
    assert pixels(files["portrait-cutout.webp"]).shape == (400, 512, 3)
    assert pixels(files["portrait-cutout-2.webp"]).shape == (100, 200, 3)
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_bad_orders_are_refused_at_once(serve: Serve, disc: bytes) -> None:
    client = serve()
    as_json: dict[str, Any] = {"urls": ["https://example.com/a.jpg"]}
    for answer, code in (
        (client.post("/v1/jobs", files={"archive": ("a.zip", b"PK no zip")}), "invalid_archive"),
        (client.post("/v1/jobs", data={"format": "png"}), "missing_source"),
        (send(client, {"folder/.hidden": disc}), "invalid_parameter"),
        (send(client, {"a.png": disc}, colour="red"), "unknown_parameter"),
        (send(client, {"a.png": disc}, format="gif"), "invalid_parameter"),
        (send(client, {"a.png": disc}, webhook="https://example.com/"), "unsupported_parameter"),
        (client.post("/v1/jobs", json=as_json), "image_url_not_supported"),
        (client.post("/v1/jobs", json={"urls": "x"}), "missing_source"),
        (client.post("/v1/jobs", content=b"{", headers={"Content-Type": "application/json"}), "invalid_json"),
    ):
        assert answer.status_code == 400, answer.text
        assert answer.json()["errors"][0]["code"] == code, answer.text
        assert "/tmp" not in answer.text


def test_entries_that_are_larger_than_allowed(serve: Serve, disc: bytes) -> None:
    client = serve(max_upload_mb=1)
    begun = send(client, {"large.png": bytes(2**20 + 1), "small.png": disc})
    files, told = results(client, wait(client, begun.json(), "done", "failed"))
    assert list(files) == ["small-cutout.png"]
    assert (told[0]["photo"], told[0]["error"]["code"]) == ("large.png", "file_too_large")  # which stops no other


def test_a_job_that_is_sent_again_is_one_job(serve: Serve, disc: bytes, tmp_path: Path) -> None:
    """By the caller's Idempotency-Key, which its note keeps; another caller's is another job."""
    archive = {"archive": ("photos.zip", packed({"a.png": disc}))}
    key = {"Idempotency-Key": "order-17"}
    keys = frozenset({"one key of this test", "another key of this test"})
    one, another = ({"X-Api-Key": each} for each in sorted(keys))
    api = serve(jobs_folder=tmp_path, keys=keys)
    first = api.post("/v1/jobs", files=archive, headers={**one, **key}).json()["id"]
    again = api.post("/v1/jobs", files=archive, headers={**one, **key})
    assert (again.status_code, again.json()["id"], again.headers["Location"]) == (202, first, f"/v1/jobs/{first}")
    other = {
        api.post("/v1/jobs", files=archive, headers={**another, **key}).json()["id"],
        api.post("/v1/jobs", files=archive, headers={**one, "Idempotency-Key": "order-18"}).json()["id"],
        *(api.post("/v1/jobs", files=archive, headers=one).json()["id"] for _ in range(2)),
    }
    assert len(other) == 4 and first not in other
    refused = api.post("/v1/jobs", files=archive, headers={**one, "Idempotency-Key": "x" * 200})
    assert refused.status_code == 400
    kept = [json.loads(path.read_bytes())["mark"] for path in (tmp_path / "photos").glob(f"*/{NOTE}")]
    assert len(kept) == 5 and kept.count("") == 2 and len(set(kept)) == 4


class Elsewhere:
    """Another server, which has photos and is told of jobs."""

    def __init__(self, photo: bytes, refusals: int) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        elsewhere, left = self, [refusals]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = ".png" in self.path
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(photo if found else b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                elsewhere.told.append((dict(self.headers.items()), body))
                left[0] -= 1
                self.send_response(500 if left[0] >= 0 else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def elsewhere(disc: bytes) -> Iterator[Elsewhere]:
    other = Elsewhere(disc, refusals=1)
    yield other
    other.close()


def test_addresses_and_a_webhook(serve: Serve, elsewhere: Elsewhere, tmp_path: Path) -> None:
    fetcher = Fetcher(2**20, lambda address: True, ports=None)
    client = serve(fetcher, urls=True, jobs_folder=tmp_path / "jobs", webhook_secret=SECRET)
    order = {
        "urls": [f"{elsewhere.url}/{name}" for name in ("one%20%E9%9E%8B.png?a=1", "none", "two.png")],
        "crop": True,
    }
    missing = client.post("/v1/jobs", json={**order, "webhook": "ftp://x"})
    assert missing.json()["errors"][0]["code"] == "invalid_webhook"
    job = client.post("/v1/jobs", json={**order, "urls": [*order["urls"], f"{elsewhere.url}/x.png"]}).json()
    begun = client.post("/v1/jobs", json={**order, "webhook": f"{elsewhere.url}/done"}).json()
    assert wait(client, job, "done", "failed")["failed"] == 1
    done = wait(client, begun, "done", "failed")
    files, told = results(client, done)
    assert list(files) == ["one 鞋-cutout.png", "two-cutout.png"]
    assert told[1]["error"]["code"] == "image_url_failed"
    deadline = time.monotonic() + START_SECONDS
    while len(elsewhere.told) < 2:  # the first attempt is refused
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for headers, body in elsewhere.told:
        assert json.loads(body) == {**done, "seconds_left": None}
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(SECRET, signed, sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{expected}" and headers["webhook-id"] == begun["id"]


def test_a_secret_has_to_be_long(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short\n", encoding="utf-8-sig")
    with pytest.raises(OptionError, match="5 characters"):
        load_secret(tmp_path / "secret")


def test_kills_lose_and_double_nothing(tmp_path: Path, repository: Path) -> None:
    """Each photo has a size of its own, by which its result is known again."""
    jobs = tmp_path / "jobs"
    sizes = [(600 + number, 900) for number in range(KILLED_PHOTOS)]
    noise = np.random.default_rng(0).integers(0, 255, (*max(sizes), 3), np.uint8)
    sent = {f"{number}.png": encode(noise[:height, :width]) for number, (height, width) in enumerate(sizes)}
    options = ("--engine", "local", "--no-page", "--jobs", "2", "--jobs-folder", str(jobs))
    place = ""
    kills = 0
    for stop_at in (3, KILLED_PHOTOS // 3, 2 * KILLED_PHOTOS // 3, None):
        with process(tmp_path, repository, *options) as (running, url):
            with httpx.Client(base_url=url, timeout=START_SECONDS) as client:
                place = place or send(client, sent).headers["Location"]
                job = client.get(place).json()
                assert job["photos"] == KILLED_PHOTOS
                deadline = time.monotonic() + START_SECONDS
                while job["status"] != "done" and (stop_at is None or job["done"] < stop_at):
                    assert time.monotonic() < deadline, job
                    time.sleep(0.01)
                    job = client.get(place).json()
                kills += job["status"] != "done"
                files, told = results(client, job) if stop_at is None else ({}, [])
            running.kill()  # as the kernel does when memory runs out
            running.wait()
    assert kills == 3 and job["failed"] == 0
    (folder,) = [path for path in (jobs / "photos").iterdir() if path.is_dir()]
    left = {NOTE, "facts", "results", "results.zip"}
    assert {path.name for path in folder.rglob("*")} == left  # what can be fetched, and nothing of the photos
    assert all(each["found"] is not None and each["width"] == 900 for each in told)
    assert [each["photo"] for each in told] == list(sent)
    assert len(files) == KILLED_PHOTOS
    assert [pixels(files[each["file"]]).shape[:2] for each in told] == sizes


def wait_for_jobs(*, end: bool) -> Callable[[Job], None]:
    """Work that lasts until it is cancelled, or is done at once."""

    def work(job: Job) -> None:
        if not end:
            job.stop.wait(20)
            raise Cancelled

    return work


def test_a_job_that_ends_the_server_again_and_again_is_given_up(tmp_path: Path) -> None:
    opened = JobStore(tmp_path, most=3, kept_seconds=60, work=wait_for_jobs(end=False))
    name = opened.add(opened.new_folder(), {}, 1).name
    wait_until(lambda: opened.get(name).state == store.WORKING)
    opened.close()
    note = tmp_path / name / NOTE
    told = json.loads(note.read_bytes())
    assert told["starts"] == 0  # an orderly end is none of the job's
    for starts, state in ((store.MOST_STARTS, store.FAILED), (store.MOST_STARTS - 1, store.DONE)):
        note.write_text(json.dumps({**told, "starts": starts}))
        opened = JobStore(tmp_path, most=3, kept_seconds=60, work=wait_for_jobs(end=True))
        wait_until(lambda opened=opened: opened.get(name).state in store.OVER)
        assert opened.get(name).state == state
        opened.close()


def test_a_disk_that_is_nearly_full(serve: Serve, disc: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serve()
    for left in (-1, 100):  # the second has no room for this ZIP
        usage = SimpleNamespace(total=2**40, free=2**31 + left)
        monkeypatch.setattr(shutil, "disk_usage", lambda path, usage=usage: usage)
        answer = send(api, {"a.png": disc})
        (told,) = answer.json()["errors"]
        assert (answer.status_code, told["code"]) == (507, "insufficient_storage")
        assert "folder of jobs" in told["detail"]


def test_one_folder_is_for_one_server(tmp_path: Path) -> None:
    first = JobStore(tmp_path, most=1, kept_seconds=60, work=lambda job: None)
    with pytest.raises(OptionError, match="in use by another server"):
        JobStore(tmp_path, most=1, kept_seconds=60, work=lambda job: None)
    first.close()
    JobStore(tmp_path, most=1, kept_seconds=60, work=lambda job: None).close()
