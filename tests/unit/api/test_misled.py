"""Errors that say what helps: of bodies of another kind, of names and sizes, of paths and methods."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import numpy as np
import pytest

from tests.unit.api.conftest import Serve, encode, error
from tests.unit.api.test_jobs import send, wait
from tests.unit.api.test_removebg import PATH, post

MB = 2**20


def test_a_size_never_looks_as_if_it_were_small_enough(serve: Serve) -> None:
    api = serve(max_upload_mb=1)
    for count, shown in ((int(1.43 * MB), "1.5 MB"), (MB + 1, "1.1 MB")):
        found = post(api, bytes(count))
        assert f"got {shown}, expected at most 1 MB" in error(found)["detail"]


@pytest.mark.parametrize("path", ["/v1/cutout", "/v1/alpha", "/v1/idphoto", "/v1/scene"])
def test_fields_where_a_photo_is_the_body(api: httpx.Client, disc: bytes, path: str) -> None:
    text = base64.b64encode(disc).decode()
    for sent in ({"json": {"image_file_b64": text}}, {"json": []}, {"data": {"image_url": "http://a.example/b.jpg"}}):
        found = api.post(path, **sent)  # type: ignore[arg-type]
        detail = error(found)["detail"]
        assert found.status_code == 415 and "multipart/form-data" in detail and PATH in detail


def test_a_photo_where_a_form_belongs(api: httpx.Client, disc: bytes) -> None:
    found = api.post(PATH, content=disc, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert found.status_code == 415 and "multipart/form-data with image_file" in error(found)["detail"]
    assert "photo as image_file" in error(api.post(PATH, files={"photo": ("a.png", disc)}))["detail"]


def test_a_file_of_the_photos_name(api: httpx.Client, disc: bytes) -> None:
    """Browsers call every file "blob"."""
    files = {"image_file": ("blob", disc), "bg_image_file": ("blob", b"text")}
    assert error(api.post(PATH, files=files))["detail"].startswith("bg_image_file blob: got no known picture format")


@pytest.mark.parametrize("path", [PATH, "/v1/cutout"])
@pytest.mark.parametrize("name", ["image_file", "bg_image_file"])
def test_a_file_without_a_name(api: httpx.Client, disc: bytes, path: str, name: str) -> None:
    """The hint is the same for short and long ones."""
    for size in (10, 100_000):
        files: dict[str, Any] = {"image_file": ("a.png", disc), name: (None, b"x" * size)}
        found = error(api.post(path, files=files))
        assert found["code"] == f"invalid_{name}" and "with a file name" in found["detail"]


def test_base64_whose_pluses_nobody_escaped(api: httpx.Client) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    text = base64.encodebytes(encode(noise)).decode()  # with line breaks
    assert text.count("+") > 10
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    found = api.post(PATH, content=f"format=png&image_file_b64={text}", headers=headers)
    assert found.status_code == 200, found.text
    assert found.content == post(api, encode(noise), format="png").content


@pytest.mark.parametrize(
    ("method", "path", "status", "named"),
    [
        ("GET", "/v1.0/removebg", 405, "expected POST"),
        ("DELETE", "/v1.0/account", 405, "expected GET or HEAD"),
        ("PUT", "/v1/jobs/none", 405, "expected GET or HEAD or DELETE"),
        ("OPTIONS", "/v1/jobs", 405, "expected POST"),
        ("POST", "/v1/removebg", 404, "expected /v1.0/removebg"),
        ("POST", "//v1.0/removebg", 404, "expected /v1.0/removebg"),
        ("POST", "/V1.0/RemoveBG", 404, "expected /v1.0/removebg"),
        ("GET", "/v1/jobs/none/results", 404, "/openapi.json"),
        ("GET", "/wholly/elsewhere", 404, "one of the API's"),
    ],
)
def test_wrong_paths_and_methods(api: httpx.Client, method: str, path: str, status: int, named: str) -> None:
    found = api.request(method, str(api.base_url) + path)
    detail = error(found)["detail"]
    assert found.status_code == status, found.text
    assert path in detail and named in detail and "access-control-allow-origin" not in found.headers
    if status == 405:
        assert method in detail
        assert found.headers["allow"] == named.removeprefix("expected ").replace(" or ", ", ")


def test_archives_and_clips_have_their_names(serve: Serve) -> None:
    api = serve()
    for path, field, name in (("/v1/jobs", "archive", "holiday.zip"), ("/v1/video", "video_file", "holiday.mp4")):
        found = api.post(path, files={field: (name, b"nonsense")})
        assert found.status_code == 400 and error(found)["detail"].startswith(f"{name}: ")


def test_head_wherever_get_is(serve: Serve, disc: bytes) -> None:
    """As HTTP has it (RFC 9110, 9.1)."""
    api = serve()
    described = api.get("/openapi.json").json()["paths"]
    paths = [path for path, methods in described.items() if "get" in methods]
    assert len(paths) >= 9
    for path in (*paths, "/openapi.json", "/docs"):
        path = path.replace("{job_id}", "none")
        head, full = api.head(path), api.get(path)
        assert (head.status_code, head.content) == (full.status_code, b"") and full.status_code in (200, 404)
        assert head.headers["content-type"] == full.headers["content-type"]
    job = wait(api, send(api, {"a.png": disc}).json(), "done")
    for path in (f"/v1/jobs/{job['id']}", job["result"]):
        head, full = api.head(path), api.get(path)
        assert head.status_code == 200 and head.headers["content-length"] == full.headers["content-length"]
