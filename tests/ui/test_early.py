"""The page's head: tags stand first in it, and what is the same for all is made once."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from matting_ui.early import EarlyHead
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

TAGS = "<script>first</script>"
ADDRESS = {"Host": "a.example", "X-Forwarded-Proto": "https"}


class Page:
    """Says how it was asked, and counts."""

    def __init__(self, status: int = 200) -> None:
        self.made = 0
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.made += 1
        headers = sorted(Request(scope).headers.items())
        answer = HTMLResponse(f"<html><head></head>{headers} {scope['query_string']!r}</html>", self._status)
        await answer(scope, receive, send)


def ask(page: Page, *requests: dict[str, Any], same_for_all: bool = True, path: str = "/") -> list[httpx.Response]:
    async def asked() -> list[httpx.Response]:
        transport = httpx.ASGITransport(EarlyHead(page, TAGS, same_for_all=same_for_all))
        async with httpx.AsyncClient(transport=transport, base_url="http://a.example") as visitor:
            return [await visitor.get(path, headers=headers) for headers in requests]

    return asyncio.run(asked())


def test_tags_stand_first_and_the_page_is_made_once_for_each_address() -> None:
    page = Page()
    first, plain, other = ask(page, ADDRESS, {**ADDRESS, "Accept-Encoding": ""}, {**ADDRESS, "Host": "b.example"})
    assert first.text == plain.text != other.text
    assert all(answer.text.startswith(f"<html><head>{TAGS}</head>") for answer in (first, plain, other))
    assert (first.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
    assert {answer.headers["vary"] for answer in (first, plain, other)} == {"Accept-Encoding"}
    assert page.made == 2
    ask(page, *({"Host": f"{number}.example"} for number in range(100)))
    assert page.made == 102


def test_nothing_of_one_request_shows_in_what_others_get() -> None:
    page = Page()
    mark = "from-elsewhere"
    answers = ask(page, {"Cookie": mark, "X-Gradio-Server": mark, "User-Agent": mark, "X-Anything": mark}, {})
    assert page.made == 1 and not any(mark in answer.text for answer in answers)


def test_what_differs_is_made_anew() -> None:
    page = Page()
    answers = ask(page, {"Cookie": "a=1"}, {"Cookie": "a=2"}, same_for_all=False)
    assert all(f"a={number}" in answer.text for number, answer in enumerate(answers, 1))
    ask(page, {}, {}, path="/?deep_link=a")
    assert page.made == 4
    failed = Page(500)
    ask(failed, {}, {})
    assert failed.made == 2
