"""The page's functions as tools, called by the client that the protocol's authors publish."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import matting_client
import numpy as np
import pytest
from matting_api.settings import Settings
from matting_client import OptionError
from matting_ui.visitors import COOKIE
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from tests.unit.api.test_main import START_SECONDS, process

Ask = Callable[[ClientSession], Awaitable[Any]]


def asked(url: str, ask: Ask, **headers: str) -> Any:
    """What a client learns that asks a server."""

    async def run() -> Any:
        async with (
            httpx.AsyncClient(headers=headers, timeout=START_SECONDS) as http,
            streamable_http_client(f"{url}/gradio_api/mcp/", http_client=http) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await ask(session)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps files."""
    return tmp_path_factory.mktemp("mcp")


@pytest.fixture(scope="module")
def url(folder: Path, repository: Path) -> Any:
    with process(folder, repository, "--engine", "local", "--mcp") as (_, address):
        yield address


def data_address(photo: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}"


def test_a_model_finds_the_tools_and_cuts_a_photo_out(url: str, portrait: bytes) -> None:
    async def ask(session: ClientSession) -> tuple[Any, Any]:
        arguments = {"photo": data_address(portrait), "background": "blue", "format": "png"}
        return await session.list_tools(), await session.call_tool("cut_out", arguments)

    # A request may name any host; the server calls itself at its own address all the same.
    tools, result = asked(url, ask, **{"X-Forwarded-Host": "example.invalid"})
    found = {tool.name: tool for tool in tools.tools}
    assert found.keys() == {"cut_out", "batch", "about"}
    assert {"photo", "background", "format", "threshold", "size"} <= found["cut_out"].inputSchema["properties"].keys()
    assert "Cut the subject out" in found["cut_out"].description
    assert not result.isError
    picture = next(each for each in result.content if each.type == "image")
    wanted = httpx.post(f"{url}/v1/cutout?background=%23438edb", content=portrait, timeout=START_SECONDS)
    with (
        Image.open(io.BytesIO(base64.b64decode(picture.data))) as image,
        Image.open(io.BytesIO(wanted.content)) as same,
    ):
        assert (image.format, image.size) == ("PNG", (512, 400))
        assert (np.asarray(image) == np.asarray(same)).all()


def test_tools_ask_for_what_they_take(url: str) -> None:
    """By a schema that can be resolved, without addresses that are refused, and under this program's own version."""

    async def ask(session: ClientSession) -> tuple[Any, Any]:
        return await session.list_tools(), await session.initialize()

    tools, started = asked(url, ask)
    assert started.serverInfo.version == matting_client.__version__
    for tool in tools.tools:
        text = f"{tool.description} {tool.inputSchema}"
        assert not any(word in text for word in ("$ref", "$defs", "http", "upload_file_to_gradio"))
    found = {tool.name: tool.inputSchema["properties"] for tool in tools.tools}
    for file in (found["cut_out"]["photo"], found["cut_out"]["picture"], found["batch"]["files"]["items"]):
        assert file["type"] == "string" and "data:" in file["description"]


def test_several_photos_come_back_in_an_archive(url: str, portrait: bytes) -> None:
    photos = [data_address(portrait), data_address(portrait)]
    result = asked(url, lambda session: session.call_tool("batch", {"files": photos, "format": "jpeg"}))
    assert not result.isError
    archive = httpx.get(result.content[0].text, timeout=START_SECONDS).content
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert len([name for name in opened.namelist() if name.endswith(".jpg")]) == 2


def test_a_large_photo_is_taken_also_of_somebody_who_knows_the_page(url: str) -> None:
    """The library for the protocol would take 4 MiB in all, and a visitor's cookie may come along."""
    noise = np.random.default_rng(0).integers(0, 256, (1400, 1400, 3), np.uint8)
    photo = io.BytesIO()
    Image.fromarray(noise).save(photo, "PNG", compress_level=1)
    assert len(photo.getvalue()) > 5 * 10**6
    arguments = {"photo": data_address(photo.getvalue()), "format": "jpeg", "background": "blue"}
    cookie = f"{COOKIE}={'a' * 32}"
    result = asked(url, lambda session: session.call_tool("cut_out", arguments), Cookie=cookie)
    assert not result.isError and "1400 × 1400 px" in result.content[-1].text


def test_no_call_takes_the_place_of_others(url: str, folder: Path, portrait: bytes) -> None:
    """Its files are bounded, and gone when it is over, or refused."""

    async def ask(session: ClientSession) -> list[Any]:
        many = {"files": [data_address(b"%d" % number) for number in range(101)]}
        broken = {"files": [data_address(portrait), "data:image/jpeg;base64,A"]}
        one = {"photo": data_address(portrait)}
        return [await session.call_tool(*each) for each in (("batch", many), ("batch", broken), ("cut_out", one))]

    many, broken, one = asked(url, ask)
    assert many.isError and "files: got 101 files, expected at most 100 in one call" in many.content[0].text
    assert broken.isError and "files: got no base64" in broken.content[0].text
    assert not one.isError
    assert not [path for path in folder.glob("*/uploads/*/*/**/*") if path.is_file()]


def test_what_there_is_to_know_of_a_result_is_told(url: str, portrait: bytes) -> None:
    nothing = io.BytesIO()
    Image.new("RGB", (64, 64)).save(nothing, "PNG")

    async def ask(session: ClientSession) -> list[str]:
        given = [{"photo": data_address(nothing.getvalue())}, {"photo": data_address(portrait), "shop": "amazon"}]
        return [(await session.call_tool("cut_out", each)).content[-1].text for each in given]

    empty, shop = asked(url, ask)
    assert "The result is empty" in empty and "64 × 64 px" in empty and "uncertainty 0.0000" in empty
    assert "Amazon" in shop and "2000 × 2000 px" in shop


def test_each_result_is_a_text_of_its_own(url: str) -> None:
    content = asked(url, lambda session: session.call_tool("about", {})).content
    assert [each.text[:8] for each in content] == ["<section", "<section"]


def test_a_picture_behind_the_subject_must_be_there(url: str, portrait: bytes) -> None:
    for tool, photo in (("cut_out", {"photo": data_address(portrait)}), ("batch", {"files": [data_address(portrait)]})):
        arguments = {**photo, "background": "picture"}
        result = asked(url, lambda session, t=tool, a=arguments: session.call_tool(t, a))
        assert result.isError and "picture: got none" in result.content[0].text


@pytest.mark.parametrize("photo", ["http://127.0.0.1:1/photo.jpg", "/etc/passwd", "data:image/jpeg;base64,bm8="])
def test_what_is_no_photo_is_refused(url: str, photo: str) -> None:
    result = asked(url, lambda session: session.call_tool("cut_out", {"photo": photo}))
    assert result.isError
    assert "root:" not in result.content[0].text and "url" not in result.content[0].text
    several = asked(url, lambda session: session.call_tool("batch", {"files": [photo]}))
    assert several.isError and "root:" not in several.content[0].text


def test_functions_that_need_what_came_before_are_no_tools(url: str) -> None:
    assert asked(url, lambda session: session.call_tool("recompose", {})).isError


def test_without_the_option_there_are_none(tmp_path: Path, repository: Path) -> None:
    with process(tmp_path, repository, "--engine", "local") as (_, address):
        assert httpx.post(f"{address}/gradio_api/mcp/", json={}, timeout=START_SECONDS).status_code == 404


@pytest.mark.parametrize("values", [{"logins": {"a": "long enough"}}, {"page": False}])
def test_it_needs_an_open_page(values: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="--mcp"):
        Settings(mcp=True, **values)
