"""`--trace`: what a receiver of OpenTelemetry's spans gets, and what the API does without one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from matting_api.main import main
from matting_api.settings import Settings
from opentelemetry.trace import SpanKind

from tests.support.otlp import receiver
from tests.unit.api.conftest import Serve, running

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are sent after 50 ms instead of 5 s."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")


def test_a_request_is_a_span_of_its_callers_trace(serve: Serve, disc: bytes) -> None:
    with receiver() as collector:
        client = serve(trace=collector.url)
        assert client.get("/livez", headers=PARENT).status_code == 200  # probes are no news
        sent = {**PARENT, "X-Request-Id": "order-17", "baggage": "secret=1"}
        assert client.post("/v1/cutout?format=png", content=disc, headers=sent).status_code == 200
        assert client.post("/v1/cutout", content=b"no photo", headers=PARENT).status_code == 400
        good, bad = collector.wait_for(TRACE, 2)
    assert (good.name, good.parent, good.service) == ("POST /v1/cutout", CALLER, "unet-matting")
    assert good.kind == SpanKind.SERVER.value + 1  # protobuf counts from 1
    told = good.attributes
    assert (told["matting.request_id"], told["http.response.status_code"]) == ("order-17", 200)
    assert told["matting.infer_ms"] > 0 and told["matting.encode_ms"] > 0
    assert bad.attributes["http.response.status_code"] == 400
    assert bad.id != good.id


def test_requests_without_a_trace_begin_one_and_unsampled_ones_are_not_told(serve: Serve, disc: bytes) -> None:
    with receiver() as collector:
        client = serve(trace=collector.url)
        unsampled = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
        assert client.post("/v1/alpha", content=disc, headers=unsampled).status_code == 200
        assert client.post("/v1/alpha", content=disc, headers={"traceparent": "00-nonsense"}).status_code == 200
        deadline = time.monotonic() + 30
        while not collector.spans:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    (span,) = collector.spans
    assert span.parent == "" and span.trace not in (TRACE, "")


def test_a_receiver_that_is_gone_holds_nothing_up(
    repository: Path, disc: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    with receiver() as collector:
        gone = collector.url
    with running(Settings(engine="local", trace=gone)) as client:
        assert client.post("/v1/alpha", content=disc).status_code == 200
        start = time.monotonic()
    assert time.monotonic() - start < 10  # s that `docker stop` and systemd wait


@pytest.mark.parametrize("address", ["localhost:4318", "http://", "http://a:b", "http://a/?x=1", "ftp://a"])
def test_addresses_that_are_none(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--trace", address]) == 2
    said = capsys.readouterr().err
    assert "--trace" in said and "4318" in said and said.count("\n") == 1
