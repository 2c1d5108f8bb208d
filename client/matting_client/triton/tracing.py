"""The caller's trace on its way to the server, where the process uses OpenTelemetry; no dependency of the client."""

from __future__ import annotations

import sys


def trace_headers() -> dict[str, str]:
    """Headers of W3C Trace Context that make a server's spans children of the current one; none without a span."""
    if "opentelemetry.trace" not in sys.modules:  # nobody can have begun one
        return {}
    from opentelemetry import propagate

    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers
