"""How an answer may be packed for whoever asked."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope


def accepted_codings(scope: Scope) -> set[str]:
    """The content codings that a request accepts, such as "br" and "gzip"; RFC 9110, section 12.5.3."""
    listed = Headers(scope=scope).get("accept-encoding", "").split(",")
    each = (entry.replace(" ", "").partition(";") for entry in listed)
    return {name.lower() for name, _, weight in each if name and (not weight or weight.partition("=")[2].strip("0."))}
