"""remove.bg's contract: what its documents and its users' programs rely on, a row of docs/rest-api.md each."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from matting_api import samples
from matting_api.request.accept import wants_json

from tests.unit.api.conftest import Serve, encode, error, pixels
from tests.unit.api.test_gate import KEY
from tests.unit.api.test_removebg import PATH, post

ACCOUNT, IMPROVE = "/v1.0/account", "/v1.0/improve"
DOCUMENT = Path(__file__).parents[3] / "docs" / "rest-api.md"
BLACK = encode(np.zeros((40, 50, 3), np.uint8))
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
AXIOS = "application/json, text/plain, */*"


@pytest.mark.parametrize(
    ("accept", "as_json"),
    [
        ("", False), ("*/*", False), ("image/*", False), (AXIOS, False), ("image/png", False), ("image/webp", False),
        ("application/json", True), ("Application/JSON", True), ("application/json;q=0.9", True),
        ("application/json; charset=utf-8", True), ("image/*;q=0.5, application/json", True),
        ("application/json, */*;q=0.1", True), ("application/json;q=0.1, */*", False),
        ("text/html, application/json", True), ("application/*", True), ("application/json;q=0", False),
        ("image/png;q=0, application/json;q=0.1, */*", True), ("application/json;q=x, */*;q=y", False),
    ],
)  # fmt: skip
def test_accept(api: httpx.Client, disc: bytes, accept: str, as_json: bool) -> None:
    found = post(api, disc, {"Accept": accept})
    assert (found.headers["content-type"] == "application/json") == as_json
    assert found.headers["vary"] == "Accept"


def test_accept_knows_the_types_of_results() -> None:
    assert not wants_json("application/json, application/zip", "application/zip")
    assert wants_json("application/json, image/*", "application/zip")
    assert not wants_json("application/json;q=nan", "image/png")


def test_where_the_foreground_is(api: httpx.Client, disc: bytes) -> None:
    headers = post(api, disc).headers
    top, left, width, height = (int(headers[f"x-foreground-{name}"]) for name in ("top", "left", "width", "height"))
    assert max(abs(top - 10), abs(left - 20), abs(width - 80), abs(height - 80)) <= 6  # the disc, as the model sees it
    found = post(api, disc, {"Accept": "application/json"}, crop="true").json()["data"]
    size = pixels(base64.b64decode(found.pop("result_b64"))).shape
    assert found == {
        "foreground_top": 0, "foreground_left": 0, "foreground_width": size[1], "foreground_height": size[0],
    }  # fmt: skip
    for more in ({"format": "zip"}, {"channels": "alpha"}, {"bg_color": "red"}, {"bg_color": "81d4fa77"}):
        assert post(api, disc, **more).headers["x-foreground-top"] == str(top)


def test_no_charge_and_a_type(api: httpx.Client, disc: bytes) -> None:
    headers = post(api, disc, type="car").headers
    assert (headers["x-credits-charged"], headers["x-type"]) == ("0", "car")


def test_no_foreground(api: httpx.Client) -> None:
    found = post(api, BLACK)
    assert (found.status_code, error(found)["code"]) == (400, "unknown_foreground")
    told = api.post("/v1/cutout", content=BLACK).headers  # our own endpoint answers with what there is
    assert (told["x-matting-found"], told["x-matting-uncertainty"]) == ("false", "0.0000")


@pytest.mark.parametrize(
    ("colour", "opacity"), [("81d4fa77", 0x77), ("#81d4fa77", 0x77), ("81D4FA00", 0), ("8df7", 0x77)]
)
def test_a_translucent_background(api: httpx.Client, disc: bytes, colour: str, opacity: int) -> None:
    found = post(api, disc, bg_color=colour)
    assert found.headers["content-type"] == "image/png"
    picture = pixels(found.content)
    rgb = (0x88, 0xDD, 0xFF) if colour == "8df7" else (0x81, 0xD4, 0xFA)
    assert picture.shape == (100, 200, 4) and picture[50, 180, 3] == opacity
    assert not opacity or tuple(picture[50, 180, :3]) == rgb
    assert tuple(picture[50, 60]) == (255, 255, 255, 255)  # the subject itself
    on_white = pixels(post(api, disc, bg_color=colour, format="jpg").content)
    wanted = np.array(rgb) * opacity / 255 + 255 - opacity
    assert on_white.shape == (100, 200, 3) and np.abs(on_white[50, 180] - wanted).max() <= 3
    assert post(api, disc, bg_color=colour, channels="alpha").content == post(api, disc, channels="alpha").content


def test_an_opaque_background_with_an_alpha(api: httpx.Client, disc: bytes) -> None:
    for colour in ("ff0000ff", "f00f"):  # is what it is without one, a JPEG where nothing is said
        assert post(api, disc, bg_color=colour).content == post(api, disc, bg_color="ff0000").content


def test_account(serve: Serve, disc: bytes) -> None:
    api = serve(keys=frozenset({KEY}), quota=5)
    assert api.get(ACCOUNT).status_code == 403
    key = {"X-Api-Key": KEY}
    post(api, disc, key)
    for _ in range(2):  # asking costs nothing
        found = api.get(ACCOUNT, headers=key).json()
        assert found["data"]["attributes"]["credits"] == {"total": 4, "subscription": 4, "payg": 0, "enterprise": 0}
        assert found["data"]["attributes"]["api"] == {"free_calls": 4, "sizes": "all"}
    assert api.head(ACCOUNT, headers=key).status_code == 200
    assert serve().get(ACCOUNT).json()["data"]["attributes"]["credits"]["total"] > 0


def test_improve_keeps_photos_where_it_is_told_to(serve: Serve, disc: bytes, tmp_path: Path) -> None:
    off = serve().post(IMPROVE, files={"image_file": ("a.png", disc)})
    assert (off.status_code, error(off)["code"]) == (403, "improve_not_supported")
    api = serve(samples=tmp_path / "box")
    fields = {"image_filename": "../../鞋.jpg", "tag": "hair"}
    kept = api.post(IMPROVE, files={"image_file": ("a.png", disc)}, data=fields).json()["id"]
    (folder,) = (tmp_path / "box").iterdir()
    assert folder.name == kept and {path.name for path in folder.iterdir()} == {"photo", "sample.json"}
    assert (folder / "photo").read_bytes() == disc
    note = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    assert (note["name"], note["tag"], note["width"], note["height"]) == ("../../鞋.jpg", "hair", 200, 100)
    assert api.post(IMPROVE, files={"image_file": b"no photo"}).status_code == 400
    assert len(list((tmp_path / "box").iterdir())) == 1


def test_the_box_is_bounded(serve: Serve, disc: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_SAMPLES", 1)
    api = serve(samples=tmp_path / "box")
    statuses = [api.post(IMPROVE, files={"image_file": disc}).status_code for _ in range(2)]
    assert statuses == [200, 507] and len(list((tmp_path / "box").iterdir())) == 1


def test_the_default_size_behind_a_switch(serve: Serve) -> None:
    photo = encode(np.full((600, 1000, 3), 255, np.uint8))
    api = serve(preview_by_default=True)
    assert pixels(post(api, photo).content).shape == pixels(post(api, photo, size="preview").content).shape
    assert pixels(post(api, photo, size="auto").content).shape[:2] == (600, 1000)


def part(disposition: str, data: bytes, kind: str = "") -> bytes:
    header = f"\r\nContent-Type: {kind}" if kind else ""
    return f"--b\r\nContent-Disposition: form-data; {disposition}{header}\r\n\r\n".encode() + data + b"\r\n"


PHOTO_PART = 'name="image_file"; filename="photo.png"'


@pytest.mark.parametrize(
    ("disposition", "kind"),
    [
        ("name=image_file; filename*=UTF-8''%E7%85%A7%E7%89%87.jpg", ""),
        ('name="image_file"; filename="photo.jpg"; filename*=UTF-8\'\'%E7%85%A7.jpg', "image/jpeg"),
        ('name="image_file"; filename="照片.jpg"', ""),
        ('name="image_file"; filename="a\\"b;c.jpg"', ""),
        ('name="image_file"; filename="C:\\photos\\a.jpg"', ""),
        ('name="image_file"; filename=""', "image/png"),
        ('name="image_file"', "image/png"),
        ('name="image_file"', "application/octet-stream"),
    ],
)
def test_file_parts(api: httpx.Client, disc: bytes, disposition: str, kind: str) -> None:
    found = api.post(PATH, content=part(disposition, disc, kind) + b"--b--\r\n", headers=FORM)
    assert found.status_code == 200, found.text
    assert pixels(found.content).shape == (100, 200, 4)


@pytest.mark.parametrize("chunk", [1, 7, 10**9])
def test_what_stands_around_the_parts(api: httpx.Client, disc: bytes, chunk: int) -> None:
    """However the body is cut into pieces."""
    body = b"This is a preamble.\r\nAnd --b more\r\n" + part(PHOTO_PART, disc) + b"--b--\r\nan epilogue"
    pieces = (body[start : start + chunk] for start in range(0, len(body), chunk))
    assert api.post(PATH, content=pieces, headers=FORM).status_code == 200


@pytest.mark.parametrize(
    "name", ["bg_image_file", "bg_image_url", "bg_color", "image_url", "image_file_b64", "roi", "crop"]
)
def test_empty_fields_are_not_given(api: httpx.Client, disc: bytes, name: str) -> None:
    for disposition in (f'name="{name}"', f'name="{name}"; filename=""'):
        empty = part(disposition, b"", "application/octet-stream" if "filename" in disposition else "")
        found = api.post(PATH, content=part(PHOTO_PART, disc) + empty + b"--b--\r\n", headers=FORM)
        assert found.status_code == 200, found.text


@pytest.mark.parametrize("body", [b"", b"--b", b"--b\r\n\r\n", part(PHOTO_PART, BLACK), b"x" * 100_000])
def test_broken_forms(api: httpx.Client, body: bytes) -> None:
    found = api.post(PATH, content=body, headers=FORM)
    assert (found.status_code, error(found)["code"]) == (400, "invalid_form")


@pytest.mark.parametrize("path", [PATH, "/v1/cutout"])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "GZIP"])
def test_packed_bodies(api: httpx.Client, disc: bytes, path: str, coding: str) -> None:
    pack = zlib.compress if coding == "deflate" else gzip.compress
    headers = {"Content-Encoding": coding, "Content-Type": "multipart/form-data; boundary=b"}
    body = part(PHOTO_PART, disc) + b"--b--\r\n"
    assert api.post(path, content=pack(body), headers=headers).status_code == 200
    as_json = json.dumps({"image_file_b64": base64.b64encode(disc).decode()}).encode()
    json_headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    assert api.post(PATH, content=pack(as_json), headers=json_headers).status_code == 200


def test_packed_bodies_that_cannot_be(api: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    for coding in ("br", "zstd", "gzip, gzip", "compress"):
        found = api.post(PATH, content=b"{}", headers={**headers, "Content-Encoding": coding})
        assert found.status_code == 415 and coding in error(found)["detail"]
        assert "gzip" in found.headers["accept-encoding"]
    bomb = gzip.compress(b" " * (40 * 2**20))
    assert len(bomb) < 10**5
    found = api.post(PATH, content=bomb, headers={**headers, "Content-Encoding": "gzip"})
    assert (found.status_code, error(found)["code"]) == (413, "file_too_large")
    for broken in (b"no gzip", gzip.compress(b"{}")[:-3], gzip.compress(b"{}") * 2):
        found = api.post(PATH, content=broken, headers={**headers, "Content-Encoding": "gzip"})
        assert (found.status_code, error(found)["code"]) == (400, "invalid_body")


def test_orders_of_jobs_may_be_packed_but_not_their_files(api: httpx.Client) -> None:
    packed = {"Content-Encoding": "gzip"}
    body = gzip.compress(b'{"urls": "none"}')
    found = api.post("/v1/jobs", content=body, headers={**packed, "Content-Type": "application/json"})
    assert (found.status_code, error(found)["detail"]) == (400, "urls: expected a list of addresses")
    for path, field in (("/v1/jobs", "archive"), ("/v1/video", "video_file")):
        found = api.post(path, files={field: gzip.compress(b"file")}, headers=packed)
        assert (found.status_code, found.headers["accept-encoding"]) == (415, "identity")
        assert error(found)["detail"] == "got the Content-Encoding 'gzip', expected identity"


def test_every_base64(api: httpx.Client, disc: bytes) -> None:
    usual = base64.b64encode(disc).decode()
    expected = post(api, disc).content
    for text in (
        usual,
        usual.rstrip("="),
        usual.translate(str.maketrans("+/", "-_")),
        f"data:image/png;base64,{usual}",
    ):
        wrapped = "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76))
        for each in (text, wrapped):
            sent = {"image_file_b64": each}
            parts = {"image_file_b64": (None, each)}
            assert api.post(PATH, json={**sent, "crop": False, "roi": None}).content == expected
            assert api.post(PATH, data=sent).content == api.post(PATH, files=parts).content == expected


def test_other_websites_may_be_invited(serve: Serve, disc: bytes) -> None:
    shop, evil = "https://shop.example", "https://evil.example"
    api = serve(origins=(shop, "http://localhost:3000"))
    ask: dict[str, Any] = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    for origin in (shop, "http://localhost:3000"):
        allowed = api.options(PATH, headers={"Origin": origin, **ask})
        assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == origin
        assert "X-Api-Key" in allowed.headers["access-control-allow-headers"]
        found = post(api, disc, {"Origin": origin, "Sec-Fetch-Site": "cross-site"})
        assert found.status_code == 200 and found.headers["access-control-allow-origin"] == origin
        assert "X-Foreground-Top" in found.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in found.headers
    refused = post(api, b"no photo", {"Origin": shop})  # errors can be read, too
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, shop)
    for path, origin in ((PATH, evil), ("/metrics", shop), ("/gradio_api/upload", shop), ("/", shop)):
        found = api.options(path, headers={"Origin": origin, **ask})
        assert found.status_code == 403 and "access-control-allow-origin" not in found.headers
    assert serve(origins=("*",)).post(PATH, headers={"Origin": evil}).status_code == 415
    assert serve().options(PATH, headers={"Origin": shop, **ask}).status_code == 403


def test_below_a_path(serve: Serve, disc: bytes) -> None:
    """A proxy may take its path away, or not."""
    api = serve(root_path="/matting/api")
    for prefix in ("", "/matting/api"):
        assert api.post(f"{prefix}{PATH}", files={"image_file": disc}).status_code == 200
        assert api.get(f"{prefix}/metrics").status_code == 200
    assert api.get("/matting/apilivez").status_code == 404
    assert 'matting_http_requests_total{path="/v1.0/removebg",status="200"} 2.0' in api.get("/metrics").text


def test_each_row_of_the_documents_table_has_its_test() -> None:
    """And each row is one: a test that is renamed or gone takes its claim along."""
    folder = Path(__file__).parent
    tests = set(re.findall(r"^def (test_\w+)", "".join(path.read_text() for path in folder.glob("*.py")), re.MULTILINE))
    document = DOCUMENT.read_text(encoding="utf-8")
    table = document.partition("| contract | here | test |")[2].partition("\n\n")[0]
    named = re.findall(r"\| `(test_\w+)` \|$", table, re.MULTILINE)
    assert len(named) == table.strip().count("\n") >= 20 and set(named) <= tests
