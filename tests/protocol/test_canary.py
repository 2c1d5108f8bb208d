"""Two versions of a model side by side, chosen by header, field or name, and traces from the caller into Triton."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import matting_client
import numpy as np
import psutil
import pytest
from gradio_client import Client, handle_file
from matting_api.triton_probe import Silence, TritonProbe
from matting_bench.server_process import free_ports

from tests.protocol.serving import ROOT, Served
from tests.protocol.test_documents import blocks
from tests.support.otlp import Receiver, receiver
from tests.support.programs import nginx
from tests.unit.api.conftest import SIDE, encode, pixels, write_model
from tests.unit.api.test_jobs import packed

MODEL = "matting_512"
NAME = "photos.example.com"
WHITE = encode(np.full((SIDE, SIDE, 3), 255, np.uint8))
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECOND = "2222" * 16  # weights of version 2
CONTRACT = {  # of the repository that is served, while the page has our own at hand
    "weights_sha256": "5e1f" * 16,
    "licence": 'Licence "of \\ this" test, §7 — 许可证',
    "scores": {"val_london": {"SAD": 41.75, "MAD": "none"}, "val_other": 7},
}


@dataclass(frozen=True)
class House:
    """A server of two versions, whose page asks for the first."""

    server: Served
    page: str
    collector: Receiver

    def post(self, path: str, **headers: str) -> httpx.Response:
        return httpx.post(self.page + path, content=WHITE, headers=headers, timeout=60, trust_env=False)

    def alpha(self, path: str, **headers: str) -> int:
        """What the answer to a white photo has in its middle: 255 of version 1, 0 of version 2."""
        answer = self.post(path, **headers)
        assert answer.status_code == 200, answer.text
        return int(pixels(answer.content)[SIDE // 2, SIDE // 2].ravel()[-1])


def two_versions(repository: Path) -> None:
    """As docs/deployment.md has it: a second folder, and a policy that serves both."""
    write_model(repository)
    write_model(repository, 2, inverted=True)
    config = (ROOT / "model_repository" / MODEL / "config.pbtxt").read_text()
    config = config.replace("dims: [ 512, 512,", f"dims: [ {SIDE}, {SIDE},")
    contract = json.loads((ROOT / "model_repository" / MODEL / "contract.json").read_text())
    (repository / MODEL / "contract.json").write_text(json.dumps({**contract, **CONTRACT}))
    (repository / MODEL / "2" / "contract.json").write_text(json.dumps({**contract, "weights_sha256": SECOND}))
    (repository / MODEL / "config.pbtxt").write_text(config + "version_policy { specific { versions: [ 1, 2 ] } }\n")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    repository = tmp_path_factory.mktemp("repository")
    two_versions(repository)
    (port,) = free_ports(1)
    options = ["--page", "--page-port", str(port), "--model", f"{MODEL}:1", "--model-repository", str(repository)]
    environment = {"OTEL_BSP_SCHEDULE_DELAY": "50", "MATTING_API_TRUSTED_PROXIES": "127.0.0.1"}
    with receiver() as collector:
        named = ["--allowed-hosts", NAME, "--trace", collector.url]
        server = Served([*options, *named], environment=environment)
        try:
            yield House(server.wait_ready(), f"http://127.0.0.1:{port}", collector)
        finally:
            assert server.stop() == 0, server.log


def test_each_caller_gets_the_version_that_was_asked_for(house: House) -> None:
    canary = f"{MODEL}:2"
    assert house.alpha("/v1/alpha") == 255  # the page's own, by --model
    assert house.alpha("/v1/alpha", **{"X-Matting-Model": canary}) == 0
    assert house.alpha(f"/v1/cutout?model={canary}") == 0
    assert house.alpha(f"/v1/alpha?model={MODEL}:1", **{"X-Matting-Model": canary}) == 255  # the caller knows better
    for url in (house.server.grpc, f"http://{house.server.http}"):
        for model, expected in ((f"{MODEL}:1", 255), (canary, 0), (MODEL, 0)):  # Triton's choice is the latest
            with matting_client.connect(url=url, model=model) as client:
                assert client.alpha(WHITE)[SIDE // 2, SIDE // 2] == expected, (url, model)
    asynchronous = matting_client.connect_async(url=house.server.grpc, model=canary)
    assert asyncio.run(_alpha_of(asynchronous))[SIDE // 2, SIDE // 2] == 0


def test_a_proxy_shares_out_photos(house: House, tmp_path: Path) -> None:
    """As the nginx of docs/deployment.md does."""
    (port,) = free_ports(1)
    (site,) = blocks("docs/deployment.md", "nginx")
    for old, new in {
        "10% ": "50% ",
        "listen 80": f"listen 127.0.0.1:{port}",
        "http://127.0.0.1:7860": house.page,
    }.items():
        assert old in site
        site = site.replace(old, new)
    behind = House(house.server, f"http://127.0.0.1:{port}", house.collector)
    with nginx(tmp_path, site, port):
        seen = {behind.alpha("/v1/alpha") for _ in range(20)}
        browser = {"Host": NAME, "Origin": f"http://{NAME}"}
        sent = {"files": ("white.png", WHITE)}
        upload = httpx.post(
            f"{behind.page}/gradio_api/upload", files=sent, headers=browser, timeout=60, trust_env=False
        )
    assert seen == {0, 255}
    assert upload.status_code == 200, upload.text  # the page behind it works, too


async def _alpha_of(client: matting_client.AsyncMattingClient) -> np.ndarray:
    async with client:
        return await client.alpha(WHITE)


def test_a_version_that_is_not_there_is_refused_at_once(house: House) -> None:
    for asked in (f"{MODEL}:7", f"{MODEL}:x", "other:1"):
        answer = house.post("/v1/alpha", **{"X-Matting-Model": asked})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "invalid_parameter"), answer.text
        assert answer.elapsed.total_seconds() < 10
    told = httpx.get(f"{house.page}/v2/health", timeout=60, trust_env=False).json()
    assert told["model"] == f"{MODEL}:1" and told["run"]["size"] == SIDE
    for version in ("1", "2"):
        with TritonProbe(house.server.grpc, f"{MODEL}:{version}") as probe:
            probe.check_ready(Silence())
            assert probe.batches()["images"] > 0


def test_a_trace_goes_from_the_caller_into_triton(house: House) -> None:
    sent = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-Id": "order-18"}
    assert house.post("/v1/alpha", **sent).status_code == 200
    spans = {span.name: span for span in house.collector.wait_for(TRACE, 4)}
    ours, triton = spans["POST /v1/alpha"], spans["InferRequest"]
    assert (ours.parent, ours.service, ours.attributes["matting.request_id"]) == (CALLER, "unet-matting", "order-18")
    assert (triton.parent, triton.service) == (ours.id, "unet-matting-triton")
    model, compute = spans[MODEL], spans["compute"]
    assert (model.parent, compute.parent) == (triton.id, model.id)
    assert (model.attributes["triton.model_name"], model.attributes["triton.model_version"]) == (MODEL, 1)


def test_the_page_shows_what_the_running_server_says_of_its_model(house: House) -> None:
    told = httpx.get(f"{house.page}/v2/health", timeout=60, trust_env=False).json()["run"]["contract"]
    assert (told["licence"], told["scores"]) == (CONTRACT["licence"], {"val_london": {"SAD": 41.75}})
    about = unescape(str(Client(house.page, verbose=False).predict(api_name="/about")))
    ours = json.loads((ROOT / "model_repository" / MODEL / "contract.json").read_text())
    for fact in ("5e1f5e1f5e1f", "41.75", "许可证"):
        assert fact in about
    assert ours["weights_sha256"][:12] not in about and f"{ours['scores']['val_natural']['SAD']:.2f}" not in about


def test_each_version_tells_of_its_own_making(house: House) -> None:
    for model, digest in ((f"{MODEL}:1", CONTRACT["weights_sha256"]), (f"{MODEL}:2", SECOND), (MODEL, SECOND)):
        with TritonProbe(house.server.grpc, model) as probe:
            assert probe.model()["contract"]["weights_sha256"] == digest, model


def test_photos_of_jobs_and_of_the_page_are_traced_into_triton(house: House, tmp_path: Path) -> None:
    sent = {"archive": ("photos.zip", packed({"white.png": WHITE, "note.txt": b"no photo"}))}
    place = httpx.post(f"{house.page}/v1/jobs", files=sent, timeout=60, trust_env=False).headers["Location"]
    (tmp_path / "white.png").write_bytes(WHITE)
    page = Client(house.page, verbose=False)
    page.predict(photo=handle_file(str(tmp_path / "white.png")), api_name="/cutout")
    order = house.collector.wait_for_name("POST /v1/jobs", 1)[0]
    told = order.attributes["http.response.header.location"].values
    assert [each.string_value for each in told] == [place]
    of_job = house.collector.wait_for_name("job photo", 2)
    assert {span.attributes["matting.job"] for span in of_job} == {place.rpartition("/")[2]}
    (bad,) = [span for span in of_job if "error.type" in span.attributes]
    (good,) = [span for span in of_job if span is not bad]
    (of_page,) = house.collector.wait_for_name("page photo", 1)
    assert "note.txt" not in str(bad)
    for span in (good, of_page):
        assert (span.parent, span.service) == ("", "unet-matting") and span.attributes["matting.infer_ms"] > 0
        names = {each.name: each for each in house.collector.wait_for(span.trace, 4)}
        assert names["InferRequest"].parent == span.id and names[MODEL].parent == names["InferRequest"].id


def test_each_version_is_revived(house: House) -> None:
    """The process of the version that nobody asks for by default is missed, too."""
    stubs = [each for each in house.server.processes() if f"/{MODEL}/2/" in " ".join(each.cmdline())]
    (victim,) = [each for each in stubs if each.name() != "tritonserver"]
    assert isinstance(victim, psutil.Process)
    victim.kill()
    assert house.alpha("/v1/alpha", **{"X-Matting-Model": f"{MODEL}:2"}) == 0
    assert house.alpha("/v1/alpha") == 255
    assert "its process had died; revived" in house.server.log
