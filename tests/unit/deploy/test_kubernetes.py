"""The manifests: rendered by kubectl, valid by Kubernetes' own schemas, in line with each other and with the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from matting_api import arguments, paths
from matting_server import main as server

from tests.support import image
from tests.support.image import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OVERLAYS = ("cpu", "gpu", "tensorrt")
Json = dict[str, Any]


def render(folder: Path) -> list[Json]:
    kubectl = shutil.which("kubectl", path=sysconfig.get_path("scripts"))
    assert kubectl, "install the extra dev"
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module", params=OVERLAYS)
def resources(request: pytest.FixtureRequest) -> list[Json]:
    return render(FOLDER / request.param)


def of_kind(resources: list[Json], kind: str) -> list[Json]:
    return [each for each in resources if each["kind"] == kind]


def pods(resources: list[Json]) -> Iterator[Json]:
    """The templates of pods."""
    for each in resources:
        if each["kind"] in ("Deployment", "Job"):
            yield each["spec"]["template"]


def containers(pod: Json) -> list[Json]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def matches(selector: Json, pod: Json) -> bool:
    return selector.items() <= pod["metadata"]["labels"].items()


def test_schemas(resources: list[Json]) -> None:
    for each in resources:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


def test_schemas_notice_mistakes(resources: list[Json]) -> None:
    (deployment,) = of_kind(resources, "Deployment")
    deployment = yaml.safe_load(yaml.safe_dump(deployment))
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)


def test_everything_that_is_named_exists(resources: list[Json]) -> None:
    names = {(each["kind"], each["metadata"]["name"]) for each in resources}
    for pod in pods(resources):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        claims = [volume["persistentVolumeClaim"] for volume in volumes.values() if "persistentVolumeClaim" in volume]
        assert all(("PersistentVolumeClaim", claim["claimName"]) in names for claim in claims)
        for each in containers(pod):
            assert {mount["name"] for mount in each["volumeMounts"]} <= set(volumes)
            for source in each.get("envFrom", []):
                assert ("ConfigMap", source["configMapRef"]["name"]) in names
            for variable in each.get("env", []):
                assert variable["valueFrom"]["secretKeyRef"]["optional"]
    (scaler,) = of_kind(resources, "HorizontalPodAutoscaler")
    assert scaler["spec"]["minReplicas"] == 2
    assert all("replicas" not in each["spec"] for each in of_kind(resources, "Deployment"))  # it says how many
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in names


def test_selectors_choose_the_servers_and_nothing_else(resources: list[Json]) -> None:
    (deployment,) = of_kind(resources, "Deployment")
    template = deployment["spec"]["template"]
    (policy,) = of_kind(resources, "NetworkPolicy")
    chosen = [deployment["spec"]["selector"]["matchLabels"], policy["spec"]["podSelector"]["matchLabels"]]
    chosen += [each["spec"]["selector"] for each in of_kind(resources, "Service")]
    chosen += [each["spec"]["selector"]["matchLabels"] for each in of_kind(resources, "PodDisruptionBudget")]
    spread = template["spec"]["topologySpreadConstraints"]
    chosen += [each["labelSelector"]["matchLabels"] for each in spread]
    assert len(chosen) == 7 and {each["topologyKey"] for each in spread} >= {"kubernetes.io/hostname"}
    for selector in chosen:
        assert selector and [matches(selector, pod) for pod in pods(resources)].count(True) == 1
        assert matches(selector, template)
    # Whoever speaks gRPC is another program.
    (client,) = policy["spec"]["ingress"][1]["from"]
    assert not matches(client["podSelector"]["matchLabels"], template)


def test_ports_and_probes_meet(resources: list[Json]) -> None:
    (deployment,) = of_kind(resources, "Deployment")
    template = deployment["spec"]["template"]
    ports = {port["name"]: port["containerPort"] for each in containers(template) for port in each["ports"]}
    assert ports == {"http": 7860, "grpc": 8001}
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(resources, "Service")}
    assert {spec["ports"][0]["targetPort"] for spec in services.values()} == set(ports)
    assert services["matting-grpc"]["clusterIP"] == "None"
    assert services["matting"]["sessionAffinity"] == "ClientIP"
    page = template["spec"]["containers"][0]
    probes = {name: page[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {probe["port"] for probe in probes.values()} == {"http"}
    for each in template["spec"]["containers"]:
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= each.keys(), each["name"]
    wanted = {"startup": paths.READY, "readiness": paths.READY, "liveness": paths.LIVE}
    assert {name: probe["path"] for name, probe in probes.items()} == wanted
    notes = template["metadata"]["annotations"]
    assert (notes["prometheus.io/port"], notes["prometheus.io/path"]) == (str(ports["http"]), paths.METRICS)


def test_pods_are_locked_down(resources: list[Json]) -> None:
    for pod in pods(resources):
        user = pod["spec"]["securityContext"]
        assert user["runAsNonRoot"] and user["runAsUser"] == user["fsGroup"] == 10001
        assert user["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert all("sizeLimit" in volume["emptyDir"] for volume in pod["spec"]["volumes"] if "emptyDir" in volume)
        for each in containers(pod):
            rights = each["securityContext"]
            assert rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"]
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= each["resources"]["limits"].keys()


def test_the_end_fits_in_its_time(resources: list[Json]) -> None:
    """First no Service sends anything more, then there are 10 s to answer what was accepted."""
    (deployment,) = of_kind(resources, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    for each in pod["containers"]:
        words = each["lifecycle"]["preStop"]["exec"]["command"]
        assert words[0] == "sleep" and 5 <= float(words[1]) <= pod["terminationGracePeriodSeconds"] - 10
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_our_programs_take_these_arguments(resources: list[Json]) -> None:
    ran = set()
    for pod in pods(resources):
        for each in containers(pod):
            words = each["args"]
            if words[:2] == ["matting", "serve"]:
                begin = image.command(ROOT / "Dockerfile", "CMD")
                assert words[: len(begin)] == begin  # the command that tests/protocol/test_container.py runs
                given = server.parser().parse_args(words[2:])
                assert given.page and (given.page_host, given.host) == ("0.0.0.0", "0.0.0.0")
            elif words[:2] == ["matting", "ui"]:
                given = arguments.parser().parse_args(words[2:])
                assert (given.url, given.host) == ("127.0.0.1:8001", "0.0.0.0")
            elif each["name"] == "plans":
                assert words == COMPOSE["plans"]["command"]
            ran.add(each["name"])
    assert "matting" in ran
    known = arguments.EXAMPLES
    for each in of_kind(resources, "ConfigMap"):
        assert all(name in known for name in each["data"]), each["data"]
    every = [each for pod in pods(resources) for each in containers(pod)]
    settings = [variable["name"] for each in every for variable in each.get("env", [])]
    assert settings and all(name in known for name in settings)


def test_gpus_are_asked_for_where_they_are_used() -> None:
    asked = {}
    for overlay in OVERLAYS:
        everything = render(FOLDER / overlay)
        for pod in pods(everything):
            for each in containers(pod):
                asked[overlay, each["name"]] = each["resources"]["limits"].get("nvidia.com/gpu", 0)
    assert {place for place, count in asked.items() if count} == {
        ("gpu", "matting"),
        ("tensorrt", "triton"),
        ("tensorrt", "plans"),
    }


def test_only_models_are_copied_for_triton(tmp_path: Path) -> None:
    (job,) = of_kind(render(FOLDER / "tensorrt"), "Job")
    words = job["spec"]["template"]["spec"]["initContainers"][0]["args"]
    for each in ("matting_512", "__pycache__", "models"):
        (tmp_path / each).mkdir()
    words[-1] = re.sub(r" /(\S+/)?", " ", words[-1])
    subprocess.run(words, check=True, cwd=tmp_path)
    assert [*(tmp_path / "models").iterdir()] == [tmp_path / "models/matting_512"]


def test_both_tensorrt_containers_load_as_compose_does() -> None:
    (deployment,) = of_kind(render(FOLDER / "tensorrt"), "Deployment")
    triton = deployment["spec"]["template"]["spec"]["containers"][1]
    assert [*triton["command"], *triton["args"]] == COMPOSE["triton"]["command"]
    service = yaml.safe_load((FOLDER / "kserve" / "inferenceservice.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    model = service["spec"]["predictor"]["model"]
    assert set(model["args"]) <= set(triton["args"])
    assert triton["image"].endswith(f":{model['runtimeVersion']}")
    claims = {each["metadata"]["name"] for each in of_kind(render(FOLDER / "tensorrt"), "PersistentVolumeClaim")}
    assert model["storageUri"].removeprefix("pvc://") in claims


def test_the_adapter_makes_the_metric_that_the_autoscaler_asks_for(resources: list[Json]) -> None:
    (rule,) = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    (scaler,) = of_kind(resources, "HorizontalPodAutoscaler")
    (metric,) = scaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
