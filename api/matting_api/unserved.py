"""What to say of a path that is none of the API's, and of a method that a path does not take."""

from __future__ import annotations

from difflib import get_close_matches

from fastapi import Request
from starlette.routing import Match

from matting_api.paths import ALL, OPENAPI

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SHOWN = 100  # characters of a path


def of_path(path: str) -> str:
    """The error's detail for a path that nothing answers at, with the ones that may be meant."""
    meant = "/" + "/".join(part for part in path.lower()[:SHOWN].split("/") if part)
    near = get_close_matches(meant, ALL)
    expected = " or ".join(near) if near else "one of the API's"
    return f"got the path {path[:SHOWN]}, expected {expected}; {OPENAPI} lists them all"


def methods_of(request: Request) -> tuple[str, ...]:
    """The methods that a request's path takes, over all routes: each knows its own only."""
    routes = request.app.router.routes
    asked = ({**request.scope, "method": method} for method in METHODS)
    return tuple(scope["method"] for scope in asked if any(each.matches(scope)[0] == Match.FULL for each in routes))


def of_method(request: Request, taken: tuple[str, ...]) -> str:
    """The error's detail for a method that a request's path does not take; `taken` are those that it does."""
    return f"{request.scope['path'][:SHOWN]}: got {request.method[:20]}, expected {' or '.join(taken)}"
