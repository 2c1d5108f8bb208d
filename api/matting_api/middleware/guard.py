"""The outermost layer: who may send at all, the bounds of request bodies, and headers of every answer."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from matting_api import errors
from matting_api.errors import ApiError
from matting_api.middleware.answers import Answer
from matting_api.middleware.body_limits import Body
from matting_api.middleware.hosts import Hosts
from matting_api.middleware.incoming import Incoming, kind_of
from matting_api.middleware.proxies import Proxies

END_WAITING = "end_waiting"  # in the state of the application's life, which uvicorn keeps
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OF_ONE_CALLER = {**HEADERS, "Cache-Control": "no-store"}  # results, states and accounts
log = logging.getLogger("api")


class Guard:
    """ASGI middleware.

    Parameters
    ----------
    app : what answers.
    limit : largest body in bytes, by path and headers.
    answered : told the path, status and error code of every answer.
    hosts : refuses what other websites send.
    proxies : tells who a caller is.
    incoming : bounds all bodies together.
    end_waiting : refuses requests that wait; the server calls it when it is told to end (`connections.Server`).
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: Callable[[str, Headers], int],
        answered: Callable[[str, int, str | None], None],
        *,
        hosts: Hosts,
        proxies: Proxies,
        incoming: Incoming,
        end_waiting: Callable[[], None],
    ) -> None:
        self._end_waiting = end_waiting
        self._app = app
        self._limit = limit
        self._answered = answered
        self._hosts = hosts
        self._proxies = proxies
        self._incoming = incoming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await self._pass_on(scope, receive, send)
        else:
            scope.setdefault("state", {})[END_WAITING] = self._end_waiting
            await self._app(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._proxies.unwrap(scope)
        self._hosts.drop_other_addresses(scope)
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        path = scope["path"]
        limit = self._limit(path, headers)
        body = Body(receive, limit, self._incoming, kind_of(path, headers))
        told = OF_ONE_CALLER if path.startswith("/v1") else HEADERS
        answer = Answer(send, body, request_id, told, is_https=scope.get("scheme") == "https")
        state = scope.setdefault("state", {})  # where the code of an error is noted
        state["body_limit"] = limit
        state["grow"] = body.grow
        state["book"] = body.book
        try:
            if error := self._hosts.check(scope["method"], path, headers):
                raise body.refuse(error)
            body.check_length(headers)
            await self._app(scope, body, answer)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the server's end, which this request was too slow for
            body.done = True  # there is no time to drop what still comes
            body.refuse(errors.server_ending())
        except Exception as error:
            if body.refused is None:
                body.refuse(_unexpected(path, error, request_id))
        finally:
            body.forget()
            if answer.has_crashed and body.refused is None:
                body.refuse(_internal())
            if body.refused is not None:
                answer.has_crashed = False
                state["error_code"] = body.refused.error.code
                await answer.refuse()
            if answer.status:
                self._answered(path, answer.status, state.get("error_code"))
            elif body.is_broken_off:
                self._answered(path, errors.CLIENT_GONE, None)


def _unexpected(path: str, error: Exception, request_id: str) -> ApiError:
    """The answer to what nobody expected, which the log tells of."""
    if isinstance(error, ApiError):
        return error
    trace = None if isinstance(error, OSError) else error  # a disk's error says it all
    log.error("%s: %s: %s", path, type(error).__name__, error, exc_info=trace, extra={"request_id": request_id})
    return errors.of_storage(error) if isinstance(error, OSError) else _internal()


def _internal() -> ApiError:
    return ApiError(500, "internal_error", "Internal error", "The server's log says more")
