"""A port whose connections are counted, and closed when they do not say in time what they want."""

from __future__ import annotations

import asyncio
import json
import logging
import socket

from aiohttp import web
from aiohttp.http import HttpProcessingError
from matting_client.serving import Connections, Refusals, affordable_connections
from matting_client.system import household

HEADER_SECONDS = 15.0  # for the headers of a request, from the connection's begin or the last answer on
MOST_CONNECTIONS = 1024
FILES_EACH = 2  # descriptors that one connection needs: its own, and one to Triton
STOP_SECONDS = 5.0
log = logging.getLogger("aiohttp.server")


class Entrance:
    """A listening socket and the application behind it.

    Parameters
    ----------
    application : what answers.
    listener : where; closed by `close`.
    most : connections at one time, those of one household at most half of them; None for what the files allow.
    """

    def __init__(self, application: web.Application, listener: socket.socket, most: int | None = None) -> None:
        # aiohttp closes what has sent no whole headers when its time to keep a connection alive is over.
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=STOP_SECONDS, keepalive_timeout=HEADER_SECONDS
        )
        self._listener = listener
        self._malformed = _Malformed()
        self._connections = Connections(most or affordable_connections(MOST_CONNECTIONS, FILES_EACH))

    async def open(self) -> None:
        """Begin to accept connections."""
        log.addFilter(self._malformed)
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(self._connection, sock=self._listener)

    async def close(self) -> None:
        """Accept no more, and end when those at work are answered, or `STOP_SECONDS` later."""
        self._server.close()
        await self._runner.cleanup()
        log.removeFilter(self._malformed)

    def _connection(self) -> asyncio.Protocol:
        assert self._runner.server is not None, "it is open"
        return _Counted(self._runner.server(), self._connections)


class _Malformed(logging.Filter):
    """Sums up requests that are no HTTP, of each of which aiohttp would write a trace."""

    def __init__(self) -> None:
        super().__init__()
        self._refusals = Refusals()

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, web.RequestPayloadError):  # answered, and met again behind the answer
            return False
        if not isinstance(error, HttpProcessingError):
            return True
        caller = record.getMessage().rpartition(" ")[2]
        self._refusals.tell_malformed(error.code, caller)
        return False


class _Counted(asyncio.Protocol):
    """Hands everything on to the HTTP protocol, once there is room for the connection."""

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        self._inner = inner
        self._connections = connections
        self._is_counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        self._who = household(peer[0] if isinstance(peer, tuple) else None)  # a socket file's are texts
        self._is_counted = self._connections.enter(self._who)
        if self._is_counted:
            self._inner.connection_made(transport)
        else:
            _refuse(transport)

    def data_received(self, data: bytes) -> None:
        if self._is_counted:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._is_counted else None

    def pause_writing(self) -> None:
        if self._is_counted:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._is_counted:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_counted:
            self._connections.leave(self._who)
            self._inner.connection_lost(exc)


def _refuse(transport: asyncio.Transport) -> None:
    body = json.dumps({"error": "got more connections at once than there is room for; try again later"}).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    transport.write(head.encode() + body)
    transport.close()
