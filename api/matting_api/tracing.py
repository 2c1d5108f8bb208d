"""Traces for OpenTelemetry, off by default: of requests, jobs and the page's photos, with Triton's spans below."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from matting_client.serving import trace_endpoint
from matting_client.timing import Timings
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_api import paths
from matting_api.extras import check_extra

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

TRACED = (*paths.PHOTOS, paths.VIDEO, paths.JOBS, paths.IMPROVE)
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")  # any other text is a stranger's
EXPORT_SECONDS = 3.0  # for one attempt; the process has to end within 10
_STEP = re.compile(r"(\w+);dur=([\d.]+)")  # of Server-Timing


def check_tracing(url: str) -> None:
    """Refuse what cannot be traced to.

    Raises
    ------
    OptionError
        The address is none, or the packages are missing.
    """
    trace_endpoint(url)
    for package in ("opentelemetry.sdk", "opentelemetry.exporter"):
        check_extra("--trace", package, "trace")


class Tracing:
    """Sends spans to a collector from a thread of its own; $OTEL_... of the SDK set the rest (sampler, headers).

    Parameters
    ----------
    url : of an OTLP receiver over HTTP, such as http://127.0.0.1:4318.
    """

    def __init__(self, url: str) -> None:
        from opentelemetry import propagate
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        exporter: SpanExporter = OTLPSpanExporter(trace_endpoint(url), timeout=EXPORT_SECONDS)
        name = os.environ.get("OTEL_SERVICE_NAME", "unet-matting")
        self._provider = TracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("matting_api")
        self._context = TraceContextTextMapPropagator()
        propagate.set_global_textmap(self._context)  # of strangers' headers baggage goes no further

    def close(self) -> None:
        """Send what there is, and stop."""
        self._provider.shutdown()

    @contextmanager
    def work(self, name: str, **attributes: str) -> Iterator[Callable[[Timings], None]]:
        """A span around work that no request waits for; yields what writes the seconds of its steps down."""
        from opentelemetry.trace import Status, StatusCode

        def note(timings: Timings) -> None:
            for step, spent in timings.items():
                span.set_attribute(f"matting.{step}_ms", 1000 * spent)

        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield note
            except Exception as error:  # its text is left out: it holds the names of visitors' files
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def around(self, app: ASGIApp) -> ASGIApp:
        """ASGI middleware: a span for each request to a path that takes photos."""
        from opentelemetry.trace import SpanKind

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] not in TRACED:
                await app(scope, receive, send)
                return
            method = scope["method"] if scope["method"] in METHODS else "HTTP"
            attributes = {"http.request.method": method, "url.path": scope["path"], "http.route": scope["path"]}
            caller = self._context.extract(dict(Headers(scope=scope)))
            with self._tracer.start_as_current_span(
                f"{method} {scope['path']}", caller, SpanKind.SERVER, attributes
            ) as span:

                async def note(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        describe(span, message)
                    await send(message)

                await app(scope, receive, note)

        return traced


def describe(span: Span, start: Any) -> None:
    """Write into a span what an answer's beginning says: status, the request's id, a job's place, each step's time."""
    from opentelemetry.trace import Status, StatusCode

    headers = Headers(raw=start.get("headers", []))
    span.set_attribute("http.response.status_code", start["status"])
    span.set_attribute("matting.request_id", headers.get("x-request-id", ""))
    if place := headers.get("location"):
        span.set_attribute("http.response.header.location", [place])
    for step, spent in _STEP.findall(headers.get("server-timing", "")):
        span.set_attribute(f"matting.{step}_ms", float(spent))
    if start["status"] >= 500:
        span.set_status(Status(StatusCode.ERROR))
