"""Two servers as deploy/ shows them: watched by Prometheus, behind balancers, and one of them killed at work."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import httpx
import matting_client
import numpy as np
import psutil
import pytest
import yaml
from matting_bench.server_process import free_ports
from matting_server.orphans import sweep
from numpy.typing import NDArray
from skimage import data

from tests.protocol.serving import ROOT, Served
from tests.support.programs import example, find, haproxy, nginx, program

MODEL = "matting_512"
CALLERS, PHOTOS = 3, 8  # callers of each protocol, and photos of each caller
KEY = "a-key-of-these-tests"
SCRAPE_SECONDS = 30.0  # until Prometheus has seen what has happened
Alpha = NDArray[np.uint8]


@dataclass(frozen=True)
class Replica:
    """A server with its page."""

    server: Served
    page: int

    def kill(self) -> None:
        """As when its machine is gone: all at once."""
        supervisor = psutil.Process(self.server.process.pid)
        for each in (supervisor, *supervisor.children(recursive=True)):
            each.kill()
        self.server.process.wait()

    def answers(self) -> float:
        """Photos that its API has answered."""
        lines = httpx.get(f"http://127.0.0.1:{self.page}/metrics", timeout=60, trust_env=False).text.splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith("matting_photos_total")), 0.0)


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replica]]:
    repository = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "model_repository" / MODEL, repository / MODEL)
    pages = free_ports(2)
    outputs = tmp_path_factory.mktemp("outputs")
    environment = {
        "MATTING_API_TRUSTED_PROXIES": "127.0.0.1",
        "MATTING_API_KEYS": KEY,
        "MATTING_OUTPUTS": str(outputs),
    }
    options = ["--page", "--model-repository", str(repository), "--threads", "1"]
    servers = [Served([*options, "--page-port", str(port)], environment=environment) for port in pages]
    try:
        yield [Replica(server.wait_ready(), port) for server, port in zip(servers, pages, strict=True)]
    finally:
        for server in servers:
            server.stop()
        sweep()  # of the one that was killed


@pytest.fixture(scope="module")
def balancers(replicas: list[Replica], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of the API, and the one for gRPC."""
    http, grpc = free_ports(2)
    one, two = replicas
    site = {
        "listen 80;": f"listen 127.0.0.1:{http};",
        "10.0.0.11:7860": f"127.0.0.1:{one.page}",
        "10.0.0.12:7860": f"127.0.0.1:{two.page}",
    }
    triton = {
        "10.0.0.1:8001": f"127.0.0.1:{grpc}",
        "10.0.0.11:8001": one.server.grpc,
        "10.0.0.12:8001": two.server.grpc,
    }
    with (
        nginx(tmp_path_factory.mktemp("nginx"), example("nginx-replicas.conf", site), http),
        haproxy(tmp_path_factory.mktemp("haproxy"), example("haproxy.cfg", triton), grpc),
    ):
        yield f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}"


def over_http(url: str, photo: bytes, answered: Callable[[Alpha], None]) -> None:
    with httpx.Client(base_url=url, timeout=60, trust_env=False, headers={"X-Api-Key": KEY}) as client:
        for _ in range(PHOTOS):
            answer = client.post("/v1/alpha", content=photo)
            assert answer.status_code == 200, answer.text
            answered(np.asarray(cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_GRAYSCALE)))


def over_grpc(url: str, photo: bytes, answered: Callable[[Alpha], None]) -> None:
    """With the client's own options."""
    with matting_client.connect(url=url) as client:
        for _ in range(PHOTOS):
            answered(client.cutout(photo).alpha)


@pytest.fixture(scope="module")
def photo() -> bytes:
    return cv2.imencode(".jpg", data.astronaut()[..., ::-1])[1].tobytes()


@pytest.fixture(scope="module")
def watch(replicas: list[Replica], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Prometheus, which asks both servers every second."""
    folder = tmp_path_factory.mktemp("prometheus")
    pages = ", ".join(f'"127.0.0.1:{replica.page}"' for replica in replicas)
    tritons = ", ".join(f'"127.0.0.1:{replica.server.ports[2]}"' for replica in replicas)
    changes = {"15s": "1s", '"127.0.0.1:7860"': pages, '"127.0.0.1:8002"': tritons}
    (folder / "prometheus.yml").write_text(example("prometheus/prometheus.yml", changes))
    (folder / "rules.yml").write_text(example("prometheus/rules.yml", {}))
    (port,) = free_ports(1)
    command = [find("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (
        program(command, port, folder / "log"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60, trust_env=False) as client,
    ):
        yield client


def ask(watch: httpx.Client, expression: str) -> list[dict[str, Any]]:
    """What an expression gives now."""
    answer = watch.get("/query", params={"query": expression})
    assert answer.status_code == 200, (expression, answer.text)
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return [each for each in found if each["value"][1] != "NaN"]


def wait_for(watch: httpx.Client, expressions: list[str]) -> None:
    """Wait until all of them give something."""
    deadline = time.monotonic() + SCRAPE_SECONDS
    while empty := [each for each in expressions if not ask(watch, each)]:
        assert time.monotonic() < deadline, empty
        time.sleep(0.5)


def adapter_query() -> str:
    """The autoscaler's metric, as the Prometheus adapter asks for it."""
    (rule,) = yaml.safe_load(example("kubernetes/prometheus-adapter.yaml", {}))["rules"]["custom"]
    query: str = rule["metricsQuery"]
    return query.replace("<<.GroupBy>>", "instance").replace("<<.LabelMatchers>>", 'job="matting"')


def test_the_dashboard_and_the_rules_show_what_happens(
    replicas: list[Replica], photo: bytes, watch: httpx.Client
) -> None:
    """Every expression has a result while photos are cut out, one is bad, and a key is wrong."""
    panels = json.loads(example("grafana/dashboard.json", {}))["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(expressions) >= 15
    expressions = [each.replace("$job", "matting").replace("$__rate_interval", "1m") for each in expressions]
    page = replicas[0].page
    wait_for(watch, [f'matting_queue{{instance="127.0.0.1:{page}"}}'])
    with httpx.Client(base_url=f"http://127.0.0.1:{page}", timeout=60, trust_env=False) as client:
        for _ in range(2):  # a rate needs a counter that was there before
            right = {"X-Api-Key": KEY}
            assert client.post("/v1/alpha", content=photo, headers=right).status_code == 200
            assert client.post("/v1/alpha", content=b"no photo", headers=right).status_code == 400
            assert client.post("/v1/alpha", content=photo, headers={"X-Api-Key": "guessed"}).status_code == 403
            time.sleep(2)
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    wait_for(watch, [*expressions, *recorded, adapter_query()])
    (queued,) = ask(watch, f'sum(matting_outputs_total{{kept="true", instance="127.0.0.1:{page}"}})')
    assert float(queued["value"][1]) == 2
    evaluated = [rule for group in watch.get("/rules").json()["data"]["groups"] for rule in group["rules"]]
    assert len(evaluated) == len(rules())
    assert {rule["health"] for rule in evaluated} <= {"ok", "unknown"}, evaluated
    firing = {rule["name"] for rule in evaluated if rule.get("state") == "firing"}
    assert firing == set()


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(example("prometheus/rules.yml", {}))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_one_of_two_is_killed_and_no_photo_is_lost(
    replicas: list[Replica], balancers: tuple[str, str], photo: bytes, watch: httpx.Client
) -> None:
    answers: list[Alpha] = []
    api, triton = balancers
    lost = replicas[0]
    first = [replica.answers() for replica in replicas]
    with ThreadPoolExecutor(2 * CALLERS) as pool:
        callers = [pool.submit(over_http, api, photo, answers.append) for _ in range(CALLERS)]
        callers += [pool.submit(over_grpc, triton, photo, answers.append) for _ in range(CALLERS)]
        while not all(replica.answers() > seen for replica, seen in zip(replicas, first, strict=True)):
            assert not all(caller.done() for caller in callers), "one of the two has had no photo"
            time.sleep(0.05)
        assert lost.server.counts(MODEL)["nv_inference_count"] > 0
        lost.kill()
        before = len(answers)
        assert before < len(callers) * PHOTOS
        for caller in callers:
            caller.result(120)
    assert len(answers) == len(callers) * PHOTOS
    for alpha in answers:
        assert np.abs(alpha.astype(int) - answers[0]).max() <= 1
    wait_for(watch, [f'ALERTS{{alertname="MattingDown", instance="127.0.0.1:{lost.page}"}}'])
