"""`POST /v1/cutout` and `POST /v1/alpha`: a photo as the body, or in a form."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import numpy as np
import pytest
from matting_client import Options, connect

from tests.unit.api.conftest import Serve, encode, error, pixels

CUTOUT, ALPHA = "/v1/cutout", "/v1/alpha"
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def expected(portrait: bytes, monkeypatch: pytest.MonkeyPatch, repository: Any) -> Any:
    """What the client makes of the portrait with options."""
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    with connect("local") as client:
        cutout = client.cutout(portrait)
        yield lambda **options: cutout.with_options(Options(**options)).to_bytes()


@pytest.mark.parametrize("kind", ["image/png", "application/json", "application/x-www-form-urlencoded", None])
def test_the_body_is_the_photo_whatever_it_is_called(
    api: httpx.Client, portrait: bytes, expected: Any, kind: str | None
) -> None:
    """curl --data-binary calls it a form."""
    headers = {"Content-Type": kind} if kind else {}
    response = api.post(CUTOUT, content=portrait, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert response.content == expected()
    assert response.headers["x-width"] == "512" and "infer;dur=" in response.headers["server-timing"]
    assert "got a PDF" in error(api.post(CUTOUT, content=b"%PDF-1.7", headers=headers))["detail"]


def test_every_option_of_the_client(api: httpx.Client, portrait: bytes, expected: Any) -> None:
    options: dict[str, Any] = {
        "background": "#102030",
        "format": "webp",
        "quality": 80,
        "alpha_threshold": 12,
        "erode": 1.5,
        "feather": True,
        "foreground": False,
        "refine": False,
        "roi": "0% 0% 90% 100%",
        "crop": True,
        "crop_margin": "5%",
        "scale": "90%",
        "position": "50% 100%",
        "size": "300px",
    }
    wanted = expected(**options)
    query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()}
    # `refine` works before the alpha is kept, and this model's input is smaller than the photo.
    with_refine = api.post(CUTOUT, content=portrait, params={**query, "refine": "true"}).content
    assert with_refine == wanted
    assert api.post(CUTOUT, content=portrait, params=query).content != wanted
    form = {name: str(value) for name, value in {**query, "refine": "true"}.items()}
    assert api.post(CUTOUT, files={"image_file": portrait}, data=form).content == wanted


def test_preset_and_what_wins_over_it(api: httpx.Client, portrait: bytes, expected: Any) -> None:
    preset = Options.from_preset("id-photo", background="#0000ff")
    wanted = expected(**{name: getattr(preset, name) for name in preset.__dataclass_fields__})
    response = api.post(CUTOUT, content=portrait, params={"preset": "id-photo", "background": "blue"})
    assert response.content == wanted and response.headers["content-type"] == "image/jpeg"


def test_a_picture_behind(api: httpx.Client) -> None:
    wall = encode(np.full((9, 9, 3), (10, 20, 30), np.uint8))
    files = {"image_file": encode(np.zeros((40, 50, 3), np.uint8)), "bg_image_file": wall}
    assert (pixels(api.post(CUTOUT, files=files).content) == (10, 20, 30)).all()
    assert api.post(CUTOUT, files=files, params={"background": "red"}).status_code == 400
    assert api.post(CUTOUT, files=files, params={"background": "blur"}).status_code == 400
    for name in ("blur", "studio"):
        drawn = api.post(CUTOUT, files={"image_file": files["image_file"]}, data={"background": name, "format": "jpg"})
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/jpeg"), drawn.text
    assert error(api.post(ALPHA, files=files))["code"] == "unsupported_parameter"


def test_alpha(api: httpx.Client, portrait: bytes, expected: Any) -> None:
    response = api.post(ALPHA, content=portrait, headers=JPEG)  # what it is, decides itself
    assert response.content == expected(alpha_only=True)
    assert pixels(response.content).shape == (400, 512)
    preset = api.post(ALPHA, files={"image_file": portrait}, params={"preset": "id-photo", "crop": "true"})
    assert pixels(preset.content).ndim == 2
    answer = api.post(ALPHA, content=portrait, headers={"Accept": "application/json"}).json()
    assert base64.b64decode(answer["data"]["result_b64"]) == response.content


@pytest.mark.parametrize("path", [CUTOUT, ALPHA])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("erode=6", "invalid_parameter"),
        ("erode=-5.1", "invalid_parameter"),
        ("erode=nan", "invalid_parameter"),
        ("erode=much", "invalid_parameter"),
        ("alpha_threshold=1.5", "invalid_parameter"),
        ("alpha_threshold=" + "9" * 5000, "invalid_parameter"),
        ("feather=perhaps", "invalid_parameter"),
        ("preset=passport", "invalid_parameter"),
        ("size=10%25", "invalid_parameter"),
        ("crop=true&crop=true", "invalid_parameter"),
        ("options=all", "unknown_parameter"),
        ("image_file=x", "invalid_image_file"),
        ("image_url=http://127.0.0.1/", "multiple_sources"),
    ],
)
def test_bad_queries(api: httpx.Client, portrait: bytes, path: str, query: str, code: str) -> None:
    response = api.post(f"{path}?{query}", content=portrait)
    assert (response.status_code, error(response)["code"]) == (400, code)


@pytest.mark.parametrize(
    ("query", "named"),
    [("quality=0", "quality"), ("format=gif", "format"), ("background=/etc/passwd", "background")],
)
def test_bad_queries_of_a_cutout(api: httpx.Client, portrait: bytes, query: str, named: str) -> None:
    response = api.post(f"{CUTOUT}?{query}", content=portrait)
    assert response.status_code == 400 and named in error(response)["detail"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"", 400, "missing_source"), (b"text", 400, "invalid_image"), (bytes(5 * 2**20), 413, "file_too_large")],
)
def test_bad_bodies(api: httpx.Client, content: bytes, status: int, code: str) -> None:
    for path in (CUTOUT, ALPHA):
        response = api.post(path, content=content, headers=JPEG)
        assert (response.status_code, error(response)["code"]) == (status, code)
        assert error(api.post(path, files={"image_file": content}))["code"] == (code if content else "invalid_image")


def test_a_request_may_name_a_model(serve: Serve, disc: bytes) -> None:
    api = serve()
    for path in ("/v1/cutout", "/v1/alpha"):
        files = {"image_file": ("photo.png", disc)}
        plain = api.post(path, files=files, data={"model": "matting_512"})
        assert plain.content == api.post(path, files=files).content
        missing = api.post(path, files=files, data={"model": "matting_1024"})  # the repository of this test has none
        assert (missing.status_code, error(missing)["code"]) == (400, "invalid_parameter")
        assert "one that this server has, such as 'matting_512'" in error(missing)["detail"]
        unknown = api.post(path, files=files, data={"model": "../matting_512"})
        assert (unknown.status_code, error(unknown)["code"]) == (400, "invalid_parameter")
