"""docker-compose.yml is valid, and describes what we mean: it was never run on a machine with a container engine."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((Path(__file__).parent / "compose_spec.json").read_text())
TARGETS = ("cpu", "gpu", "tensorrt")


def _interpolated(value: Any) -> Any:
    """``value`` with ${NAME:-default} replaced by the default, as Compose does it, and $$ by $."""
    if isinstance(value, dict):
        return {key: _interpolated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolated(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value).replace("$$", "$")
    return value


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = _interpolated(compose["services"])
    return content


def _schema_errors(content: dict[str, Any]) -> list[str]:
    # The schema has `id` where drafts since 6 say `$id`; as `id` is then an unknown word, its references stay local.
    validator = jsonschema.Draft201909Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(content)]


def test_schema(compose: dict[str, Any]) -> None:
    assert _schema_errors(compose) == []
    assert _schema_errors(_interpolated(compose)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("healthchek", {}), ("ports", "8000:8000"), ("image", 7), ("depends_on", {"x": {"condition": 1}})],
)
def test_schema_notices_mistakes(compose: dict[str, Any], key: str, value: Any) -> None:
    broken = copy.deepcopy(compose)
    broken["services"]["triton-cpu"][key] = value
    assert _schema_errors(broken)


def test_one_triton_and_one_page_for_each_target(services: dict[str, Any]) -> None:
    expected = {f"{role}-{target}" for role in ("triton", "page") for target in TARGETS} | {"plans"}
    assert set(services) == expected
    for target in TARGETS:
        assert [name for name, each in services.items() if each["profiles"] == [target]] == [
            f"triton-{target}",
            f"page-{target}",
        ]


def test_every_service_is_locked_down(services: dict[str, Any]) -> None:
    for name, each in services.items():
        assert each["read_only"] is True, name
        assert int(each["user"].split(":")[0]) > 0, name
        assert each["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in each["security_opt"], name
        limits = each["deploy"]["resources"]["limits"]
        assert float(limits["cpus"]) > 0, name
        assert re.fullmatch(r"\d+g", limits["memory"]), name
        assert each["pids_limit"] > 0, name
        assert "privileged" not in each, name


def test_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = {name: each["ports"] for name, each in services.items()}
    for target in TARGETS:
        triton = [f"127.0.0.1:{port}:{port}" for port in (8000, 8001, 8002)]
        assert published[f"triton-{target}"] == triton
        assert published[f"page-{target}"] == ["127.0.0.1:7860:7860"]
    assert published["plans"] == []


def test_only_plans_may_write_to_the_repository(services: dict[str, Any]) -> None:
    for name, each in services.items():
        wanted = [] if name.startswith("page") else ["./model_repository:/models" + (":ro" * (name != "plans"))]
        assert each.get("volumes", []) == wanted, name
    assert (ROOT / "model_repository").is_dir()


def test_health_checks_and_order(services: dict[str, Any]) -> None:
    for target in TARGETS:
        triton, page = services[f"triton-{target}"], services[f"page-{target}"]
        assert triton["healthcheck"]["test"][-1] == "http://127.0.0.1:8000/v2/health/ready"
        assert "http://127.0.0.1:7860/readyz" in page["healthcheck"]["test"][-1]
        assert page["depends_on"] == {f"triton-{target}": {"condition": "service_healthy"}}
        assert triton["restart"] == page["restart"] == "unless-stopped"
    assert services["plans"]["restart"] == "no"
    assert services["plans"]["healthcheck"] == {"disable": True}


def test_page_talks_to_triton_by_its_alias(services: dict[str, Any]) -> None:
    for target in TARGETS:
        assert services[f"triton-{target}"]["networks"]["default"]["aliases"] == ["triton"]
        command = services[f"page-{target}"]["command"]
        assert command[:2] == ["matting", "ui"]
        assert command[command.index("--url") + 1] == "triton:8001"
        assert command[command.index("--port") + 1] == "7860"


def test_gpus_only_where_they_are_wanted(services: dict[str, Any]) -> None:
    with_gpu = {
        name for name, each in services.items() if "devices" in each["deploy"]["resources"].get("reservations", {})
    }
    assert with_gpu == {"triton-gpu", "triton-tensorrt", "plans"}
    for name in with_gpu:
        (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_triton_commands(services: dict[str, Any]) -> None:
    plain, gpu, tensorrt = (services[f"triton-{target}"]["command"] for target in TARGETS)
    assert gpu == [*plain, "--model-config-name=cuda"]
    assert tensorrt == [*plain, "--model-config-name=tensorrt"]
    # Whoever reaches the port must not be able to load code.
    assert "--model-control-mode=none" in plain


def test_plans_are_built_by_the_image_that_serves_them_and_pass_its_gate(services: dict[str, Any]) -> None:
    plans = services["plans"]
    assert plans["build"]["args"] == {"TRITON_IMAGE": services["triton-tensorrt"]["image"]}
    text = (ROOT / plans["build"]["dockerfile"]).read_text()
    assert f"ARG TRITON_IMAGE={services['triton-tensorrt']['image']}\n" in text
    assert re.search(r"^FROM \$\{TRITON_IMAGE\}$", text, re.MULTILINE)
    assert 'ENTRYPOINT ["python3", "-m", "matting_export", "tensorrt"]\n' in text
    assert plans["command"] == ["--repository", "/models"]


def test_what_the_plans_image_holds_is_enough(tmp_path: Path) -> None:
    """The files that its Dockerfile copies run by themselves, where torch, onnx and NNCF cannot be imported."""
    text = (ROOT / "deploy" / "plans.Dockerfile").read_text()
    for sources, target in re.findall(r"^COPY (?!--from)(.+) /opt/tool/([\w/]+)/$", text, re.MULTILINE):
        (tmp_path / target).mkdir(parents=True)
        for source in sources.split():
            shutil.copy(ROOT / source, tmp_path / target)
    code = "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'nncf'])); import matting_export.main as m; "
    code += "print(m.__file__); sys.exit(m.main(['tensorrt', '--repository', '/models']))"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "client"), "PATH": str(tmp_path)}  # no docker on this PATH
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path)) and "--stronglyTyped" in done.stdout


def test_it_says_that_it_was_not_run() -> None:
    assert "NOT RUN YET" in (ROOT / "docker-compose.yml").read_text()


def test_page_image() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["Dockerfile", "plans.Dockerfile"])
def test_images_take_pinned_versions_and_files_that_exist(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text()
    assert "-c constraints.txt" in text
    ignore = (ROOT / "deploy" / f"{name}.dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    # Everything that is copied out of the repository exists and is let through.
    for source in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for path in source.split()[:-1]:
            assert (ROOT / path).exists(), path
            assert any(path == line[1:] or path.startswith(line[1:] + "/") for line in ignore if line[:1] == "!"), path
