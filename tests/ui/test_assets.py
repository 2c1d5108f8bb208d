"""Gradio's scripts and styles are answered from memory: the same bytes, packed, and kept by browsers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from matting_ui.assets import PRELOADED, Assets
from matting_ui.codings import accepted_codings
from matting_ui.gradio_patches import ASSETS
from starlette.responses import PlainTextResponse

OTHERS = "the page's own answer"
KINDS = {".css": "text/css", ".js": "javascript", ".woff2": "woff2"}


def largest(suffix: str) -> Path:
    return max(ASSETS.glob(f"*{suffix}"), key=lambda file: file.stat().st_size)


def ask(path: str, accepted: str = "gzip, deflate, br", method: str = "GET") -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(Assets(PlainTextResponse(OTHERS), ASSETS))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as visitor:
            return await visitor.request(method, path, headers={"Accept-Encoding": accepted})

    return asyncio.run(asked())


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("accepted", ["gzip, deflate, br", "gzip", "br;q=0, identity", ""])
def test_every_browser_gets_the_file(suffix: str, accepted: str) -> None:
    file = largest(suffix)
    answer = ask(f"/assets/{file.name}", accepted)
    assert answer.content == file.read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert KINDS[suffix] in answer.headers["content-type"]
    packed = suffix != ".woff2" and "q=0" not in accepted and accepted != ""
    assert ("content-encoding" in answer.headers) == packed
    assert not packed or int(answer.headers["content-length"]) < 0.5 * file.stat().st_size


def test_what_every_visit_asks_for_is_ready_before_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Assets(PlainTextResponse(OTHERS), ASSETS)
    ready.pack()
    names = PRELOADED.read_text(encoding="utf-8").split()
    monkeypatch.setattr("matting_ui.assets._answer", None)  # nothing more is packed

    async def asked() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(ready), base_url="http://127.0.0.1") as visitor:
            return [await visitor.get(f"/assets/{name}", headers={"Accept-Encoding": "br"}) for name in names]

    for name, answer in zip(names, asyncio.run(asked()), strict=True):
        assert answer.content == (ASSETS / name).read_bytes()


@pytest.mark.parametrize(
    "path", ["/", "/assets/", "/assets/none.js", "/assets/../index.html", "/assets/%2e%2e/index.html"]
)
def test_nothing_else_is_touched(path: str) -> None:
    assert ask(path).text == OTHERS


def test_only_reading_is_answered() -> None:
    path = f"/assets/{largest('.js').name}"
    assert ask(path, method="POST").text == OTHERS
    assert ask(path, method="HEAD").headers == ask(path).headers


@pytest.mark.parametrize(
    ("header", "codings"),
    [
        ("", set()),
        ("gzip, deflate, br", {"gzip", "deflate", "br"}),
        ("BR;q=0.5 , gzip; q=0.0", {"br"}),
        ("gzip;q=0", set()),
        ("br;q=1.000", {"br"}),
    ],
)
def test_codings(header: str, codings: set[str]) -> None:
    assert accepted_codings({"type": "http", "headers": [(b"accept-encoding", header.encode())]}) == codings
