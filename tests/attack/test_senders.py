"""Slow, many and endless senders: nobody else notices."""

from __future__ import annotations

import json
import resource
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from matting_api.app import body_limit
from matting_api.middleware import body_limits, connections, incoming
from matting_api.settings import Settings
from starlette.datastructures import Headers

from tests.unit.api.conftest import Serve, error, wait_until
from tests.unit.api.test_limits import MB, answer, connection, multipart
from tests.unit.api.test_main import START_SECONDS, process
from tests.unit.api.test_removebg import PATH, post

HEAD = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"


def receiving(api: httpx.Client) -> int:
    """Bodies on their way, as the metrics show them."""
    lines = api.get("/metrics").text.splitlines()
    return int(float(next(line for line in lines if 'matting_queue{state="receiving"}' in line).split()[-1]))


@contextmanager
def slow_senders(api: httpx.Client, count: int, size: int = MB) -> Iterator[list[socket.socket]]:
    """Connections that each send 5 kB a second."""
    end = threading.Event()
    with ExitStack() as opened:
        links = [opened.enter_context(connection(api)) for _ in range(count)]
        for link in links:
            link.sendall(f"{HEAD}Content-Length: {size}\r\n\r\n".encode() + multipart(b"")[:80])

        def trickle() -> None:
            while not end.wait(0.2):
                for link in links:
                    with suppress(OSError):  # one that the server has closed must not end the others
                        link.sendall(bytes(1000))

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield links
        finally:
            end.set()
            thread.join()


def test_slow_senders_take_no_places(serve: Serve, portrait: bytes) -> None:
    """With one place and one worker, 52 of them leave both to others."""
    api = serve(workers=1, waiting=1)
    with slow_senders(api, 52):
        wait_until(lambda: receiving(api) == 52)
        queue = api.get("/v2/health").json()["queue"]
        assert (queue["working"], queue["waiting"]) == (0, 0)
        assert [post(api, portrait).status_code for _ in range(10)] == [200] * 10
    wait_until(lambda: receiving(api) == 0)


def test_a_slow_sender_that_ends_is_served(serve: Serve, portrait: bytes) -> None:
    api = serve(workers=1, waiting=0)
    body = multipart(portrait)
    with connection(api) as link:
        link.sendall(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body[:100])
        assert post(api, portrait).status_code == 200
        link.sendall(body[100:])
        assert answer(link)[0] == 200


@pytest.mark.parametrize("seconds", [1, 2])
def test_a_body_has_a_deadline(serve: Serve, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Also one that comes steadily, and fast enough; where bodies may be large, it is later."""
    monkeypatch.setattr(body_limits, "BODY_SECONDS", 1.0)
    api = serve()
    largest = body_limit(Settings(), PATH, Headers({"content-type": "multipart/form-data"}))
    monkeypatch.setattr(body_limits, "BODY_BYTES", largest / seconds)
    with slow_senders(api, 1) as (link,):
        status, body = answer(link)
    assert (status, json.loads(body)["errors"][0]["code"]) == (408, "request_timeout")
    assert f"no complete body in {seconds} s" in body.decode()


def test_when_there_are_too_many_the_slowest_gives_way(
    serve: Serve, portrait: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "MOST_BODIES", 4)
    monkeypatch.setattr(incoming, "YOUNG_SECONDS", 0.5)
    api = serve()
    with slow_senders(api, 4) as links:
        wait_until(lambda: receiving(api) == 4)
        links[2].sendall(bytes(1000))  # a little faster than the others
        time.sleep(0.6)
        parts = (multipart(portrait)[start : start + 50_000] for start in range(0, len(multipart(portrait)), 50_000))
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        assert api.post(PATH, content=parts, headers=headers).status_code == 200
        wait_until(lambda: receiving(api) <= 3)  # on a machine that stood still the others are too slow by now as well
    # Too young to give way to each other.
    monkeypatch.setattr(incoming, "YOUNG_SECONDS", 60.0)
    with slow_senders(api, 4):
        wait_until(lambda: receiving(api) == 4)
        with connection(api) as link:
            link.sendall(f"{HEAD}Content-Length: 1000\r\n\r\n--b".encode())
            status, body = answer(link)
            assert (status, json.loads(body)["errors"][0]["code"]) == (503, "server_busy")


@pytest.mark.parametrize(
    ("bound", "kind"), [("DISK_BYTES", "multipart/form-data; boundary=b"), ("MEMORY_BYTES", "application/json")]
)
def test_bodies_are_bounded_together(serve: Serve, monkeypatch: pytest.MonkeyPatch, bound: str, kind: str) -> None:
    monkeypatch.setattr(incoming, bound, 3 * MB)
    api = serve()
    head = HEAD.replace("multipart/form-data; boundary=b", kind)
    with connection(api) as first, connection(api) as second:
        for link in (first, second):
            link.sendall(f"{head}Content-Length: {4 * MB}\r\n\r\n".encode() + multipart(b"")[:80] + bytes(2 * MB))
        refused = select.select([first, second], [], [], 20)[0][0]  # whichever was one part too many
        status, body = answer(refused)
        assert (status, json.loads(body)["errors"][0]["code"]) == (503, "server_busy")
    wait_until(lambda: receiving(api) == 0)
    assert api.post(PATH, content=b"{}", headers={"Content-Type": "application/json"}).status_code == 400


def test_headers_have_a_deadline(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    api = serve()
    with connection(api) as silent, connection(api) as half, connection(api) as second:
        half.sendall(b"GET /livez HTTP/1.1\r\nHost: loc")
        second.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /livez HTT")
        assert answer(second)[0] == 200
        for link in (silent, half, second):
            start = time.monotonic()
            assert link.recv(1000) == b""  # closed by the server
            assert time.monotonic() - start < 20
    with connection(api) as link:  # a request that takes longer than its headers may is not cut off
        body = b"x" * 1000
        link.sendall(f"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert answer(link)[0] == 404


def test_connections_are_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 8)
    api = serve()
    with ExitStack() as opened:
        links = [opened.enter_context(connection(api)) for _ in range(3)]
        links.append(opened.enter_context(connection(api)))  # half of all
        time.sleep(0.2)
        with connection(api) as one_more:
            status, body = answer(one_more)
            assert (status, json.loads(body)["errors"][0]["code"]) == (503, "server_busy")
            assert one_more.recv(1) == b""
    wait_until(lambda: _is_alive(api))


def test_a_few_callers_keep_nobody_out(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the server would look dead to whoever asks for its health, and be killed."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 16)
    api = serve()
    where = api.base_url.host, api.base_url.port
    with ExitStack() as opened:
        for host in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            for _ in range(8):
                link = socket.create_connection(where, timeout=20, source_address=(host, 0))
                opened.enter_context(link)
        time.sleep(0.2)
        with connection(api) as probe:
            probe.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer(probe)[0] == 200


def _is_alive(api: httpx.Client) -> bool:
    return api.get("/livez").status_code == 200


def test_a_missing_temporary_folder(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    api = serve()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    for kind in ({"files": {"image_file": bytes(2 * MB)}}, {"content": bytes(2 * MB)}):
        answered = api.post("/v1/cutout", **kind)
        assert (answered.status_code, error(answered)["code"]) == (503, "storage_unavailable")
        assert str(tmp_path) not in answered.text and int(answered.headers["retry-after"]) >= 1
    assert not any(record.exc_info for record in caplog.records)


def test_a_full_temporary_folder(tmp_path: Path, repository: Path, portrait: bytes) -> None:
    """The system lets the process write no more than a little into a file, for page and API."""
    with process(tmp_path, repository, "--engine", "local") as (running, url):
        with httpx.Client(base_url=url, timeout=START_SECONDS) as api:
            assert post(api, portrait).status_code == 200
            with connection(api) as link:  # it breaks off
                head = "POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
                link.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b".encode())
            wait_until(lambda: 'status="499"} 1.0' in api.get("/metrics").text)
            resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (2**16, 2**16))
            for path, name in ((PATH, "image_file"), ("/v1/cutout", "image_file"), ("/gradio_api/upload", "files")):
                answered = api.post(path, files={name: ("a.png", bytes(2 * MB))})
                assert (answered.status_code, error(answered)["code"]) == (507, "insufficient_storage"), path
            assert post(api, portrait).status_code == 200  # small enough to need no file
        running.terminate()
        assert running.stderr is not None
        said = running.stderr.read()
        assert "Traceback" not in said and "ClientDisconnect" not in said
