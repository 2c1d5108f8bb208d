"""/docs tells all that /openapi.json does, and its commands work."""

from __future__ import annotations

import re
import shlex
from html import unescape
from pathlib import Path

import httpx
import pytest
from matting_api.paths import ALPHA, CUTOUT, REMOVEBG, SCENE

from tests.unit.api.conftest import Serve


@pytest.fixture(scope="module")
def page(api: httpx.Client) -> str:
    answer = api.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return answer.text


def commands(page: str) -> list[list[str]]:
    return [shlex.split(unescape(command)) for command in re.findall("<pre>(.*?)</pre>", page)]


def test_every_call_and_every_value_is_there(api: httpx.Client, page: str) -> None:
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page))
    calls = [call for verbs in api.get("/openapi.json").json()["paths"].values() for call in verbs.values()]
    assert len(sections) == len(calls) > 15
    for call in calls:
        told = sections[call["operationId"]]
        forms = [each["schema"] for each in call.get("requestBody", {}).get("content", {}).values()]
        names = {name for form in forms for name in form.get("properties", {})}
        for name in names | {each["name"] for each in call.get("parameters", [])}:
            assert f"<code>{name}</code>" in told
        assert all(f"<code>{status}</code>" in told for status in call["responses"])
        assert call["summary"] in unescape(told)


def test_it_loads_nothing(page: str) -> None:
    assert not re.search(r"<(script|link|img|iframe|form)\b|\bsrc=|url\(|@import", page)
    assert set(re.findall(r'href="([^#"][^"]*)"', page)) == {"./openapi.json"}


@pytest.mark.parametrize("path", [REMOVEBG, CUTOUT, ALPHA, SCENE])
def test_a_command_works(api: httpx.Client, page: str, portrait: bytes, path: str) -> None:
    (command,) = (each for each in commands(page) if any(part.endswith(path) for part in each))
    *options, address, _, result = command
    assert options[0] == "curl"
    files = {word.partition("=@")[0]: portrait for word in options if "=@" in word}
    answer = httpx.post(address, files=files, timeout=60)
    assert answer.status_code == 200, answer.text
    assert Path(result).suffix == f".{answer.headers['content-type'].rpartition('/')[2]}"


def test_addresses_are_those_of_whoever_asks(serve: Serve) -> None:
    api = serve(root_path="/matting", keys=("secret",))
    for prefix in ("", "/matting"):
        asked = commands(api.get(f"{prefix}/docs").text)
        root = f"{api.base_url}/matting"
        key = ["-H", "X-Api-Key: $KEY"]
        assert ["curl", *key, "-F", "image_file=@FILE", f"{root}{REMOVEBG}", "-o", "result.png"] in asked
        assert ["curl", f"{root}/livez"] in asked
