"""`POST /v1.0/removebg`: every parameter, and every way to send a photo."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from matting_client import Options, connect
from PIL import Image
from skimage import data

from tests.unit.api.conftest import encode, error, pixels

PATH = "/v1.0/removebg"


def post(api: httpx.Client, photo: bytes, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
    return api.post(PATH, files={"image_file": ("photo.png", photo)}, data=fields, headers=headers)


def test_headers(api: httpx.Client, portrait: bytes) -> None:
    headers = post(api, portrait, {"X-Request-Id": "photo-17"}).headers
    assert (headers["x-width"], headers["x-height"]) == ("512", "400")
    assert (headers["x-type"], headers["x-credits-charged"]) == ("other", "0")
    assert headers["x-matting-found"] == "true"
    assert 0 < float(headers["x-matting-uncertainty"]) < 1.55
    assert headers["x-request-id"] == "photo-17"
    assert headers["x-content-type-options"] == "nosniff"
    steps = dict(step.split(";dur=") for step in headers["server-timing"].split(", "))
    assert {"decode", "infer", "compose", "encode"} <= steps.keys()
    assert all(float(spent) >= 0 for spent in steps.values())
    assert "access-control-allow-origin" not in headers


def test_a_region_without_the_subject_is_empty(api: httpx.Client, disc: bytes) -> None:
    """As a photo without one, whatever is put behind it."""
    fields = {"roi": "80% 0% 100% 100%"}
    told = error(refused := post(api, disc, bg_color="red", **fields))
    assert (refused.status_code, told["code"]) == (400, "unknown_foreground") and "roi" in told["detail"]
    sent = {"image_file": ("photo.png", disc)}
    own = api.post("/v1/cutout", files=sent, data={**fields, "background": "red"})
    assert (own.status_code, own.headers["x-matting-found"]) == (200, "false")
    assert post(api, disc, roi="0% 0% 80% 100%").headers["x-matting-found"] == "true"


def test_the_address_may_hold_fields(api: httpx.Client, disc: bytes) -> None:
    """As at /v1/cutout: none is left out without a word."""
    sent = {"image_file": ("photo.png", disc)}
    found = api.post(f"{PATH}?format=jpg&crop=true", files=sent)
    assert found.headers["content-type"] == "image/jpeg" and pixels(found.content).shape == (79, 79, 3)
    as_json = {"image_file_b64": base64.b64encode(disc).decode()}
    assert api.post(f"{PATH}?format=jpg", json=as_json).headers["content-type"] == "image/jpeg"
    for query, code, named in (
        ("size=preview&foo=1", "unknown_parameter", "foo: got"),
        ("format=gif", "invalid_parameter", "format: got"),
        ("size=auto&size=full", "invalid_parameter", "size: got it twice"),
    ):
        told = error(api.post(f"{PATH}?{query}", files=sent))
        assert told["code"] == code and named in told["detail"]


def test_strange_request_ids_are_replaced(api: httpx.Client) -> None:
    for given in ("a b", "x" * 65, "<script>"):
        found = api.get("/livez", headers={"X-Request-Id": given}).headers["x-request-id"]
        assert found != given and len(found) == 32


def test_same_bytes_as_the_client(api: httpx.Client, portrait: bytes, monkeypatch: Any, repository: Any) -> None:
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    with connect("local") as client:
        expected = client.cutout(portrait, Options(background="#81d4fa", format="webp")).to_bytes()
    assert post(api, portrait, bg_color="81d4fa", format="webp").content == expected


@pytest.mark.parametrize(
    ("fields", "media", "channels"),
    [
        ({"format": "auto"}, "image/png", 4),
        ({"format": ""}, "image/png", 4),
        ({"format": "jpg"}, "image/jpeg", 3),
        ({"format": "jpeg"}, "image/jpeg", 3),
        ({"format": "webp"}, "image/webp", 4),
        ({"bg_color": "fff"}, "image/jpeg", 3),
        ({"bg_color": "#fff", "format": "png"}, "image/png", 3),
        ({"channels": "rgba"}, "image/png", 4),
        ({"channels": "alpha"}, "image/png", 1),
        ({"channels": "alpha", "bg_color": "red"}, "image/png", 1),
        ({"channels": "alpha", "format": "png"}, "image/png", 1),
    ],
)
def test_format_and_channels(
    api: httpx.Client, portrait: bytes, fields: dict[str, str], media: str, channels: int
) -> None:
    response = post(api, portrait, **fields)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == media
    picture = pixels(response.content)
    assert (1 if picture.ndim == 2 else picture.shape[2]) == channels


@pytest.mark.parametrize("colour", ["#1e90ff", "1e90ff", "1E90FF", "rgb(30, 144, 255)", "dodgerblue"])
def test_background_colour(api: httpx.Client, disc: bytes, colour: str) -> None:
    picture = pixels(post(api, disc, bg_color=colour, format="png").content)
    assert (picture[:, 130:] == (30, 144, 255)).all()  # right of the disc


@pytest.mark.parametrize("size", ["auto", "full", "preview", "regular", "4k"])
def test_size_never_enlarges(api: httpx.Client, portrait: bytes, size: str) -> None:
    assert pixels(post(api, portrait, size=size).content).shape[:2] == (400, 512)


@pytest.mark.parametrize(("size", "shape"), [("auto", (1000, 1600)), ("preview", (395, 632)), ("medium", (968, 1549))])
def test_size_limits_the_result(api: httpx.Client, size: str, shape: tuple[int, int]) -> None:
    photo = encode(np.full((1000, 1600, 3), 255, np.uint8))
    response = post(api, photo, size=size)
    assert pixels(response.content).shape == (*shape, 4)
    assert (response.headers["x-width"], response.headers["x-height"]) == (str(shape[1]), str(shape[0]))


def test_crop_and_margin(api: httpx.Client, disc: bytes) -> None:
    height, width = pixels(post(api, disc, crop="true").content).shape[:2]
    assert abs(height - 79) <= 4 and abs(width - 79) <= 4  # the model sees 64 px: its edge is as sharp as that
    response = post(api, disc, crop="true", crop_margin="10px 20px")
    assert pixels(response.content).shape == (height + 20, width + 40, 4)
    assert post(api, disc, crop="false", crop_margin="10px").content == post(api, disc).content


def outline(alpha: Any) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is opaque by half."""
    rows, columns = np.flatnonzero((alpha > 127).any(1)), np.flatnonzero((alpha > 127).any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_scale_and_position(api: httpx.Client, disc: bytes) -> None:
    left, top, right, bottom = outline(pixels(post(api, disc, scale="50%", channels="alpha").content))
    assert bottom - top == pytest.approx(50, abs=4) and right - left == pytest.approx(50, abs=4)
    assert (left + right) / 2 == pytest.approx(100, abs=2) and (top + bottom) / 2 == pytest.approx(50, abs=2)
    moved = outline(pixels(post(api, disc, position="100% 0%", channels="alpha").content))
    assert moved[1] <= 4 and moved[2] >= 196


def test_only_the_region_counts(api: httpx.Client, disc: bytes) -> None:
    alpha = pixels(post(api, disc, roi="30% 0px 100% 50px", channels="alpha").content)
    assert outline(alpha)[0] == 60 and outline(alpha)[3] == 50
    assert not alpha[50:].any() and not alpha[:, :60].any()


def test_zip_holds_colours_and_alpha(api: httpx.Client, portrait: bytes) -> None:
    response = post(api, portrait, format="zip", crop="true")
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as file:
        assert file.testzip() is None
        assert file.namelist() == ["color.jpg", "alpha.png"]
        colour, alpha = pixels(file.read("color.jpg")), pixels(file.read("alpha.png"))
    whole = pixels(post(api, portrait, crop="true").content)
    assert np.array_equal(alpha, whole[..., 3])
    assert np.abs(colour[alpha > 200].astype(int) - whole[alpha > 200][:, :3]).mean() < 3  # a JPEG
    assert (response.headers["x-width"], response.headers["x-height"]) == (str(alpha.shape[1]), str(alpha.shape[0]))


def test_a_picture_behind(api: httpx.Client, disc: bytes) -> None:
    wall = encode(np.full((9, 9, 3), (10, 20, 30), np.uint8))
    files = {"image_file": ("a.png", disc), "bg_image_file": ("b.png", wall)}
    response = api.post(PATH, files=files, data={"format": "png"})
    assert (pixels(response.content)[:, 130:] == (10, 20, 30)).all()
    assert api.post(PATH, files=files).headers["content-type"] == "image/jpeg"
    for wrong, status, named in (
        ({"bg_color": "fff"}, 400, "bg_color"),
        ({"format": "zip"}, 400, "zip"),
        ({"bg_image_url": "http://127.0.0.1/"}, 400, "bg_image_url"),
    ):
        response = api.post(PATH, files=files, data=wrong)
        assert response.status_code == status and named in error(response)["detail"]
    for broken, status in ((b"no picture", 400), (huge_header(1500), 413)):
        response = api.post(PATH, files={**files, "bg_image_file": ("wall.png", broken)})
        assert response.status_code == status and "wall.png" in error(response)["detail"]


def test_values_of_remove_bg_that_change_nothing(api: httpx.Client, portrait: bytes) -> None:
    fields = {"crop": "false", "scale": "original", "position": "original", "add_shadow": "false", "roi": ""}
    assert post(api, portrait, **fields).content == post(api, portrait).content


@pytest.mark.parametrize(
    "fields", [{"add_shadow": "true"}, {"shadow_type": "car"}, {"shadow_type": "drop"}, {"shadow_type": "3D"}]
)
def test_a_shadow_is_drawn(api: httpx.Client, fields: dict[str, str]) -> None:
    """Black beside the subject, and darker where more is asked for."""
    picture = np.zeros((600, 600, 3), np.uint8)
    picture[100:500, 150:450] = 250  # what the model of these tests takes for a subject
    photo = encode(picture)
    plain, cast, faint = (
        pixels(post(api, photo, **asked).content).astype(int)
        for asked in ({}, fields | {"shadow_opacity": "100"}, fields | {"shadow_opacity": "20"})
    )
    beside = (plain[..., 3] == 0) & (cast[..., 3] > 40)
    assert beside.sum() > 50 and cast[beside][:, :3].max() == 0
    assert (cast[beside][:, 3] > faint[beside][:, 3]).all()
    assert np.abs(cast[300, 300] - plain[300, 300]).max() <= 5  # nearly opaque: a little of the shadow shows


def test_semitransparency_may_be_refused(api: httpx.Client) -> None:
    picture = np.full((400, 400, 3), 20, np.uint8)
    picture[50:350, 50:350] = 250
    picture[150:250, 150:250] = 100  # half transparent to the model of these tests
    photo = encode(picture)
    window = pixels(post(api, photo).content)[200, 200, 3]
    assert 20 < window < 200
    assert pixels(post(api, photo, semitransparency="false").content)[200, 200, 3] == 255


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({"format": "gif"}, "invalid_parameter", "format"),
        ({"format": "zip", "channels": "alpha"}, "invalid_parameter", "format"),
        ({"format": "zip", "bg_color": "fff"}, "invalid_parameter", "format"),
        ({"channels": "rgb"}, "invalid_parameter", "channels"),
        ({"channels": "alpha", "format": "jpg"}, "invalid_parameter", "format"),
        ({"size": "huge"}, "invalid_parameter", "size"),
        ({"type": "dragon"}, "invalid_parameter", "type"),
        ({"bg_color": "81d4fa7"}, "invalid_parameter", "bg_color"),
        ({"format": "zip", "bg_color": "81d4fa77"}, "invalid_parameter", "format"),
        ({"bg_color": "nocolour"}, "invalid_parameter", "bg_color"),
        ({"crop": "maybe"}, "invalid_parameter", "crop"),
        ({"crop_margin": "60%"}, "invalid_parameter", "crop_margin"),
        ({"crop_margin": "1px 2px 3px"}, "invalid_parameter", "crop_margin"),
        ({"scale": "5%"}, "invalid_parameter", "scale"),
        ({"position": "left"}, "invalid_parameter", "position"),
        ({"roi": "0 0 10"}, "invalid_parameter", "roi"),
        ({"roi": "900px 0 950px 10px"}, "invalid_parameter", "512x400"),
        ({"add_shadow": "perhaps"}, "invalid_parameter", "add_shadow"),
        ({"shadow_type": "long"}, "invalid_parameter", "shadow_type"),
        ({"shadow_type": "drop", "shadow_opacity": "101"}, "invalid_parameter", "shadow_opacity"),
        ({"type_level": "3"}, "unsupported_parameter", "type_level"),
        ({"bg_image_url": "http://127.0.0.1/x"}, "bg_image_url_not_supported", "bg_image_url"),
        ({"bg_image_url": "http://127.0.0.1/x", "bg_color": "fff"}, "invalid_parameter", "bg_color"),
        ({"bg_image_file": "x"}, "invalid_bg_image_file", "bg_image_file"),
        ({"colour": "red"}, "unknown_parameter", "colour"),
        ({"image_url": "https://example.com/a.jpg"}, "multiple_sources", "image_url"),
        ({"image_file_b64": "aGk="}, "multiple_sources", "image_file_b64"),
    ],
)
def test_bad_values(api: httpx.Client, portrait: bytes, fields: dict[str, str], code: str, named: str) -> None:
    response = post(api, portrait, **fields)
    found = error(response)
    assert (response.status_code, found["code"]) == (400, code)
    assert named in found["detail"] and "\n" not in found["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b"\xff\xfe", "application/json", 400, "invalid_json"),
        (b"[" * 100_000, "application/json", 400, "invalid_json"),
        (b"[1]", "application/json", 400, "invalid_json"),
        (b"{}", "application/json", 400, "missing_source"),
        (b'{"image_file_b64": []}', "application/json", 400, "invalid_parameter"),
        (b'{"image_file_b64": "?!"}', "application/json", 400, "invalid_image_file_b64"),
        (b'{"image_file_b64": "aGk="}', "application/json", 400, "invalid_image"),
        (b"format=png", "application/x-www-form-urlencoded", 400, "missing_source"),
        (b"image_file=x", "application/x-www-form-urlencoded", 400, "invalid_image_file"),
        (b"format=png&format=jpg&image_file_b64=aGk=", "application/x-www-form-urlencoded", 400, "invalid_parameter"),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b", 400, "invalid_form"),
        (b"", "multipart/form-data; boundary=b", 400, "invalid_form"),
        (b"nonsense", "multipart/form-data", 400, "invalid_form"),
        (b"x", "text/plain", 415, "unsupported_media_type"),
    ],
)
def test_bad_bodies(api: httpx.Client, body: bytes, kind: str, status: int, code: str) -> None:
    response = api.post(PATH, content=body, headers={"Content-Type": kind})
    assert (response.status_code, error(response)["code"]) == (status, code)


def test_no_content_type(api: httpx.Client) -> None:
    assert api.post(PATH, content=b"x").status_code == 415


def test_more_files_or_fields_than_wanted(api: httpx.Client, portrait: bytes) -> None:
    two = [("image_file", ("a.png", portrait)), ("image_file", ("b.png", portrait))]
    other = {"image_file": ("a.png", portrait), "picture": ("a.png", portrait)}
    assert api.post(PATH, files=two).status_code == 400
    assert error(api.post(PATH, files=other))["code"] == "unsupported_parameter"
    many = {f"field{n}": (None, "x") for n in range(100)}
    assert api.post(PATH, files=many).status_code == 400


def gif() -> bytes:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def huge_header(side: int) -> bytes:
    """A PNG of a few bytes that says it has side x side pixels."""
    small = bytearray(encode(np.zeros((4, 4, 3), np.uint8)))
    import zlib

    small[16:24] = side.to_bytes(4, "big") * 2
    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
    return bytes(small)


@pytest.mark.parametrize(
    ("photo", "status"),
    [
        (b"", 400),
        (b"not a picture", 400),
        (encode(data.astronaut())[:5000], 400),
        (huge_header(1500), 413),
        (huge_header(20_000), 413),
        (huge_header(2_000_000_000), 413),
    ],
    ids=["empty", "text", "truncated", "pixels", "more-pixels", "bomb"],
)
def test_bad_photos(api: httpx.Client, photo: bytes, status: int) -> None:
    response = post(api, photo)
    found = error(response)
    assert response.status_code == status, found
    assert found["code"] == ("file_too_large" if status == 413 else "invalid_image")
    assert "photo.png" in found["detail"] and "\n" not in found["detail"]


def test_the_first_frame_of_an_animation_is_used_and_told(api: httpx.Client) -> None:
    response = post(api, gif())
    assert response.status_code == 200
    assert response.headers["x-warning"] == "the first of several frames was used"


@pytest.mark.parametrize("format", ["AVIF", "JPEG2000", "TIFF", "WEBP", "PPM", "GIF"])
def test_other_formats_are_photos(api: httpx.Client, format: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "white").save(buffer, format)
    response = post(api, buffer.getvalue())
    assert response.status_code == 200 and "x-warning" not in response.headers
    assert pixels(response.content).shape == (40, 60, 4)


def test_one_pixel_is_a_photo(api: httpx.Client) -> None:
    response = post(api, encode(np.full((1, 1, 3), 255, np.uint8)))
    assert pixels(response.content).shape == (1, 1, 4)


def test_orientation_is_applied(api: httpx.Client) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40), "white").save(buffer, "JPEG", exif=exif)
    response = post(api, buffer.getvalue())
    assert (response.headers["x-width"], response.headers["x-height"]) == ("40", "60")


def test_caches_keep_nothing_of_one_caller(api: httpx.Client, disc: bytes) -> None:
    """What a key or an id guards; what anyone may see is left to them."""
    answers = [api.get(path) for path in ("/v1.0/account", "/v1/jobs/none", "/v1/video/none/result", "/v1/none")]
    answers.append(api.post(PATH, files={"image_file": disc}))
    assert {answer.headers.get("cache-control") for answer in answers} == {"no-store"}
    assert "cache-control" not in api.get("/openapi.json").headers
