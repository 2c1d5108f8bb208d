"""How the server is: `/v2/health` and `/metrics`."""

from __future__ import annotations

from itertools import product

import httpx
import pytest
from matting_api.jobs import disk
from matting_api.metrics import Metrics
from matting_client import __version__
from prometheus_client.parser import text_string_to_metric_families

from tests.support.image import ROOT
from tests.unit.api.conftest import Serve, wait_until
from tests.unit.api.test_jobs import packed
from tests.unit.api.test_limits import connection
from tests.unit.api.test_removebg import PATH, post


def metrics(api: httpx.Client) -> dict[tuple[str, ...], float]:
    """Samples by name and the values of their labels, read with Prometheus' own parser."""
    response = api.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(response.text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_health(api: httpx.Client) -> None:
    found = api.get("/v2/health").json()
    assert (found["status"], found["model"], found["engine"]) == ("ready", "matting_512", "local")
    assert found["queue"]["waiting"] == found["queue"]["working"] == 0 < found["queue"]["workers"]
    assert found["server"] is None and found["batches"] is None and found["run"] is None


def test_health_without_the_model(serve: Serve) -> None:
    found = serve(model="matting_none").get("/v2/health")
    assert (found.status_code, found.json()["status"]) == (200, "not ready")


def test_metrics_count(serve: Serve, portrait: bytes) -> None:
    api = serve()
    assert [post(api, portrait).status_code, post(api, b"x").status_code] == [200, 400]
    assert api.post("/v1/alpha", content=portrait).status_code == 200
    assert api.get("/nowhere").status_code == 404
    found = metrics(api)
    assert found["matting_http_requests_total", PATH, "200"] == 1
    assert found["matting_http_requests_total", PATH, "400"] == 1
    assert found["matting_http_requests_total", "other", "404"] == 1  # strangers cannot make new labels
    assert found["matting_failures_total", "invalid_image"] == 1
    assert found["matting_photos_total",] == 2
    for step in ("decode", "infer", "refine", "compose", "encode"):
        assert found["matting_step_seconds_count", step] == 2
        assert found["matting_step_seconds_sum", step] >= 0
    assert found["matting_queue", "waiting"] == found["matting_queue", "working"] == 0
    assert found["process_resident_memory_bytes",] > 1e6


def test_whether_it_is_ready_is_shown(api: httpx.Client, serve: Serve) -> None:
    """Prometheus asks for nothing else, and a server whose model is gone still answers it."""
    assert metrics(api)["matting_ready",] == metrics(api)["matting_build_info", __version__] == 1
    assert metrics(serve(model="matting_none"))["matting_ready",] == 0


def test_jobs_are_shown(api: httpx.Client, portrait: bytes) -> None:
    assert metrics(api)["matting_jobs", "photos", "done"] == 0
    assert api.post("/v1/jobs", files={"archive": ("a.zip", packed({"a.jpg": portrait}))}).status_code == 202
    wait_until(lambda: metrics(api)["matting_jobs", "photos", "done"] == 1)
    assert metrics(api)["matting_jobs", "clips", "done"] == 0


def test_what_alerts_look_for_is_there_before_it_happens() -> None:
    text = Metrics().text().decode()
    rules = (ROOT / "deploy/prometheus/rules.yml").read_text()
    for code in ("insufficient_storage", "storage_unavailable", "server_busy"):
        assert f'matting_failures_total{{code="{code}"}} 0.0' in text and code in rules
    assert 'matting_outputs_total{kept="false"} 0.0' in text and 'matting_outputs_total{kept="false"}[10m]' in rules
    for kind, outcome in product(("key", "password"), ("failed", "locked")):
        assert f'matting_refused_attempts_total{{kind="{kind}",outcome="{outcome}"}} 0.0' in text


def test_a_job_that_finds_the_disk_full_is_counted(
    serve: Serve, portrait: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = serve()
    room = iter([True, True])  # when it comes, and never again
    monkeypatch.setattr(disk, "leaves_room", lambda folder, needed: next(room, False))
    answer = api.post("/v1/jobs", files={"archive": ("a.zip", packed({"a.jpg": portrait}))})
    assert answer.status_code == 202
    wait_until(lambda: metrics(api)["matting_jobs", "photos", "failed"] == 1)
    wait_until(lambda: metrics(api)["matting_failures_total", "insufficient_storage"] == 1)


def test_refusals_of_the_guard_are_counted(serve: Serve) -> None:
    api = serve(max_upload_mb=1)
    assert api.post("/v1/cutout", content=bytes(2 * 2**20)).status_code == 413
    found = metrics(api)
    assert found["matting_http_requests_total", "/v1/cutout", "413"] == 1
    assert found["matting_failures_total", "file_too_large"] == 1


def test_the_queue_is_shown(serve: Serve) -> None:
    api = serve(workers=1)
    with connection(api) as link:
        link.sendall(b"POST /v1/alpha HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
        wait_until(lambda: metrics(api)["matting_queue", "receiving"] == 1)
        assert api.get("/v2/health").json()["queue"]["waiting"] == 0  # places are for complete requests
    wait_until(lambda: metrics(api)["matting_queue", "receiving"] == 0)
