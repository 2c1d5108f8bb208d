"""A client of remove.bg that others wrote works with nothing but its address changed."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import httpx
import numpy as np
import pytest
import requests
from matting_api.request.fetch import Fetcher
from PIL import Image
from removebg.removebg import RemoveBg

from tests.unit.api.conftest import Serve, encode, pixels
from tests.unit.api.test_fetch import HERE, LIMIT, Host, only_here, run
from tests.unit.api.test_removebg import PATH, post

KEY = "0123456789abcdef0123"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of more than the 0.25 megapixels that this client asks for."""
    path = tmp_path / "photo.png"
    path.write_bytes(encode(np.full((600, 1000, 3), 255, np.uint8)))
    return path


def client_of(api: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str = KEY) -> RemoveBg:
    monkeypatch.setattr("removebg.removebg.API_ENDPOINT", str(api.base_url).rstrip("/") + PATH)
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])  # or it would open a log file for good
    return RemoveBg(key, str(tmp_path / "error.log"))


def test_a_file(serve: Serve, photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    api = serve(keys=frozenset({KEY}))
    client_of(api, monkeypatch, tmp_path).remove_background_from_img_file(str(photo))
    result = photo.with_name("photo.png_no_bg.png")
    with Image.open(result) as picture:
        assert picture.format == "PNG" and picture.mode == "RGBA"
        assert 0.249e6 < picture.width * picture.height <= 0.25e6
    assert result.read_bytes() == post(api, photo.read_bytes(), {"X-Api-Key": KEY}, size="regular").content


def test_base64_and_a_colour(serve: Serve, photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = client_of(serve(), monkeypatch, tmp_path)
    text, result = base64.b64encode(photo.read_bytes()), tmp_path / "result.jpg"
    client.remove_background_from_base64_img(text, size="hd", new_file_name=str(result), bg_color="ff0000")
    assert pixels(result.read_bytes()).shape == (600, 1000, 3)


def test_an_address(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = client_of(serve(fetcher=Fetcher(LIMIT, only_here)), monkeypatch, tmp_path)
    result = tmp_path / "result.png"
    with run(Host(HERE)) as host:
        client.remove_background_from_img_url(f"http://{HERE}:{host.port}/photo.png", new_file_name=str(result))
    assert pixels(result.read_bytes()).shape == (40, 50, 4)


def test_its_errors(serve: Serve, photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    api = serve(keys=frozenset({KEY}))
    client = client_of(api, monkeypatch, tmp_path, "wrong")
    with pytest.raises(requests.HTTPError) as caught:
        client.remove_background_from_base64_img(base64.b64encode(photo.read_bytes()))
    assert caught.value.response.status_code == 403
    assert caught.value.response.json()["errors"][0]["title"] == "API key invalid"
