"""Who passes the gateway, on real sockets: before it a client, behind it a server that shows what came through."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from matting_client.hosts import Names
from matting_client.serving import Connections
from matting_server import entrance, gateway
from matting_server.entrance import Entrance
from matting_server.gateway import Gateway, Refused, check_json

INFER = "/v2/models/m/infer"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:  # the path of a socket must be short
        yield Path(name)


async def _echo(request: web.Request) -> web.Response:
    content = await request.read()
    seen = {"path": request.path, "size": len(content), "headers": dict(request.headers)}
    return web.json_response(seen, headers={"Inference-Header-Content-Length": "5", "Set-Cookie": "a=b"})


async def _ask(
    folder: Path, *requests: dict[str, Any], bound: str = "127.0.0.1", allowed: tuple[str, ...] = ()
) -> list[tuple[int, Any, Any]]:
    """Status, JSON and headers of the answers to requests through a gateway, one after the other."""
    triton = web.Application(client_max_size=2**30)
    triton.router.add_route("*", "/{path:.*}", _echo)
    behind = web.AppRunner(triton)
    await behind.setup()
    await web.UnixSite(behind, str(folder / "http")).start()
    connector = aiohttp.UnixConnector(str(folder / "http"))
    answers = []
    async with aiohttp.ClientSession("http://localhost", connector=connector) as session:
        listener = socket.create_server(("127.0.0.1", 0))
        port = Entrance(Gateway(session, Names(bound, allowed)).application(inference=True), listener)
        await port.open()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            for request in requests:
                async with client.request(**{"method": "GET", **request}) as answer:
                    answers.append((answer.status, await answer.json(), answer.headers))
        await port.close()
    await behind.cleanup()
    return answers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("192.168.1.5", 421),  # an address of somebody else
        ("triton.lan:8000", 200),
        ("TRITON.lan.", 200),
        ("evil.test", 421),
        ("evil.test:8000", 421),
        ("localhost.evil.test", 421),
        ("127.0.0.1.evil.test", 421),
        ("", 421),
    ],
)
def test_hosts(folder: Path, host: str, status: int) -> None:
    request = {"url": "/v2", "headers": {"Host": host}}
    assert asyncio.run(_ask(folder, request, allowed=("triton.lan",)))[0][0] == status


def test_a_gateway_on_all_addresses_knows_each(folder: Path) -> None:
    """A number cannot be rebound."""
    request = {"url": "/v2", "headers": {"Host": "192.168.1.5:8000"}}
    assert asyncio.run(_ask(folder, request, bound="0.0.0.0"))[0][0] == 200


def test_balancers_may_leave_the_host_out(folder: Path) -> None:
    probes = [{"url": path, "headers": {"Host": ""}} for path in ("/livez", "/v2/health/live", "/v2/health/ready")]
    assert [status for status, _, _ in asyncio.run(_ask(folder, *probes))] == [200, 200, 200]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://triton.lan"}, 200),  # behind a proxy that does not hand on its name
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_pages_of_other_sites(folder: Path, headers: dict[str, str], status: int) -> None:
    request = {"url": "/v2", "headers": {"Host": "localhost", **headers}}
    assert asyncio.run(_ask(folder, request, allowed=("triton.lan",)))[0][0] == status


def test_what_comes_through_is_whole_and_bare(folder: Path) -> None:
    async def chunks() -> Any:
        for _ in range(100):
            yield b" "
        yield b"{}"

    ((status, seen, headers),) = asyncio.run(
        _ask(folder, {"method": "POST", "url": INFER, "data": chunks(), "headers": {"X-Other": "1"}})
    )
    assert (status, seen["path"], seen["size"]) == (200, INFER, 102)
    assert seen["headers"]["Content-Length"] == "102"
    assert not seen["headers"].keys() & {"Transfer-Encoding", "X-Other"}
    assert "Set-Cookie" not in headers
    assert headers["Inference-Header-Content-Length"] == "5"


@pytest.mark.parametrize("length", ["3", "-1", "1e3", "٢", "99999999999999999999", "0" * 5000])
def test_a_wrong_length_of_the_json(folder: Path, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    request = {"method": "POST", "url": INFER, "data": b"{}", "headers": headers}
    assert asyncio.run(_ask(folder, request))[0][0] == 400


def test_all_bodies_together_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And given back: the next one passes."""
    monkeypatch.setattr(gateway, "ALL_BYTES", 1000)
    big, small = ({"method": "POST", "url": INFER, "data": b" " * size + b"{}"} for size in (2000, 10))
    assert [status for status, _, _ in asyncio.run(_ask(folder, big, small))] == [503, 200]


def test_a_slow_body_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BODY_SECONDS", 0.1)

    async def slowly() -> Any:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    ((status, answer, _),) = asyncio.run(_ask(folder, {"method": "POST", "url": INFER, "data": slowly()}))
    assert status == 408
    assert "did not come within" in answer["error"]


def test_json_as_clients_send_it_passes() -> None:
    check_json(json.dumps({"inputs": [{"name": "image", "data": [[[1, 2.5, None]]], "parameters": {}}]}).encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 60_000, "nested too deeply"),
        ("{", "no valid JSON"),
        ('{"a": 1, "a": 2}', "occurs twice"),
        ('[{"b": [{"shared_memory_region": 1}]}]', "gRPC only"),
    ],
)
def test_json_that_does_not_pass(text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check_json(text.encode())


@asynccontextmanager
async def _opened(most: int | None = None) -> AsyncIterator[tuple[str, int]]:
    """Host and port of a gateway whose own health is all that is asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with aiohttp.ClientSession("http://127.0.0.1:9") as nobody:
        port = Entrance(Gateway(nobody, Names("127.0.0.1")).application(inference=True), listener, most)
        await port.open()
        try:
            yield listener.getsockname()
        finally:
            await port.close()


ASK = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def _connected(address: tuple[str, int]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    writer.write(ASK)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
    return int(head.split()[1])


async def _status_of_another(address: tuple[str, int]) -> int:
    async with _connected(address) as another:
        return await _status(*another)


def test_connections_are_bounded_and_given_back() -> None:
    async def run() -> None:
        async with _opened(most=8) as address, AsyncExitStack() as held:  # of one address: 4
            first = await held.enter_async_context(_connected(address))
            async with AsyncExitStack() as others:
                for _ in range(3):
                    assert await _status(*await others.enter_async_context(_connected(address))) == 200
                assert await _status(*first) == 200
                assert await _status_of_another(address) == 503
                assert await _status(*first) == 200  # whoever is in stays in
            while await _status_of_another(address) != 200:
                await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_what_is_no_http_is_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    """And bodies that break off are no errors of ours."""

    async def run() -> None:
        async with _opened() as address:
            for _ in range(3):
                async with _connected(address) as (reader, writer):
                    writer.write(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
                    assert b" 400 " in await reader.readline()
            for head, status in (("Encoding: gzip\r\nContent-Length: 1", "400"), ("Length: 9", "")):
                async with _connected(address) as (reader, writer):
                    writer.write(f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-{head}\r\n\r\n{{".encode())
                    if not status:
                        writer.write_eof()
                    assert status.encode() in await reader.readline()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert caplog.messages == ["refused: what is no HTTP/1.1 400 127.0.0.1"]


def test_connections_are_counted_by_household() -> None:
    connections = Connections(4)  # of one household: 2
    counted = []
    for address in ("2001:db8:1:2:3::4", "2001:db8:1:2::5"):
        counted.append(entrance._Counted(asyncio.Protocol(), connections))
        counted[-1].connection_made(asyncio.Transport({"peername": (address, 5, 0, 0)}))
    assert not connections.enter("2001:0db8:0001:0002")
    for each in counted:
        each.connection_lost(None)
    assert connections.enter("2001:0db8:0001:0002")


@pytest.mark.parametrize("begun", [b"", ASK[:20], ASK + ASK[:20]], ids=["nothing", "the first", "the second"])
def test_half_sent_headers_are_given_up(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(entrance, "HEADER_SECONDS", 0.3)

    async def run() -> None:
        async with _opened() as address, _connected(address) as (reader, writer):
            writer.write(begun)
            answer = await reader.read()  # until it is closed
            assert answer.count(b"HTTP/1.1 200") == begun.count(b"\r\n\r\n")

    asyncio.run(asyncio.wait_for(run(), 60))


def test_headers_that_drip_are_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "HEADER_SECONDS", 0.3)

    async def run() -> None:
        async with _opened() as address, _connected(address) as (reader, writer):
            closed = asyncio.ensure_future(reader.read())
            writer.write(ASK[:-2])
            while not closed.done():
                writer.write(b"A: b\r\n")
                await asyncio.sleep(0.05)
            with suppress(ConnectionError):
                assert closed.result() == b""

    asyncio.run(asyncio.wait_for(run(), 60))
