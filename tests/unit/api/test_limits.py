"""Sizes, slowness, crowds and servers that are not there."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from matting_api.middleware import body_limits
from matting_api.middleware.incoming import Incoming, Kind, kind_of
from starlette.datastructures import Headers

from tests.unit.api.conftest import Serve, encode, error, pixels, wait_until
from tests.unit.api.test_removebg import PATH, post

MB = 2**20


def connection(api: httpx.Client) -> socket.socket:
    return socket.create_connection((api.base_url.host, api.base_url.port), timeout=30)


def answer(link: socket.socket) -> tuple[int, bytes]:
    """Status and body of an answer, after which the server closes the connection or not."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = link.recv(65536)
        assert part, "closed without an answer"
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(next(line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")))
    while len(body) < length:
        body += link.recv(65536)
    return int(head.split()[1]), body


def multipart(photo: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="image_file"; filename="photo.png"\r\n\r\n'
    return head + photo + b"\r\n--b--\r\n"


def test_length_alone_is_enough(api: httpx.Client) -> None:
    """It is refused without waiting for a body that has been announced."""
    with connection(api) as link:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        link.sendall(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
        status, body = answer(link)
    assert (status, json.loads(body)["errors"][0]["code"]) == (413, "file_too_large")


@pytest.mark.parametrize("path", [PATH, "/nowhere"])
def test_too_large_without_a_length(api: httpx.Client, path: str) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        yield multipart(b"")[:80]
        for _ in range(12):
            sent += MB
            yield bytes(MB)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        response = api.post(path, content=chunks(), headers=headers)
    except httpx.WriteError:
        assert sent > 4 * MB  # still sending when the server had had enough
    else:
        assert response.status_code in (404, 413)
        assert error(response)
    assert api.get("/livez").status_code == 200


def test_chunked_upload_within_the_limit(api: httpx.Client, portrait: bytes) -> None:
    body = multipart(portrait)
    parts = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    response = api.post(PATH, content=parts, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert pixels(response.content).shape == (400, 512, 4)


def test_other_paths_take_little(api: httpx.Client) -> None:
    assert api.post("/livez", content=bytes(2 * MB)).status_code == 413


def test_silent_sender_is_given_up(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "CHUNK_SECONDS", 0.3)
    with connection(api) as link:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        link.sendall(f"{head}Content-Length: 1000\r\n\r\n--b".encode())
        status, body = answer(link)
    assert (status, json.loads(body)["errors"][0]["code"]) == (408, "request_timeout")


def test_senders_that_vanish_leave_it_working(
    api: httpx.Client, portrait: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    body = multipart(portrait)
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    for share in (10, len(body) // 2, len(body)):
        with connection(api) as link:
            link.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:share])
    assert post(api, portrait).status_code == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_without_a_server(serve: Serve, portrait: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"127.0.0.1:{free.getsockname()[1]}"
    api = serve(engine="triton", url=url)
    assert api.get("/livez").json() == {"status": "alive"}
    ready = api.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    assert url in ready.json()["errors"][0]["detail"] and int(ready.headers["retry-after"]) >= 1
    response = post(api, portrait)
    found = error(response)
    assert (response.status_code, found["code"]) == (503, "server_unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert url not in found["detail"]  # where the model lives is nobody's business


def test_without_the_model(serve: Serve, portrait: bytes) -> None:
    api = serve(model="matting_none")
    assert api.get("/readyz").status_code == 503
    assert error(post(api, portrait))["code"] == "model_unavailable"
    assert api.get("/livez").status_code == 200


def test_pixel_limit(serve: Serve) -> None:
    import numpy as np

    api = serve(max_pixels=100)
    assert post(api, encode(np.full((10, 10, 3), 255, np.uint8))).status_code == 200
    assert post(api, encode(np.full((10, 11, 3), 255, np.uint8))).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", PATH, 405),
        ("PUT", PATH, 405),
        ("OPTIONS", PATH, 405),
        ("DELETE", "/livez", 405),
    ],
)
def test_errors_have_one_form(api: httpx.Client, method: str, path: str, status: int) -> None:
    response = api.request(method, path)
    assert response.status_code == status
    assert error(response)
    assert "access-control-allow-origin" not in response.headers


def test_openapi_tells_of_everything(api: httpx.Client) -> None:
    described = api.get("/openapi.json").json()
    own = {"/v1/cutout", "/v1/alpha", "/v1/idphoto", "/v1/scene"}
    theirs = {PATH, "/v1.0/account", "/v1.0/improve"}
    clips = {"/v1/video", "/v1/video/{job_id}", "/v1/video/{job_id}/result"}
    jobs = {"/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/result"}
    state = {"/livez", "/readyz", "/v2/health", "/metrics"}
    assert described["paths"].keys() == {*theirs, *own, *clips, *jobs, *state}
    form = described["paths"][PATH]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"image_file", "image_file_b64", "bg_color", "format", "channels", "size"} <= form.keys()
    assert form.keys() >= {"image_url", "roi", "crop", "crop_margin", "scale", "position"}
    assert form.keys() >= {"bg_image_file", "bg_image_url"}
    for path in (PATH, *own):
        found = described["paths"][path]["post"]["responses"]
        assert {"200", "400", "402", "403", "408", "413", "429", "503"} <= found.keys()
        assert all(each["content"]["application/json"]["example"] for status, each in found.items() if status != "200")
    assert "http" not in str({**described, "paths": {}})  # nothing is looked up elsewhere


def test_the_example_works(api: httpx.Client) -> None:
    described = api.get("/openapi.json").json()
    example = described["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert pixels(api.post(PATH, json=example).content).shape[2] == 3


def test_a_body_that_trickles_in_is_given_up(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "CHUNK_SECONDS", 0.5)
    with connection(api) as link:
        link.sendall(
            b"POST /v1/cutout HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
        )
        start = time.monotonic()
        with contextlib.suppress(OSError):  # it may have been closed by then
            while time.monotonic() < start + 2 and not select.select([link], [], [], 0.1)[0]:
                link.sendall(b"x")
        status, body = answer(link)
    assert (status, json.loads(body)["errors"][0]["code"]) == (408, "request_timeout")
    assert "expected 4096 a second" in json.loads(body)["errors"][0]["detail"]


def test_a_length_of_thousands_of_digits() -> None:
    body = body_limits.Body(lambda: pytest.fail(), 10, Incoming(), Kind(in_memory=False, is_json=False))
    with pytest.raises(body_limits.Refused):
        body.check_length(Headers({"content-length": "9" * 5000}))
    assert body.refused is not None and body.refused.error.status == 413


@pytest.mark.parametrize("path", ["/v1/jobs", PATH])
def test_any_json_is_counted_while_it_comes(api: httpx.Client, path: str) -> None:
    """Whoever reads it makes objects of it, the page's own library among them; the end of this body never comes."""
    with connection(api) as link:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        link.sendall(f"{head}Content-Length: {MB}\r\n\r\n".encode() + b"[]," * 200_000)
        status, body = answer(link)
    assert (status, json.loads(body)["errors"][0]["title"]) == (400, "Too many values")


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (PATH, {"content-type": "application/json"}, (True, True)),
        (PATH, {"content-type": "application/json", "content-encoding": "gzip"}, (True, False)),
        (PATH, {"content-type": "application/x-www-form-urlencoded"}, (True, False)),
        (PATH, {"content-type": "multipart/form-data; boundary=b"}, (False, False)),
        ("/v1/cutout", {"content-type": "application/x-www-form-urlencoded"}, (False, False)),  # as curl sends a photo
        ("/v1/cutout", {}, (False, False)),
        ("/gradio_api/call/any", {"content-type": "text/plain"}, (True, True)),
        ("/gradio_api/upload", {"content-type": "multipart/form-data; boundary=b"}, (False, False)),
    ],
)
def test_what_lies_in_memory_is_counted_as_such(
    path: str, headers: dict[str, str], expected: tuple[bool, bool]
) -> None:
    assert kind_of(path, Headers(headers)) == expected


def test_a_body_without_an_end_is_no_error_of_the_server(serve: Serve) -> None:
    api = serve()
    for path in (PATH, "/v1/cutout", "/v1/jobs", "/v1/video"):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        for end in (b"", b"no chunk\r\n"):
            with connection(api) as link:
                link.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n3\r\n--b\r\n".encode() + end)
                assert not end or answer(link)[0] == 400
        wait_until(lambda gone=f'{{path="{path}",status="499"}} 2.0': gone in api.get("/metrics").text)
    assert 'status="500"' not in api.get("/metrics").text


def test_two_lengths_of_a_body_end_the_connection(api: httpx.Client) -> None:
    head = "POST /v1/cutout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connection(api) as link:
        link.sendall(f"{head}0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status, body = answer(link)
        assert (status, json.loads(body)["errors"][0]["code"]) == (400, "invalid_body")
        assert link.recv(65536) == b""
