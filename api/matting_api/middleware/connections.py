"""Connections: how many, whose, and how long one may take to say what it wants, and to take what it gets."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from matting_client.serving import Connections, affordable_connections
from matting_client.system import household
from matting_ui.ids import HEARTBEAT
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from matting_api import errors
from matting_api.middleware import outgoing
from matting_api.middleware.guard import END_WAITING
from matting_api.middleware.proxies import Proxies

GRACE_SECONDS = 5  # for requests still running when the server is asked to end
HEADER_SECONDS = 15.0  # for all headers of a request, from the first byte of a connection
MOST_CONNECTIONS = 1024
FILES_EACH = 4  # descriptors that one connection may need: its own, two uploads and a result
Tell = Callable[[str], None]


def connection_protocol(proxies: Proxies, malformed: Tell) -> type[H11Protocol]:
    """The protocol for uvicorn, with bounds for this process. Raises OptionError where it may open too few files."""
    connections = Connections(affordable_connections(MOST_CONNECTIONS, FILES_EACH))
    answers = outgoing.Outgoing()

    class _Protocol(BoundedProtocol):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.bound_by = connections
            self.proxies = proxies
            self.outgoing = answers
            self.malformed = malformed

    return _Protocol


def server_config(app: ASGIApp, proxies: Proxies, malformed: Tell = lambda who: None) -> uvicorn.Config:
    """How uvicorn serves an app: with these bounds, quietly, and without believing anyone who calls itself a proxy.

    `malformed` is told who sent what cannot be read.
    """
    return uvicorn.Config(
        app,
        http=connection_protocol(proxies, malformed),
        proxy_headers=False,
        log_config=None,
        log_level=logging.ERROR,  # its warnings are of single requests, as many as a stranger sends
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class Server(uvicorn.Server):
    """uvicorn's server, which calls `ending` first and lets requests go whose turn would not come before its end."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self.ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, after those requests were refused: what is at work has `GRACE_SECONDS`."""
        self.ending()
        if end_waiting := self.lifespan.state.get(END_WAITING):
            end_waiting()
        await super().shutdown(sockets)


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, whose connections are counted and have to send their headers and to read in time."""

    bound_by: Connections
    proxies: Proxies
    outgoing: outgoing.Outgoing
    malformed: Tell

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection, or answer at once that there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._deadline: asyncio.TimerHandle | None = None
        self._waiting: outgoing.Waiting | None = None
        self._next_look: asyncio.TimerHandle | None = None
        host = self.client[0] if self.client else ""
        self._who = household(host)
        self._is_counted = self.bound_by.enter(self._who, may_have_all=self.proxies.is_trusted(host))
        if self._is_counted:
            self._watch_headers()
        else:
            self._refuse()

    def data_received(self, data: bytes) -> None:
        """Read on, and watch how long the headers of the next request take."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch_headers()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer has begun, and end the connection."""
        self.malformed(self._who)
        if self.cycle is not None:  # whose body this was
            self.cycle.disconnected = True
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            text = "got what is no HTTP/1.1, expected a request as RFC 9112 has it"
            self._answer("400 Bad Request", errors.body("invalid_body", "Invalid request", text))
        self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request, of which a part may be here already."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._watch_headers()

    def shutdown(self) -> None:
        """Let what is at work be finished, but not what never is."""
        super().shutdown()
        if self.cycle is not None and HEARTBEAT in self.scope["path"]:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._stop_watching()
        self._stop_waiting()
        if self._is_counted:
            self.bound_by.leave(self._who)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the reader, and watch how much of the answer it takes."""
        super().pause_writing()
        self._stop_waiting()
        self._waiting = self.outgoing.begin(self.transport)
        self._next_look = self.loop.call_later(outgoing.SPAN_SECONDS, self._look_at_reader)

    def resume_writing(self) -> None:
        """Go on: the reader has taken nearly all."""
        self._stop_waiting()
        super().resume_writing()

    def _look_at_reader(self) -> None:
        if self._waiting is None:
            return
        if self._waiting.is_too_slow():
            self._waiting.give_up()
        else:
            self._next_look = self.loop.call_later(outgoing.SPAN_SECONDS, self._look_at_reader)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self.outgoing.end(self._waiting)
            self._waiting = None
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None

    def _watch_headers(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self) -> None:
        text = "got more connections at once than the server has room for; try again later"
        self._answer("503 Service Unavailable", errors.body("server_busy", "Server busy", text), "Retry-After: 5\r\n")
        self.transport.close()

    def _answer(self, status: str, error: dict[str, Any], headers: str = "") -> None:
        """Write the last answer of this connection, past the protocol."""
        body = json.dumps(error).encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
