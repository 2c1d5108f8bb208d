"""Clients of remove.bg that others wrote work with nothing but their address changed."""

from __future__ import annotations

import base64
import fcntl
import json
import logging
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
import remove_bg_api
import requests
from matting_api.request.fetch import Fetcher
from PIL import Image
from removebg.removebg import RemoveBg

from tests.unit.api.conftest import Serve, encode, pixels
from tests.unit.api.test_fetch import HERE, LIMIT, Host, only_here, run
from tests.unit.api.test_removebg import PATH, post

KEY = "0123456789abcdef0123"
CLIENTS = Path(__file__).parent / "clients"


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
    client = client_of(serve(fetcher=Fetcher(LIMIT, only_here, ports=None)), monkeypatch, tmp_path)
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


def test_remove_bg_api(serve: Serve, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI's other client, which asks for the account before anything else, and counts its credits."""
    api = serve(keys=frozenset({KEY}), quota=7)
    monkeypatch.setattr(remove_bg_api, "API_URL", f"{str(api.base_url).rstrip('/')}/v1.0")
    client = remove_bg_api.RemoveBg(KEY)
    assert client.account.balance() == 7 == client.account.free_api_calls()
    data = photo.read_bytes()
    for result in (client.remove_bg_bytes(data), client.remove_bg_base64(base64.b64encode(data).decode())):
        assert pixels(result).shape[2] == 4 and pixels(result).size <= 4 * 250_000
    assert client.account.balance() == 7 and client.account.get_balance_dict()["total"] == 5
    with pytest.raises(remove_bg_api.Errors.ApiErrorCode400):
        client.remove_bg_bytes(b"no photo")
    with pytest.raises(remove_bg_api.Errors.ApiErrorCode403):
        remove_bg_api.RemoveBg("wrong")


@pytest.fixture(scope="session")
def node() -> Path:
    """Folder of the programs for Node.js, with what they need installed."""
    npm = shutil.which("npm")
    assert npm, "got no npm; install the package of that name, as ./test.sh does"
    with (CLIENTS / "package.json").open("rb") as one_at_a_time:  # tests run in several processes
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not (CLIENTS / "node_modules" / ".package-lock.json").exists():
            subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=CLIENTS, check=True, timeout=300)
    return CLIENTS


def run_node(folder: Path, *arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    command = ["node", "--no-warnings", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "KEY": key}, capture_output=True, text=True, timeout=120
    )


def test_axios(serve: Serve, photo: Path, node: Path, tmp_path: Path) -> None:
    """It lists JSON first in its Accept, and wants the picture."""
    api, out = serve(keys=frozenset({KEY})), tmp_path / "out.png"
    ran = run_node(node, "axios.mjs", str(api.base_url).rstrip("/"), str(photo), str(out))
    assert ran.returncode == 0, ran.stderr
    assert pixels(out.read_bytes()).shape == (600, 1000, 4)


@pytest.mark.parametrize("how", ["file", "base64"])
def test_npm_remove_bg(serve: Serve, photo: Path, node: Path, tmp_path: Path, how: str) -> None:
    api, out = serve(keys=frozenset({KEY})), tmp_path / "out.png"
    program = ("removebg.cjs", str(api.base_url).rstrip("/"), str(photo), str(out), how)
    ran = run_node(node, *program)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    width, height = int(told["resultWidth"]), int(told["resultHeight"])
    assert pixels(out.read_bytes()).shape == (height, width, 4) and width * height <= 250_000
    assert (int(told["creditsCharged"]), told["detectedType"]) == (0, "other")
    refused = run_node(node, *program, key="wrong")
    assert refused.returncode == 1 and "API key invalid" in refused.stderr
