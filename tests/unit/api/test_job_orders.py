"""What an order for many photos may say, and what is told of each of them."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from matting_api.jobs import photos
from matting_api.request.jobs import FIELDS, OF_JOBS
from PIL import Image

from tests.unit.api.conftest import Serve, encode, error, pixels
from tests.unit.api.test_contract import DOCUMENT
from tests.unit.api.test_jobs import packed, results, send, wait


def twins(photos: list[tuple[str, bytes]]) -> bytes:
    """A ZIP in which several files may have one name."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "w") as archive:
        for name, data in photos:
            archive.writestr(name, data)
    return buffer.getvalue()


def test_photos_of_one_name_in_a_zip(serve: Serve, portrait: bytes, disc: bytes) -> None:
    client = serve()
    sent = twins([("a.png", portrait), (".hidden", b"x"), ("a.png", disc), ("b/a.png", portrait)])
    begun = client.post("/v1/jobs", files={"archive": ("photos.zip", sent)})
    files, told = results(client, wait(client, begun.json(), "done", "failed"))
    assert [each["photo"] for each in told] == ["a.png", "a.png", "b/a.png"]
    shapes = [pixels(files[each["file"]]).shape[:2] for each in told]
    assert shapes == [(400, 512), (100, 200), (400, 512)]
    assert shapes == [(each["height"], each["width"]) for each in told]


def test_parts_of_a_result_and_one_that_is_swept(
    serve: Serve, disc: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(jobs_folder=tmp_path)
    job = wait(client, send(client, {"a.png": disc}).json(), "done", "failed")
    whole = client.get(job["result"]).content
    for part, status, content in (("bytes=-5", 206, whole[-5:]), ("bytes=0-9", 206, whole[:10]), ("a=0-9", 200, whole)):
        answer = client.get(job["result"], headers={"Range": part})
        assert (answer.status_code, answer.content) == (status, content)
    for part in ("bytes=99999999-", "bytes=5-2", "bytes=a"):
        refused = client.get(job["result"], headers={"Range": part})
        assert (refused.status_code, error(refused)["code"]) == (416, "range_not_satisfiable")
        assert refused.headers["Content-Range"] == f"bytes */{len(whole)}"
    (tmp_path / "photos" / job["id"] / "results.zip").unlink()
    monkeypatch.setattr(Path, "glob", lambda path, _: (path / "gone").stat())  # its folder goes meanwhile
    for path in (job["result"], f"/v1/jobs/{job['id']}"):
        assert (client.get(path).status_code, client.head(path).status_code) == (404, 404)


def test_each_result_is_told_of_as_of_one_photo(serve: Serve, portrait: bytes, disc: bytes) -> None:
    """As the headers of `/v1/cutout` do it, what a shop would object to among it; and empty ones are counted."""
    client = serve()
    frames = io.BytesIO()
    Image.fromarray(pixels(disc)).save(frames, "GIF", save_all=True, append_images=[Image.new("RGB", (200, 100))])
    black = encode(np.zeros((100, 200, 3), np.uint8))
    photos = {"black.png": black, "disc.png": disc, "frames.gif": frames.getvalue(), "portrait.png": portrait}
    seen: list[str] = []
    for fields in ({"crop": "true"}, {"template": "amazon"}):
        begun = send(client, {**photos, "bad.png": b"x"}, **fields).json()
        assert begun["empty"] == 0
        done = wait(client, begun, "done", "failed")
        assert (done["photos"], done["done"], done["failed"], done["empty"]) == (5, 5, 1, 1)
        for told in results(client, done)[1][:-1]:
            assert told.pop("file")
            alone = client.post("/v1/cutout", files={"image_file": photos[told.pop("photo")]}, data=fields).headers
            assert told.pop("found") == (alone["X-Matting-Found"] == "true")
            assert f"{told.pop('uncertainty'):.4f}" == alone["X-Matting-Uncertainty"]
            assert (str(told.pop("width")), str(told.pop("height"))) == (alone["X-Width"], alone["X-Height"])
            warned = told.pop("warnings", [])
            assert "; ".join(warned) == alone.get("X-Warning", "") and not told
            seen.extend(warned)
    assert any("frames" in each for each in seen) and any("enlarged" in each for each in seen)


def test_fields_of_one_photo_are_refused_by_name(serve: Serve, disc: bytes) -> None:
    """Not when the work has begun, and not in words of the form's reader or of the Python library."""
    client = serve()
    archive = ("archive", ("photos.zip", packed({"a.png": disc})))
    files = ("bg_image_file", "mask_file", "image_file", "result_file", "correction_file")
    texts = ("points", "bg_image_url", "image_url", "image_file_b64")
    answers = {name: client.post("/v1/jobs", files=[archive, (name, ("x.png", disc))]) for name in files}
    answers |= {name: client.post("/v1/jobs", files=[archive], data={name: "[]"}) for name in texts}
    answers |= {f"{name} ": client.post("/v1/jobs", json={"urls": ["x"], name: [{"x": 1}]}) for name in texts}
    for name, found in answers.items():
        told = error(found)
        assert (found.status_code, told["code"]) == (400, "unsupported_parameter"), told
        assert told["detail"].startswith(f"{name.strip()}: got") and "; " in told["detail"]
    empty = client.post("/v1/jobs", files=[archive], data={"points": "", "bg_image_url": "", "format": ""})
    assert wait(client, empty.json(), "done", "failed")["failed"] == 0


def test_jobs_that_are_over_take_places_until_they_are_deleted(
    serve: Serve, disc: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "MOST_JOBS", 1)
    client = serve()
    first = send(client, {"a.png": disc}).json()
    assert "try again later" in error(send(client, {"b.png": disc}))["detail"]
    wait(client, first, "done")
    refused = send(client, {"b.png": disc})
    assert (refused.status_code, error(refused)["code"]) == (503, "server_busy")
    assert "delete those of the 1 that are over" in error(refused)["detail"] and refused.headers["retry-after"] == "600"
    assert client.delete(f"/v1/jobs/{first['id']}").status_code == 204
    assert send(client, {"b.png": disc}).status_code == 202


def test_an_address_that_is_none_fails_alone(serve: Serve) -> None:
    """As one that is refused does."""
    client = serve(urls=True)
    urls = ["http://127.0.0.1/a.jpg", "notanurl", "", "http://[x/a.jpg", "ftp://a.example/a.jpg", "\ud800"]
    begun = client.post("/v1/jobs", content=json.dumps({"urls": urls}), headers={"Content-Type": "application/json"})
    assert begun.status_code == 202, begun.text
    done = wait(client, begun.json(), "done", "failed")
    assert (done["status"], done["failed"]) == ("done", len(urls))
    told = results(client, done)[1]
    assert [each["photo"] for each in told] == [*urls[:-1], "?"]
    codes = [each["error"]["code"] for each in told]
    assert codes[:2] == ["image_url_refused", "invalid_image_url"]
    assert set(codes[2:]) <= {"invalid_image_url", "image_url_failed"}


def test_the_document_lists_the_fields_of_jobs() -> None:
    table = DOCUMENT.read_text(encoding="utf-8").partition("| field of a job |")[2].partition("\n\n")[0]
    listed = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(listed) == sorted([*FIELDS, *OF_JOBS, "archive", "urls", "bucket"])


def test_forms_that_say_something_twice_or_too_much(serve: Serve, disc: bytes) -> None:
    client = serve()
    archive = ("archive", ("photos.zip", packed({"a.png": disc})))
    for files, code, about in (
        ([archive, archive], "invalid_parameter", "archive: got it twice"),
        (
            [archive, ("format", (None, b"png")), ("format", (None, b"webp"))],
            "invalid_parameter",
            "format: got it twice",
        ),
        ([archive, ("preset", ("product", disc))], "invalid_parameter", "got 'a file'"),
        ([archive, ("wall", ("wall.png", disc))], "unknown_parameter", "wall: got"),
        ([archive, ("format", (None, b"p" * 100_000))], "invalid_parameter", "format: got 100000 bytes"),
        ([archive] * 50, "invalid_form", "got more than 42 parts"),
        ([("archive", (None, b"a text"))], "missing_source", "expected a ZIP"),
    ):
        answer = client.post("/v1/jobs", files=files)
        told = error(answer)
        assert (answer.status_code, told["code"]) == (400, code) and about in told["detail"], told


def test_fields_in_the_address_count(serve: Serve, disc: bytes) -> None:
    """As of a photo: each in one place alone, and an unknown one is an error."""
    client = serve(urls=True)
    archive = {"archive": ("photos.zip", packed({"a.png": disc}))}
    order = {"urls": ["http://127.0.0.1/a.jpg"]}
    begun = client.post("/v1/jobs?format=webp", files=archive).json()
    assert list(results(client, wait(client, begun, "done", "failed"))[0]) == ["a-cutout.webp"]
    for address, code, about in (
        ("?format=gif", "invalid_parameter", "format: got 'gif'"),
        ("?wall=1", "unknown_parameter", "wall: got"),
        ("?image_url=x", "unsupported_parameter", "image_url: got"),
        ("?format=png&format=png", "invalid_parameter", "format: got it twice"),
    ):
        for sent in ({"files": archive}, {"json": order}):
            told = error(client.post(f"/v1/jobs{address}", **sent))
            assert told["code"] == code and about in told["detail"], told
    for sent in ({"files": archive, "data": {"format": "png"}}, {"json": {**order, "format": "png"}}):
        assert "format: got it twice" in error(client.post("/v1/jobs?format=png", **sent))["detail"]


def test_a_proxy_may_choose_the_model(serve: Serve, disc: bytes) -> None:
    """A caller who names one knows better."""
    client = serve()
    client.headers["X-Matting-Model"] = "none"
    assert error(send(client, {"a.png": disc}))["detail"].startswith("model: got 'none'")
    assert send(client, {"a.png": disc}, model="matting_512").status_code == 202


def test_what_is_null_or_empty_is_not_given(serve: Serve) -> None:
    """Clients that are made of the API's description send what was not set as null."""
    client = serve(urls=True)
    unset = dict.fromkeys(("bucket", "target", "webhook", "format", "quality", "points"))
    for bucket in (None, ""):
        begun = client.post("/v1/jobs", json={**unset, "urls": ["http://127.0.0.1/a.jpg"], "bucket": bucket})
        assert begun.status_code == 202, begun.text
    for text in ("{}", '{"urls": null}', '{"urls": "", "bucket": ""}', '{"urls": ["x"], "bucket": "s3://a/b"}'):
        answer = client.post("/v1/jobs", content=text, headers={"Content-Type": "application/json"})
        assert error(answer)["code"] == "missing_source"
