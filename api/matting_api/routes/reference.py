"""`/docs`: every endpoint, to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from matting_api import reference
from matting_api.paths import DOCS


def router(described: Callable[[], dict[str, Any]]) -> APIRouter:
    """The endpoint, which needs no key.

    Parameters
    ----------
    described : the OpenAPI document.
    """
    routes = APIRouter()

    @routes.head(DOCS, include_in_schema=False)
    @routes.get(DOCS, include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        page = reference.page(described(), f"{request.url.scheme}://{request.url.netloc}")
        return HTMLResponse(page, headers={"Content-Security-Policy": reference.POLICY})

    return routes
