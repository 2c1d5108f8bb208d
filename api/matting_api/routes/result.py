"""A job's result as an answer."""

from __future__ import annotations

from pathlib import Path

from anyio import to_thread
from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from matting_api.errors import ApiError, no_such_job


class ResultFile(FileResponse):
    """A file that may be removed while it is sent: it is opened before the answer begins.

    A `Range` in other units than bytes is none (RFC 9110, 14.2).
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises ApiError where it is gone, or a `Range` cannot be had."""
        headers = scope["headers"]
        scope["headers"] = [each for each in headers if each[0] != b"range" or each[1].startswith(b"bytes=")]
        try:
            file = await to_thread.run_sync(Path(self.path).open, "rb")
        except FileNotFoundError:
            raise no_such_job() from None
        with file:
            size = file.seek(0, 2)

            async def send_on(message: Message) -> None:
                if message["type"] == "http.response.start" and message["status"] >= 400:
                    detail = f"Range: got what is no part of it, expected bytes of 0-{size - 1}"
                    told = {"Content-Range": f"bytes */{size}"}
                    raise ApiError(416, "range_not_satisfiable", "Range not satisfiable", detail, told)
                await send(message)

            self.path = f"/dev/fd/{file.fileno()}"
            await super().__call__(scope, receive, send_on)
