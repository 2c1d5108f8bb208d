"""What another website does in the browser of somebody who uses the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from matting_ui import ids
from playwright.sync_api import Browser, Page, expect

from tests.attack.conftest import EVIL, HOME, REBOUND, Victim

PATHS = (
    *("/", "/config", "/login", "/logout", "/livez", "/readyz", "/v2/health", "/metrics", "/openapi.json", "/nowhere"),
    *("/v1.0/removebg", "/v1/cutout", "/v1/alpha", "/v1.0/account", "/v1.0/improve"),
    *("/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/queue/data?session_hash=a", "/gradio_api/cancel"),
    *("/gradio_api/call/cut_out", "/gradio_api/reset", "/gradio_api/heartbeat/a", "/gradio_api/mcp/"),
)
# All methods and types of bodies that a page may send to other origins without asking first.
TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
SEND = """async ([base, paths, types]) => {
    const send = (path, more) =>
        fetch(base + path, {mode: "no-cors", credentials: "include", ...more}).then(() => 1, () => 0);
    let answered = 0;
    for (const path of paths) {
        answered += await send(path, {});
        answered += await send(path, {method: "HEAD"});
        for (const type of types) {
            const form = new FormData();
            form.append("image_file", new Blob(["x"]), "a.png");
            form.append("files", new Blob(["x"]), "a.png");
            const isForm = type === "multipart/form-data";
            const headers = isForm ? {} : {"Content-Type": type};
            answered += await send(path, {method: "POST", headers, body: isForm ? form : '{"data": []}'});
        }
    }
    return answered;
}"""
STATUS = "async (path) => (await fetch(path, {method: 'POST', body: 'x'})).status"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("host", [EVIL, "127.0.0.1"])  # another site, and another port of the same one
def test_nothing_that_it_may_send_unasked_changes_anything(victim: Victim, website: int, page: Page, host: str) -> None:
    before, files = victim.answers(), victim.files()
    page.goto(f"http://{host}:{website}/")
    sent = len(PATHS) * (2 + len(TYPES))
    assert page.evaluate(SEND, [victim.url, list(PATHS), list(TYPES)]) <= sent
    new = Counter(victim.answers())
    new.subtract(before)
    assert {key: count for key, count in new.items() if count and key[1] != 403} == {}
    assert new.total() == sent
    assert victim.files() == files


def test_it_reads_nothing(victim: Victim, website: int, page: Page) -> None:
    """Neither with CORS, nor as a picture, a script, a style or a frame."""
    page.goto(f"http://{EVIL}:{website}/")
    for mode in ("cors", "same-origin"):
        read = "async ([url, mode]) => fetch(url, {mode}).then(answer => answer.text(), () => null)"
        assert page.evaluate(read, [f"{victim.url}/metrics", mode]) is None
    before = Counter(victim.answers())
    page.set_content(
        f"<img src='{victim.url}/'><script src='{victim.url}/config'></script>"
        f"<link rel=stylesheet href='{victim.url}/theme.css'><iframe src='{victim.url}/'></iframe>"
        f"<form method=post action='{victim.url}/v1/alpha'></form>"
    )
    new = Counter(victim.answers())
    new.subtract(before)
    assert {key: count for key, count in new.items() if count and key[1] != 403} == {}
    assert new.total() >= 4
    with page.expect_response(lambda response: response.url.endswith("/v1/alpha")) as posted:
        page.evaluate("document.forms[0].submit()")
    assert posted.value.status == 403


def test_a_link_opens_the_page_and_nothing_else(victim: Victim, website: int, page: Page) -> None:
    page.goto(f"http://{EVIL}:{website}/")
    page.set_content(f"<a id=page href='{victim.url}/?__theme=dark'>page</a>")
    page.click("#page")
    expect(page.locator(f"#{ids.PHOTO} input[type=file]")).to_be_attached()
    for path in ("/logout", "/metrics", "/config"):
        page.goto(f"http://{EVIL}:{website}/")
        page.set_content(f"<a id=other href='{victim.url}{path}'>other</a>")
        with page.expect_response(lambda response: victim.url in response.url) as opened:
            page.click("#other")
        assert opened.value.status == 403, path


def test_a_name_that_was_made_to_lead_here_is_unknown(victim: Victim, page: Page) -> None:
    """With DNS rebinding the browser takes the server for the attacker's own origin."""
    opened = page.goto(f"http://{REBOUND}:{victim.port}/")
    assert opened is not None and opened.status == 421
    for path in PATHS:
        assert page.evaluate(STATUS, path) == 421, path


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", HOME])
def test_the_page_itself_works(victim: Victim, page: Page, host: str) -> None:
    """Under every name that it may have, one without the headers that browsers send to trusted addresses among them."""
    page.goto(f"http://{host}:{victim.port}/")
    expect(page.locator(f"#{ids.PHOTO} input[type=file]")).to_be_attached()
    upload = """async () => {
        const form = new FormData();
        form.append("files", new Blob(["x"]), "a.png");
        return (await fetch("/gradio_api/upload", {method: "POST", body: form})).status;
    }"""
    found: Any = page.evaluate(upload)
    assert found == 200
    assert page.evaluate(STATUS, "/v1/alpha") == 400  # no photo: it got in
