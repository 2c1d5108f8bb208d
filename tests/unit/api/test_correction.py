"""`points` and `mask_file` of `/v1/cutout` and `/v1/alpha`: corrections by hand."""

from __future__ import annotations

import json
import re
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from matting_client import Pick, Stroke, connect

from tests.unit.api.conftest import Serve, encode, error, pixels

CUTOUT, ALPHA, REMOVEBG = "/v1/cutout", "/v1/alpha", "/v1.0/removebg"


@pytest.fixture
def cutout(portrait: bytes, monkeypatch: pytest.MonkeyPatch, repository: Any) -> Any:
    """The portrait's, by the same model in this process."""
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    with connect("local") as client:
        return client.cutout(portrait)


def test_points(api: httpx.Client, portrait: bytes, cutout: Any) -> None:
    x, y = cutout.subjects()[0].point
    points = [{"x": 60, "y": 90.5, "keep": True, "radius": 30}, {"x": x, "y": y, "keep": False}]
    wanted = cutout.corrected(picks=[Pick(False, x, y)], strokes=[Stroke(True, ((60, 90.5),), 30)])
    assert wanted.to_bytes() != cutout.to_bytes()
    query = {"points": json.dumps(points)}
    response = api.post(CUTOUT, content=portrait, params=query)
    assert response.content == wanted.to_bytes() and "correct;dur=" in response.headers["server-timing"]
    alpha = api.post(ALPHA, files={"image_file": portrait}, data=query)
    assert np.array_equal(pixels(alpha.content), wanted.raw)


def test_a_mask(api: httpx.Client, portrait: bytes, cutout: Any) -> None:
    height, width = cutout.raw.shape
    mask = np.full((height, width), 127, np.uint8)
    cv2.circle(mask, (80, 90), 50, 255, -1)
    mask[height // 2 :] = 0
    files = {"image_file": portrait, "mask_file": ("mask.png", encode(np.dstack([mask] * 3)))}
    for path, form in ((CUTOUT, {}), (ALPHA, {}), (CUTOUT, {"background": "red", "crop": "true"})):
        response = api.post(path, files=files, data=form)
        assert response.status_code == 200, response.text
    assert np.array_equal(pixels(api.post(ALPHA, files=files).content), cutout.corrected(mask).raw)


def test_masks_that_cannot_be(api: httpx.Client, portrait: bytes) -> None:
    wrong = encode(np.zeros((30, 200, 3), np.uint8))
    answer = api.post(CUTOUT, files={"image_file": portrait, "mask_file": ("mask.png", wrong)})
    assert answer.status_code == 400 and "mask: got 200x30 pixels" in error(answer)["detail"]
    answer = api.post(CUTOUT, files={"image_file": portrait, "mask_file": ("mask.png", b"no picture")})
    assert answer.status_code == 400 and error(answer)["detail"].startswith("mask_file mask.png: ")
    answer = api.post(CUTOUT, files={"image_file": portrait}, data={"mask_file": "a text"})
    assert answer.status_code == 400 and error(answer)["code"] == "invalid_mask_file"
    answer = api.post(REMOVEBG, files={"image_file": portrait, "mask_file": ("mask.png", wrong)})
    assert answer.status_code == 400 and error(answer)["code"] == "unsupported_parameter"


def test_a_mask_of_too_many_pixels(serve: Serve, portrait: bytes) -> None:
    api = serve(max_pixels=512 * 400)
    large = encode(np.zeros((1000, 1000, 3), np.uint8))
    answer = api.post(CUTOUT, files={"image_file": portrait, "mask_file": ("mask.png", large)})
    assert answer.status_code == 413 and error(answer)["code"] == "file_too_large"


@pytest.mark.parametrize(
    "points",
    [
        "{}",
        "7",
        "[",
        "[" * 30_000,
        "[1]",
        "[{}]",
        '[{"x": 1, "y": 2}]',
        '[{"x": 1, "y": 2, "keep": 1}]',
        '[{"x": 1, "y": 2, "keep": true, "colour": 1}]',
        '[{"x": "1", "y": 2, "keep": true}]',
        '[{"x": NaN, "y": 2, "keep": true}]',
        '[{"x": 1, "y": 2, "keep": true, "radius": 0}]',
        '[{"x": 1, "y": 2, "keep": true, "radius": null}]',
        '[{"x": 1e300, "y": 2, "keep": true, "radius": 5}]',
        '[{"x": 9000, "y": 2, "keep": true, "radius": 5}]',
        '[{"x": 9000, "y": 2, "keep": true}]',
        f'[{{"x": {"9" * 400}, "y": 2, "keep": true}}]',
        f'[{{"x": 1, "y": -{"9" * 400}, "keep": true, "radius": 5}}]',
        f'[{{"x": 1, "y": 2, "keep": true, "radius": {"9" * 400}}}]',
        json.dumps([{"x": 1, "y": 2, "keep": True, "radius": 5}] * 201),
    ],
    ids=lambda text: text[:30],
)
def test_points_that_cannot_be(api: httpx.Client, portrait: bytes, points: str) -> None:
    answer = api.post(CUTOUT, files={"image_file": portrait}, data={"points": points})
    assert answer.status_code == 400 and error(answer)["code"] == "invalid_parameter"
    detail = error(answer)["detail"]
    assert detail.startswith("points: ")
    # In words of the sender's, who has neither Python nor its library.
    assert not re.search(
        r"Cutout|Options|None|True|False|NoneType|\b(dict|list|str|int)\b", detail.replace("a list", "")
    )


@pytest.mark.parametrize("body", [[], "x", 7, None, True, {"points": [1]}, {"crop": {"x": None}}])
def test_json_is_told_of_in_its_own_words(api: httpx.Client, body: Any) -> None:
    answer = api.post(REMOVEBG, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert not re.search(r"\b(None|NoneType|dict|list|str|int|bool|float)\b", error(answer)["detail"])
