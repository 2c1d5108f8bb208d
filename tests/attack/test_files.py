"""Strangers at the page: who name files of the server or of each other, send junk, or come when no room is left."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from matting_ui import ids
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.support.visitor import HANG_SECONDS, META, Visitor, portrait, values
from tests.unit.api.conftest import wait_until
from tests.unit.api.test_main import START_SECONDS, process

TAKES_FILES = {"image", "file", "imageslider", "video"}


@dataclass
class Site:
    """A page with its API and its tools, and what lies beside its folder."""

    url: str
    folder: Path
    secret: Path
    pid: int
    log: list[str]

    def files(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Site]:
    temporary = tmp_path_factory.mktemp("attack")
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    secret.write_bytes(portrait())
    with process(temporary, repository, "--engine", "local", "--mcp") as (running, url):
        httpx.get(f"{url}/livez", timeout=START_SECONDS).raise_for_status()
        assert running.stderr is not None
        log: list[str] = []
        threading.Thread(target=log.extend, args=(running.stderr,), daemon=True).start()  # a full pipe stops the server
        (folder,) = temporary.glob("unet-matting-page-*")
        yield Site(url, folder, secret, running.pid, log)


@pytest.fixture(scope="module")
def owner(site: Site) -> Iterator[Visitor]:
    visitor = Visitor(site.url, "owner")
    yield visitor
    visitor.http.close()


@pytest.fixture(scope="module")
def stranger(site: Site) -> Iterator[Visitor]:
    visitor = Visitor(site.url, "stranger")
    yield visitor
    visitor.http.close()


def hostile(site: Site, owner: Visitor, stranger: Visitor) -> list[Any]:
    """Values for a component that takes a file."""
    own = Path(stranger.upload())
    theirs = owner.upload()
    link, ring, pipe = (own.with_name(f"{name}.png") for name in ("link", "ring", "pipe"))
    if not link.is_symlink():
        link.symlink_to(site.secret)
        ring.symlink_to(ring)
        os.mkfifo(pipe)
    outside = os.path.relpath(site.secret, own.parent)
    paths: list[Any] = [str(site.secret), "/etc/shadow", "/dev/zero", "/dev/stdin", "/nothing/there.png", theirs]
    paths += [str(link), str(ring), str(pipe), str(own.parent), str(site.folder), f"{own.parent}/{outside}"]
    paths += [f"{own.parent}/../{own.parent.name}/{own.name}", "a\0b", f"file://{site.secret}", f"{site.url}/livez", ""]
    whole = [{"path": path, "meta": META} for path in [*paths, [str(own)], {"path": str(site.secret)}, 7]]
    whole += [{"path": str(site.secret)}, {"path": str(site.secret), "url": str(own), "meta": META}]
    whole += [{"path": None, "url": address, "meta": META} for address in (f"{site.url}/livez", "file:///etc/passwd")]
    whole += [{"path": "/dev/zero", "is_stream": True, "meta": META}]
    nested: list[Any] = [{"value": each, "deep": [{"er": [each]}]} for each in whole[:3]]
    return [*whole, *nested]


def test_no_function_opens_a_file_that_is_not_the_visitors_own(site: Site, owner: Visitor, stranger: Visitor) -> None:
    """Every function with every component that takes a file, private ones too; the page must answer all the while."""
    wrong = hostile(site, owner, stranger)
    before = site.files()
    tried = 0
    for function, inputs in stranger.functions():
        for kind in TAKES_FILES & {each["type"] for each in inputs}:
            # One after the other, all of them on each kind of component at least once.
            some = [wrong[(tried + step) % len(wrong)] for step in range(5)] + [wrong[0], [wrong[0]]]
            for value in some:
                answer = stranger.call(function, values(inputs, **{kind: value}))
                assert not answer["success"], (function, value, answer)
            tried += 5
    assert tried > len(wrong)
    assert site.files() == before
    assert stranger.http.get("/livez").status_code == 200


def test_events_of_the_batch_name_no_other_files_either(site: Site, owner: Visitor, stranger: Visitor) -> None:
    (drop,) = (each["id"] for each in stranger.config["components"] if each["props"].get("elem_id") == ids.BATCH_DROP)
    (add,) = (each["id"] for each in stranger.config["dependencies"] if [drop, "upload"] in each["targets"])
    files = [{"name": "photo.png", "path": each["path"]} for each in hostile(site, owner, stranger)[:20]]
    for file in files:
        answer = stranger.call(add, [None], {"files": [file]})
        assert not answer["success"] and "no uploaded file" in answer["output"]["error"], (file, answer)
    own = {"name": "photo.png", "path": stranger.upload()}
    assert stranger.call(add, [None], {"files": [own, {"name": "b.png", "path": None, "reason": "x"}]})["success"]


def test_the_short_call_refuses_them_too(site: Site, owner: Visitor, stranger: Visitor) -> None:
    _, inputs = stranger.named("cut_out")
    for value in hostile(site, owner, stranger):
        answer = stranger.http.post("/gradio_api/call/cut_out", json={"data": values(inputs, image=value)})
        if answer.status_code == 200:
            events = stranger.http.get(f"/gradio_api/call/cut_out/{answer.json()['event_id']}").text
            assert "event: complete" not in events and "event: error" in events, (value, events)


def test_existence_cannot_be_asked(site: Site, stranger: Visitor) -> None:
    """A file that is there and one that is not get the same answer."""
    function, inputs = stranger.named("cut_out")
    beside = [site.secret, site.secret.with_name("other.png")]
    answers = [stranger.call(function, values(inputs, image={"path": str(each), "meta": META})) for each in beside]
    texts = [str(each["output"]["error"]).replace(path.name, "") for each, path in zip(answers, beside, strict=True)]
    assert texts[0] == texts[1] and str(site.folder.parent) not in texts[0]


def test_own_files_are_taken_whatever_address_stands_beside_them(stranger: Visitor) -> None:
    function, inputs = stranger.named("cut_out")
    own = {"path": stranger.upload(), "url": "http://127.0.0.1:9/elsewhere.png", "meta": META}
    answer = stranger.call(function, values(inputs, image=own))
    assert answer["success"], answer
    address = answer["output"]["data"][0]["url"]
    served = stranger.http.get(address)
    assert served.status_code == 200 and "sandbox" in served.headers["content-security-policy"]


def test_files_of_the_server_have_no_address(site: Site, stranger: Visitor) -> None:
    for path in (site.secret, "/etc/passwd", f"{site.folder}/../../etc/passwd", f"{site.folder}/%2e%2e/x", site.folder):
        assert stranger.http.get(f"/gradio_api/file={path}").status_code in (403, 404), path


def test_tools_take_no_paths(site: Site) -> None:
    values = [{"path": "/etc/passwd", "meta": META}, "/etc/passwd", "file:///etc/passwd", ["/x"]]

    async def ask() -> list[Any]:
        async with (
            httpx.AsyncClient(timeout=HANG_SECONDS) as http,
            streamable_http_client(f"{site.url}/gradio_api/mcp/", http_client=http) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            one = [await session.call_tool("cut_out", {"photo": value}) for value in values]
            return one + [await session.call_tool("batch", {"files": [value]}) for value in values]

    before = site.files()
    for result in asyncio.run(ask()):
        assert result.isError
    assert site.files() == before


def is_error(answer: httpx.Response) -> bool:
    """Whether it is JSON that says what is wrong, and nothing of the inside."""
    text = answer.text
    assert "Traceback" not in text and "/tmp" not in text and "unet-matting-page" not in text, text
    return 400 <= answer.status_code < 600 and answer.headers["content-type"].startswith("application/json")


JUNK: tuple[Any, ...] = (
    *(b"", b"{", b"[" * 500_000, b"\xff\xfe", b"null", b"[]", b'"x"', b"1e999"),
    *({"data": 7}, {"fn_index": 10**9, "data": []}, {"fn_index": -1, "data": []}, {"fn_index": "x", "data": None}),
    *({"data": [{}] * 99, "fn_index": 0}, {"session_hash": {}, "event_id": []}, {"fn_index": 0, "data": [None] * 3}),
    {"event_id": "x", "session_hash": "x", "fn_index": None, "simple_format": "no", "trigger_id": "y"},
)
POSTS = ("queue/join", "call/cut_out", "call/nothing", "cancel", "reset", "upload", "upload?upload_id=a")
GETS = ("call/cut_out/nothing", "queue/data", "file=x", "upload_progress", "info?all=x")


def test_junk_gets_an_answer_of_json(site: Site) -> None:
    with httpx.Client(base_url=f"{site.url}/gradio_api/", timeout=HANG_SECONDS) as http:
        for path in POSTS:
            for junk in JUNK:
                sent: dict[str, Any] = {"content": junk} if isinstance(junk, bytes) else {"json": junk}
                answer = http.post(path, headers={"Content-Type": "application/json"}, **sent)
                assert answer.status_code == 200 or is_error(answer), (path, junk, answer, answer.text)
        for path in GETS:
            with http.stream("GET", path) as answer:  # a stream of events would go on
                assert answer.status_code in (200, 400, 403, 404, 422), (path, answer)
        before = site.files()
        part = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\nhi\r\n--x'
        file = b'; filename="a"'
        whole, text, other = (part % each for each in ((b"files", file), (b"files", b""), (b"a", file)))
        for body in (b"", b"--x", b"--x\r\n\r\n", text + b"--", other + b"--", whole[:-5], whole + whole[3:-5]):
            answer = http.post("upload", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
            assert is_error(answer), (body, answer, answer.text)
        assert site.files() == before


def test_sessions_are_their_visitors_own(site: Site, owner: Visitor, stranger: Visitor) -> None:
    function, inputs = owner.named("preset")
    assert owner.call(function, values(inputs))["success"]
    body = {"fn_index": function, "data": values(inputs), "session_hash": owner.session}
    assert stranger.http.post("/gradio_api/queue/join", json=body).status_code == 403
    theirs = f"session_hash={owner.session}"
    for path in (f"queue/data?{theirs}", f"queue/data?session_hash=mine&{theirs}", f"heartbeat/{owner.session}"):
        assert is_error(stranger.http.get(f"/gradio_api/{path}")), path


def test_strange_ranges_get_the_whole_file(stranger: Visitor) -> None:
    path = f"/gradio_api/file={stranger.upload()}"
    for wanted, status in (("0-0", 206), ("0-0,2-2", 200), ("0-" + "9" * 5000, 200), ("--", 200)):
        assert stranger.http.get(path, headers={"Range": f"bytes={wanted}"}).status_code == status, wanted


def test_proxies_keep_nothing_of_a_visitors(stranger: Visitor) -> None:
    for path in ("/", "/config", f"/gradio_api/file={stranger.upload()}"):
        assert "private" in stranger.http.get(path).headers.get("Cache-Control", ""), path


def test_unknown_sessions_fill_no_log(site: Site) -> None:
    before = len(site.log)
    for path in ("queue/data?session_hash=nobodys", "call/cut_out/nothing"):
        assert httpx.get(f"{site.url}/gradio_api/{path}", timeout=HANG_SECONDS).status_code == 200, path
    httpx.request("TRACE", f"{site.url}/livez")  # what it logs comes last
    wait_until(lambda: any("TRACE" in line for line in site.log))
    assert all("refused" in line for line in site.log[before:]), site.log[before:]


def test_a_full_disk_is_said(site: Site, stranger: Visitor) -> None:
    """The kernel's own refusal: no file may grow beyond a few kB."""
    function, inputs = stranger.named("cut_out")
    photo = {"path": stranger.upload(), "meta": META}
    soft, hard = resource.prlimit(site.pid, resource.RLIMIT_FSIZE)
    before = site.files()
    resource.prlimit(site.pid, resource.RLIMIT_FSIZE, (4096, hard))
    try:
        answer = stranger.http.post("/gradio_api/upload", files={"files": ("a.png", portrait())})
        assert answer.status_code == 507 and is_error(answer), answer.text
        done = stranger.call(function, values(inputs, image=photo))
        assert not done["success"] and "no room" in done["output"]["error"] and "/" not in done["output"]["error"]
    finally:
        resource.prlimit(site.pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert site.files() == before
    assert stranger.call(function, values(inputs, image=photo))["success"]


def test_a_missing_folder_is_said(site: Site, stranger: Visitor) -> None:
    function, inputs = stranger.named("batch")
    photo = {"path": stranger.upload(), "meta": META}
    away = site.folder.with_name("away")
    shutil.move(site.folder, away)
    try:
        answer = stranger.http.post("/gradio_api/upload", files={"files": ("a.png", portrait())})
        assert answer.status_code == 503 and is_error(answer), answer.text
        assert not stranger.call(function, values(inputs, file=[photo]))["success"]
        assert not site.folder.exists()  # made anew, others could read it
    finally:
        shutil.move(away, site.folder)
    assert stranger.call(function, values(inputs, file=[photo]))["success"]
