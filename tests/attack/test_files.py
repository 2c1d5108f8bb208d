"""Strangers who name files of the server, or of each other, in calls of the page's functions."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from skimage import data

from tests.unit.api.conftest import encode, write_model
from tests.unit.api.test_main import START_SECONDS, process

HANG_SECONDS = 30.0
META = {"_type": "gradio.FileData"}
TAKES_FILES = {"image", "file", "imageslider"}


@dataclass
class Site:
    """A page with its API and its tools, and what lies beside its folder."""

    url: str
    folder: Path
    secret: Path

    def files(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write_model(folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Site]:
    temporary = tmp_path_factory.mktemp("attack")
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    secret.write_bytes(portrait())
    with process(temporary, repository, "--engine", "local", "--mcp") as (_, url):
        httpx.get(f"{url}/livez", timeout=START_SECONDS).raise_for_status()
        (folder,) = temporary.glob("unet-matting-page-*")
        yield Site(url, folder, secret)


def portrait() -> bytes:
    return encode(data.astronaut()[:128, 150:300])


@dataclass
class Visitor:
    """Somebody with a browser's cookie."""

    site: Site
    session: str

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.site.url, timeout=HANG_SECONDS)
        self.config = self.http.get("/config").raise_for_status().json()

    def upload(self, name: str = "photo.png") -> str:
        answer = self.http.post("/gradio_api/upload", files={"files": (name, portrait())})
        return str(answer.raise_for_status().json()[0])

    def call(self, function: int, data: list[Any], event_data: Any = None) -> dict[str, Any]:
        """What a function answers through the queue, as the page asks it."""
        body = {"fn_index": function, "data": data, "event_data": event_data, "session_hash": self.session}
        joined = self.http.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            return {"success": False, "output": {"error": joined.text}}
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") in ("process_completed", "unexpected_error"):
                    return dict(message)
        raise AssertionError("got no answer")

    def functions(self) -> list[tuple[int, list[dict[str, Any]]]]:
        """Number and inputs of all functions, private ones too."""
        by_id = {each["id"]: each for each in self.config["components"]}
        return [
            (each["id"], [by_id[number] for number in each["inputs"]])
            for each in self.config["dependencies"]
            if each["backend_fn"]
        ]

    def named(self, name: str) -> tuple[int, list[dict[str, Any]]]:
        """Number and inputs of a public function."""
        by_name = {each["api_name"]: each["id"] for each in self.config["dependencies"]}
        return next(each for each in self.functions() if each[0] == by_name[name])


@pytest.fixture(scope="module")
def owner(site: Site) -> Iterator[Visitor]:
    visitor = Visitor(site, "owner")
    yield visitor
    visitor.http.close()


@pytest.fixture(scope="module")
def stranger(site: Site) -> Iterator[Visitor]:
    visitor = Visitor(site, "stranger")
    yield visitor
    visitor.http.close()


def values(inputs: list[dict[str, Any]], **own: Any) -> list[Any]:
    """Data of a call: the components' own values, and for those that take files what `own` says by type."""
    return [own.get(each["type"], each["props"].get("value")) for each in inputs]


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
    (add,) = (each["id"] for each in stranger.config["dependencies"] if "upload" in str(each["targets"]))
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
