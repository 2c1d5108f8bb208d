"""`/v1/idphoto`: the photo that an office asks for, or a sheet of them."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from tests.support.portrait import lit_person
from tests.unit.api.conftest import encode, error, pixels

PATH = "/v1/idphoto"


@pytest.fixture
def person() -> bytes:
    """What is bright is the subject to the model of these tests."""
    return encode(lit_person()[0])


def test_the_photo_has_the_size_and_background_of_its_kind(api: httpx.Client, person: bytes) -> None:
    answered = api.post(PATH, content=person, params={"kind": "us-visa", "background": "red", "format": "jpg"})
    assert answered.status_code == 200, answered.text
    photo = pixels(answered.content)
    assert (photo.shape, answered.headers["content-type"]) == ((600, 600, 3), "image/jpeg")
    assert (answered.headers["x-width"], answered.headers["x-height"]) == ("600", "600")
    assert np.abs(photo[5, 5].astype(int) - (255, 0, 0)).max() < 12
    assert photo[300, 300].min() > 150 and "background was changed" in answered.headers["x-warning"]


def test_a_sheet_is_printed_at_its_true_size(api: httpx.Client, person: bytes) -> None:
    sheet = api.post(PATH, files={"image_file": person}, data={"paper": "4x6", "format": "pdf"})
    assert sheet.headers["content-type"] == "application/pdf" and sheet.content.startswith(b"%PDF")
    answered = api.post(PATH, files={"image_file": person}, data={"paper": "4x6"})
    height, width = pixels(answered.content).shape[:2]
    assert sorted((height, width)) == [1200, 1800]
    for each in (sheet, answered):  # the headers are the sheet's
        for kind in ("", "foreground-"):
            assert [each.headers[f"x-{kind}{side}"] for side in ("width", "height")] == [str(width), str(height)]


def test_a_photo_that_ends_too_early_is_warned_of(api: httpx.Client, person: bytes) -> None:
    full = api.post(PATH, content=person, params={"kind": "one-inch"})
    assert "x-warning" not in full.headers
    short = api.post(PATH, content=encode(pixels(person)[:180]), params={"kind": "one-inch"})
    assert short.status_code == 200 and "does not reach the lower edge" in short.headers["x-warning"]


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({"kind": "club"}, "invalid_parameter", "kind"),
        ({"zoom": "3"}, "invalid_parameter", "zoom"),
        ({"shift": "nan"}, "invalid_parameter", "shift"),
        ({"paper": "a3"}, "invalid_parameter", "paper"),
        ({"format": "pdf"}, "invalid_parameter", "name a paper"),
        ({"format": "png"}, "invalid_parameter", "format"),
        ({"background": "no colour"}, "invalid_parameter", "background"),
        ({"size": "small"}, "unknown_parameter", "size"),
    ],
)
def test_bad_values(api: httpx.Client, fields: dict[str, str], code: str, named: str) -> None:
    answered = api.post(PATH, files={"image_file": b"no photo"}, data=fields)  # refused before any work
    assert (answered.status_code, error(answered)["code"]) == (400, code)
    assert named in error(answered)["detail"]


def test_nobody_in_the_photo_and_two(api: httpx.Client) -> None:
    answered = api.post(PATH, content=encode(np.zeros((300, 300, 3), np.uint8)))
    assert (answered.status_code, error(answered)["code"]) == (400, "unknown_foreground")
    picture = lit_person()[0]
    answered = api.post(PATH, content=encode(np.full((300, 300, 3), 255, np.uint8)))
    assert (answered.status_code, error(answered)["code"]) == (400, "no_face")
    answered = api.post(PATH, content=encode(np.hstack([picture, picture])))
    assert (answered.status_code, error(answered)["code"]) == (400, "several_faces")
