"""What answers tell of their results: where the subject is, and what was asked for and not done."""

from __future__ import annotations

import base64

import httpx
import numpy as np
import pytest

from tests.unit.api.conftest import encode, error, pixels
from tests.unit.api.test_removebg import PATH, post

CUT = np.zeros((100, 100, 3), np.uint8)
CUT[20:, 30:70] = 255  # down to the lower edge


def places(answer: httpx.Response) -> list[str]:
    return [answer.headers[f"x-foreground-{side}"] for side in ("top", "left", "width", "height")]


@pytest.mark.parametrize("more", [{}, {"format": "zip"}, {"bg_color": "red"}, {"bg_color": "81d4fa77"}])
def test_a_shadow_is_no_subject(api: httpx.Client, disc: bytes, more: dict[str, str]) -> None:
    fields = {"scale": "60%", **more}
    plain, cast = post(api, disc, **fields), post(api, disc, shadow_type="drop", shadow_opacity="100", **fields)
    assert places(plain) == places(cast) and plain.content != cast.content
    if not more:  # and JSON says the same
        found = post(api, disc, {"Accept": "application/json"}, shadow_type="drop", **fields).json()["data"]
        assert [str(found[f"foreground_{side}"]) for side in ("top", "left", "width", "height")] == places(plain)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"bg_color": "red"}, "bg_color"),
        ({"bg_color": "81d4fa77"}, "bg_color"),
        ({"shadow_type": "drop"}, "shadow_type"),
        ({"add_shadow": "true"}, "add_shadow"),
    ],
)
def test_what_an_alpha_leaves_out(api: httpx.Client, disc: bytes, fields: dict[str, str], named: str) -> None:
    plain, found = post(api, disc, channels="alpha"), post(api, disc, channels="alpha", **fields)
    assert found.content == plain.content and "x-warning" not in plain.headers
    assert found.headers["x-warning"].startswith(f"{named} was left out")
    wall = {"image_file": ("a.png", disc), "bg_image_file": ("b.png", disc)}
    told = api.post(PATH, files=wall, data={"channels": "alpha"}).headers["x-warning"]
    assert told.startswith("bg_image_* was left out")


def test_no_shadow_where_none_is_wanted(api: httpx.Client, disc: bytes) -> None:
    plain = post(api, disc, add_shadow="false")
    assert "x-warning" not in plain.headers
    found = post(api, disc, add_shadow="false", shadow_type="drop")
    assert found.content == plain.content and "add_shadow=false" in found.headers["x-warning"]
    for typed in ("", "none"):  # as good as not given
        drawn = post(api, disc, add_shadow="true", shadow_type=typed)
        assert drawn.content != plain.content and "x-warning" not in drawn.headers


def test_a_shadow_that_nothing_casts_is_warned_of(api: httpx.Client) -> None:
    photo = encode(CUT)
    for path, fields in ((PATH, {"add_shadow": "true"}), (PATH, {"shadow_type": "car", "format": "zip"})):
        found = api.post(path, files={"image_file": photo}, data=fields)
        assert found.headers["x-warning"].startswith("no shadow was drawn")
    found = api.post("/v1/cutout", content=photo, params={"shadow": "contact"})
    assert found.headers["x-warning"].startswith("no shadow was drawn")
    assert np.array_equal(pixels(found.content), pixels(api.post("/v1/cutout", content=photo).content))
    for told in ({"shadow_type": "drop"}, {}):
        assert "x-warning" not in post(api, photo, **told).headers


@pytest.mark.parametrize("opacity", [50, 50.0, "50", "50.0", "5e1", "\x1c50"])
def test_whole_numbers_in_any_dress(api: httpx.Client, disc: bytes, opacity: object) -> None:
    fields = {"image_file_b64": base64.b64encode(disc).decode(), "shadow_type": "drop"}
    found = api.post(PATH, json={**fields, "shadow_opacity": opacity})
    assert found.status_code == 200, found.text
    assert found.content == api.post(PATH, json={**fields, "shadow_opacity": "50"}).content
    for broken in (50.5, "inf", "nan", "half", "9_0", "９0", "1" * 5000, "50" + 60 * " " + "x"):
        detail = error(api.post(PATH, json={**fields, "shadow_opacity": broken}))["detail"]
        assert detail == f"shadow_opacity: got '{str(broken)[:50]}', expected a whole number"
    assert api.post("/v1/cutout", content=disc, params={"format": "jpeg", "quality": "90.0"}).status_code == 200


def test_a_cropped_subject_has_no_room_for_a_shadow(api: httpx.Client) -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[50:150, 50:150] = 255
    cropped = {"add_shadow": "true", "crop": "true"}
    assert "crop_margin" in post(api, encode(picture), **cropped).headers["x-warning"]
    assert "x-warning" not in post(api, encode(picture), **cropped, crop_margin="20%").headers
