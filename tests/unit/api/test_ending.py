"""What requests get that are in the house when the service is told to end."""

from __future__ import annotations

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from matting_api.main import END_SECONDS
from matting_api.middleware import connections
from matting_api.routes import photos
from matting_api.settings import Settings

from tests.unit.api.conftest import error, running, wait_until
from tests.unit.api.test_jobs import send, wait
from tests.unit.api.test_limits import answer, connection
from tests.unit.api.test_main import START_SECONDS, process
from tests.unit.api.test_removebg import PATH


@pytest.fixture
def settings(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    return Settings(engine="local", workers=1)


def test_those_who_wait_are_sent_elsewhere_and_the_one_at_work_is_finished(
    settings: Settings, disc: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go, make = threading.Event(), photos.answer

    def slow(*given: Any) -> Any:
        assert go.wait(20)
        return make(*given)

    monkeypatch.setattr(photos, "answer", slow)

    def post(url: httpx.URL) -> httpx.Response:
        return httpx.post(url.join(PATH), files={"image_file": disc}, timeout=30)

    with ThreadPoolExecutor(4) as threads:
        with running(settings) as api:
            first = threads.submit(post, api.base_url)
            wait_until(lambda: api.get("/v2/health").json()["queue"]["working"] == 1)
            waiting = [threads.submit(post, api.base_url) for _ in range(3)]
            wait_until(lambda: api.get("/v2/health").json()["queue"]["waiting"] == 3)
            threads.submit(lambda: [each.result() for each in waiting] and go.set())  # they do not wait for the first
        for each in waiting:
            refused = each.result()
            assert (refused.status_code, error(refused)["code"]) == (503, "server_unavailable")
            assert refused.headers["Retry-After"] and refused.headers["X-Request-Id"]
        assert first.result().status_code == 200
    assert "Traceback" not in caplog.text


def test_a_body_that_is_too_slow_for_the_end_is_answered_in_our_form(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "GRACE_SECONDS", 1)
    with running(settings) as api:
        link = connection(api)
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        link.sendall(f"{head}Content-Length: 1000\r\n\r\n--b".encode())
        wait_until(lambda: 'matting_queue{state="receiving"} 1.0' in api.get("/metrics").text)
    with link:
        status, body = answer(link)
    assert (status, json.loads(body)["errors"][0]["code"]) == (503, "server_unavailable")
    assert "Traceback" not in caplog.text


def test_the_process_ends_while_its_model_is_away(tmp_path: Path, repository: Path, disc: bytes) -> None:
    with process(tmp_path, repository, "--url", "127.0.0.1:1", "--no-page") as (running, url):
        with httpx.Client(base_url=url, timeout=START_SECONDS) as client:
            wait(client, send(client, {"a.png": disc}).json(), "working")
        running.send_signal(signal.SIGTERM)
        assert running.wait(END_SECONDS + 5) == 0
        assert running.stderr is not None and "ending without it" in running.stderr.read()
