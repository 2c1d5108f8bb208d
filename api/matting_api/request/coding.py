"""A request's body without its Content-Encoding."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from starlette.datastructures import Headers
from starlette.requests import Request

from matting_api.errors import ApiError, bad_request


def content_coding(headers: Headers) -> str:
    """How a request's body is packed: "identity" for not at all."""
    return headers.get("content-encoding", "").strip().lower() or "identity"


def wrong_coding(coding: str, accepted: str) -> ApiError:
    """The refusal of a body that is packed in another way than `accepted`, a value of Accept-Encoding."""
    detail = f"got the Content-Encoding {coding[:50]!r}, expected {accepted}"
    return ApiError(
        415, "unsupported_media_type", "Unsupported content encoding", detail, {"Accept-Encoding": accepted}
    )


async def decoded(request: Request) -> AsyncIterator[bytes]:
    """The parts of a body without its Content-Encoding, within the same limit.

    Raises
    ------
    ApiError
        An unknown coding, a body that is broken or too large.
    """
    limit = request.state.body_limit
    coding = content_coding(request.headers)
    if coding == "identity":
        async for chunk in request.stream():
            yield chunk
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise wrong_coding(coding, "gzip")
    decoder, size = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32), 0  # gzip or zlib, whichever comes
    async for chunk in request.stream():
        while chunk:
            try:
                found = decoder.decompress(chunk, 2**20)
            except zlib.error:
                raise bad_request(
                    "invalid_body", "Invalid body", f"got a body that is no {coding}; send it as it is"
                ) from None
            chunk = decoder.unconsumed_tail
            size += len(found)
            if size > limit:
                detail = f"got a larger body, expected at most {limit / 2**20:.0f} MB after {coding} is undone"
                raise ApiError(413, "file_too_large", "Request too large", detail)
            request.state.grow(len(found))
            yield found
            if decoder.unused_data:  # Python would keep all that comes, and copy it with each part
                detail = f"got a body that goes on behind its {coding}; send it packed as one"
                raise bad_request("invalid_body", "Invalid body", detail)
    if not decoder.eof:
        raise bad_request("invalid_body", "Invalid body", f"got a body that ends within its {coding}; send it again")
