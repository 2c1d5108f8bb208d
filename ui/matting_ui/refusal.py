"""What the page's own routes answer when they cannot serve a request."""

from __future__ import annotations

from fastapi.responses import JSONResponse

RETRY_SECONDS = 600  # a part of the hour after which uploads are removed


def refusal(status: int, code: str, title: str, detail: str, retry_seconds: int = RETRY_SECONDS) -> JSONResponse:
    """An error in the form that the API has."""
    headers = {"Retry-After": str(retry_seconds)} if status in (429, 503, 507) else None
    return JSONResponse({"errors": [{"title": title, "code": code, "detail": detail}]}, status, headers)
