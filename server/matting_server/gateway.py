"""KServe over HTTP and Triton's metrics on ports, for those who ask for them: `python -m matting_server.gateway`.

Triton itself listens on socket files in a private folder, since its HTTP server believes every caller: pages of other
sites in the user's browser, JSON nested without end, a million chunks. What passes here comes from an allowed host and
from no other site's page, is on the list below, and is bounded, whole and unchunked. Shared memory, loading models,
traces and log settings are not on the list.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from matting_client.cli.parser import Parser
from matting_client.hosts import Names
from matting_client.serving import configure_log, inherited_listeners

from matting_server.entrance import Entrance

MODEL = "/v2/models/{model:[A-Za-z0-9_][A-Za-z0-9_.-]*}"
VERSION = MODEL + "/versions/{version:[0-9]+}"
_OF_A_MODEL = [model + what for model in (MODEL, VERSION) for what in ("", "/ready", "/config", "/stats")]
HEALTH = ("/v2/health/live", "/v2/health/ready")
READING = ("/v2", *HEALTH, "/v2/models/stats", *_OF_A_MODEL)
INFERRING = (MODEL + "/infer", VERSION + "/infer")
METRICS = "/metrics"
ALIVE = "/livez"  # of the gateway itself, for the supervisor
PROBES = (ALIVE, *HEALTH)  # what balancers ask for
HEADER_LENGTH = "Inference-Header-Content-Length"
TRACE_PARENT = "traceparent"  # of W3C Trace Context
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LENGTH = re.compile(r"[0-9]{1,20}")  # Python refuses to read a number of thousands of digits
BODY_BYTES = 32 * 2**20  # eight photos for `matting_1024` are 24 MiB
JSON_BYTES = 16 * 2**20  # one such photo as numbers in JSON is 12 MiB
ALL_BYTES = 256 * 2**20  # of all bodies at one time
BODY_SECONDS = 30.0  # for a body to come in
ANSWER_SECONDS = 120.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """A request that does not pass; the answer is JSON, as KServe's errors are."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def check_json(text: bytes | bytearray) -> None:
    """Refuse JSON that this Triton's parser may fall over or read differently, and any mention of shared memory.

    Raises
    ------
    Refused
        Not UTF-8 or not JSON, nested beyond Python's own limit (some thousand levels; Triton dies of 60,000 on a
        small stack), a name that occurs twice in one object, or a region of shared memory.
    """
    try:
        json.loads(text.decode(), object_pairs_hook=_object)
    except RecursionError:
        raise Refused(400, "the JSON is nested too deeply") from None
    except ValueError as error:
        raise Refused(400, f"got no valid JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused(400, "a name occurs twice in one JSON object")
    if any(name.startswith("shared_memory") for name in found):
        raise Refused(403, "shared memory is for gRPC only")
    return found


class Gateway:
    """Passes requests on to the Triton that listens on a socket file.

    Parameters
    ----------
    triton : a session whose connections lead to the socket file.
    names : that it answers to.
    """

    def __init__(self, triton: aiohttp.ClientSession, names: Names) -> None:
        self._triton = triton
        self._names = names
        self._held = 0  # bytes of all bodies here

    def application(self, *, inference: bool) -> web.Application:
        """What listens on a port: KServe's calls, or else the metrics alone."""
        result = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES)
        for path in READING if inference else (METRICS,):
            result.router.add_get(path, self._read)
        result.router.add_get(ALIVE, self._alive)
        for path in INFERRING if inference else ():
            result.router.add_post(path, self._infer)
        return result

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._check_sender(request)
            return await handler(request)
        except Refused as refusal:
            return _error(refusal.status, str(refusal))
        except web.HTTPException as error:  # no such path or method, a length that is too large
            return _error(error.status, error.reason)
        except (aiohttp.ClientError, TimeoutError):
            return _error(503, "Triton does not answer; try again")

    def _check_sender(self, request: web.Request) -> None:
        """Refuse what a page of another site may have sent, and names that may have been rebound to this machine."""
        if detail := self._names.misdirected(request.headers, is_probe=request.path in PROBES):
            raise Refused(421, detail)
        if self._names.is_foreign(request.headers):
            raise Refused(403, "requests of other sites' pages are refused")

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "alive"})

    async def _read(self, request: web.Request) -> web.StreamResponse:
        return await self._pass_on(request, None, {})

    async def _infer(self, request: web.Request) -> web.StreamResponse:
        body = bytearray()
        try:
            await self._receive(request, body)
            return await self._pass_on(request, body, {**_checked(request, body), **_trace(request)})
        finally:
            self._held -= len(body)

    async def _receive(self, request: web.Request, body: bytearray) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.content.iter_any():
                    body += part
                    self._held += len(part)
                    if len(body) > BODY_BYTES:
                        raise Refused(413, f"got a larger body, expected at most {BODY_BYTES} bytes")
                    if self._held > ALL_BYTES:
                        raise Refused(503, "too many requests at once; try again")
        except TimeoutError:
            raise Refused(408, f"the body did not come within {BODY_SECONDS:.0f} s") from None
        except web.RequestPayloadError:  # broken chunks, or no gzip
            raise Refused(400, "the body cannot be read as its headers say") from None
        except ConnectionError:
            raise Refused(400, "the caller left before the body was whole") from None

    async def _pass_on(self, request: web.Request, body: bytearray | None, headers: dict[str, str]) -> web.Response:
        # The path has matched the list: no dots, no percent signs that Triton might read in another way.
        async with self._triton.request(request.method, request.path, data=body, headers=headers) as answer:
            content = await answer.read()
            kept = {name: answer.headers[name] for name in (HEADER_LENGTH, "Content-Type") if name in answer.headers}
            return web.Response(status=answer.status, body=content, headers=kept)


def _trace(request: web.Request) -> dict[str, str]:
    """The caller's place in a trace, which Triton's spans join where it is told to trace."""
    given = request.headers.get(TRACE_PARENT, "")
    return {TRACE_PARENT: given} if _TRACE_PARENT.fullmatch(given) else {}


def _checked(request: web.Request, body: bytearray) -> dict[str, str]:
    """Headers for an inference whose JSON has passed."""
    given = request.headers.get(HEADER_LENGTH)
    if given is None:
        length = len(body)
    elif _LENGTH.fullmatch(given) and int(given) <= len(body):
        length = int(given)
    else:
        raise Refused(400, f"{HEADER_LENGTH}: got {given[:20]!r}, expected a number up to {len(body)}, the body's size")
    if length > JSON_BYTES:
        raise Refused(413, f"got {length} bytes of JSON, expected at most {JSON_BYTES}; send pixels as binary data")
    check_json(body[:length])
    kind = {"Content-Type": "application/octet-stream" if given else "application/json"}
    return {**kind, HEADER_LENGTH: str(length)} if given else kind


def _error(status: int, reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=status)


async def run(arguments: argparse.Namespace) -> None:
    """Serve the sockets that were handed over until a signal asks for the end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    names = Names(arguments.host, tuple(arguments.allowed_hosts))
    ports = dict(zip(arguments.ports, inherited_listeners(), strict=True))
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    entrances = []
    for kind, listener in ports.items():
        folder: Path = arguments.folder
        connector = aiohttp.UnixConnector(path=str(folder / kind), limit=0)
        session = aiohttp.ClientSession(
            "http://localhost", connector=connector, timeout=timeout, headers={"Accept-Encoding": "identity"}
        )
        entrance = Entrance(Gateway(session, names).application(inference=kind == "http"), listener)
        await entrance.open()
        entrances.append((entrance, session))
    await stop.wait()
    for entrance, session in entrances:
        await entrance.close()
        await session.close()


def main(argv: list[str]) -> int:
    """Run the gateway; for the supervisor, which hands over the listening sockets."""
    parser = Parser(prog="python -m matting_server.gateway", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="holds Triton's socket files")
    parser.add_argument("--host", required=True, help="address of the sockets")
    parser.add_argument("--allowed-hosts", nargs="*", default=[])
    parser.add_argument("ports", nargs="+", choices=("http", "metrics"), help="what each socket is for")
    arguments = parser.parse_args(argv)
    configure_log("gateway")
    asyncio.run(run(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
