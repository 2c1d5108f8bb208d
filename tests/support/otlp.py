"""A receiver of OpenTelemetry's spans over HTTP, as a collector is one."""

from __future__ import annotations

import base64
import gzip
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WAIT_SECONDS = 30.0  # both exporters send in batches, every few seconds


@dataclass(frozen=True)
class Seen:
    """A span: ids in hex, the service that sent it, its attributes."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    kind: int
    attributes: dict[str, Any]


@dataclass
class Receiver:
    """What has come, and where to send it."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes).get("service.name", "")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                    self.spans.append(Seen(span.name, service, *ids, span.kind, _attributes(span.attributes)))

    def wait_for(self, trace: str, count: int) -> list[Seen]:
        """The spans of a trace, once there are so many."""
        return self._wait(lambda span: span.trace == trace, count)

    def wait_for_name(self, name: str, count: int) -> list[Seen]:
        """The spans of a name, once there are so many."""
        return self._wait(lambda span: span.name == name, count)

    def _wait(self, wanted: Callable[[Seen], bool], count: int) -> list[Seen]:
        deadline = time.monotonic() + WAIT_SECONDS
        while len(found := [span for span in self.spans if wanted(span)]) < count:
            assert time.monotonic() < deadline, self.spans
            time.sleep(0.05)
        return found


def from_json(body: bytes) -> ExportTraceServiceRequest:
    """OTLP's JSON is that of protobuf, but with ids in hex."""
    ids = re.compile(rb'("(?:trace|span|parentSpan|parent_span)_?[iI]d":\s*")([0-9a-fA-F]+)"')
    with_base64 = ids.sub(lambda found: found[1] + base64.b64encode(bytes.fromhex(found[2].decode())) + b'"', body)
    return json_format.Parse(with_base64, ExportTraceServiceRequest(), ignore_unknown_fields=True)


@contextmanager
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            is_json = self.headers["Content-Type"].startswith("application/json")  # as Triton sends them
            state.take(from_json(body) if is_json else ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
