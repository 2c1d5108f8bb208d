"""Answers as they go out: with our headers, and in our form where the body was refused or an app has crashed."""

from __future__ import annotations

import json

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Send

from matting_api import errors
from matting_api.middleware.body_limits import Body
from matting_api.middleware.cookies import guarded_cookie


class Answer:
    """Sends an answer with our headers; once the body was refused, that refusal instead of what an app makes of it."""

    def __init__(self, send: Send, body: Body, request_id: str, headers: dict[str, str], *, is_https: bool) -> None:
        self._send = send
        self._body = body
        self._headers = {**headers, "X-Request-Id": request_id}
        self._is_https = is_https
        self._started = False
        self.has_crashed = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if not self._started and (self._body.refused is not None or self._body.is_broken_off):
            return  # what an app makes of a body without an end is nobody's error
        if self.has_crashed or _is_crash(message):
            self.has_crashed = True  # what an app without our form makes of it is not shown
            return
        if message["type"] == "http.response.start":
            self._started = True
            self.status = message["status"]
            # Also where nobody wanted it: a sender that waits for leave (Expect) may go on without its body, and what
            # comes next would be taken for that.
            if message["status"] >= 400 or self._body.is_announced:
                await self._body.drain()
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
            message["headers"] = [guarded_cookie(*each, is_https=self._is_https) for each in message["headers"]]
        await self._send(message)

    async def refuse(self) -> None:
        """Answer with the refusal, unless an answer has begun."""
        refused = self._body.refused
        self._body.refused = None
        if self._started or refused is None or self._body.is_broken_off:
            return
        error = refused.error
        content = json.dumps(errors.body(error.code, error.title, error.detail)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        await self({"type": "http.response.start", "status": error.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": content})


def _is_crash(message: Message) -> bool:
    is_start = message["type"] == "http.response.start" and message["status"] == 500
    return is_start and Headers(raw=message["headers"]).get("content-type", "").startswith("text/plain")
