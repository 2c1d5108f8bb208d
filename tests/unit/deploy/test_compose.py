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
from matting_api.arguments import EXAMPLES, parser
from matting_client.serving import LOG_VARIABLE

from tests.support import image

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((Path(__file__).parent / "compose_spec.json").read_text())


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
    broken["services"]["triton"][key] = value
    assert _schema_errors(broken)


def test_one_container_but_for_tensorrt(services: dict[str, Any]) -> None:
    profiles = {name: each["profiles"] for name, each in services.items()}
    assert profiles == {
        "matting": ["cpu"],
        "matting-gpu": ["gpu"],
        "triton": ["tensorrt"],
        "page": ["tensorrt"],
        "plans": ["plans"],
    }
    assert services["matting"]["build"] == services["page"]["build"] == "."
    assert services["matting-gpu"]["build"] == {"context": ".", "args": {"ENGINE": "cuda"}}
    assert services["matting-gpu"]["image"] != services["matting"]["image"]


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


def test_temporary_folders_have_a_size_and_run_programs(services: dict[str, Any]) -> None:
    """Docker's tmpfs is noexec and as large as half of the memory unless told otherwise."""
    for name, each in services.items():
        for entry in each["tmpfs"]:
            place, _, options = entry.partition(":")
            assert (place, options.split(",")[0]) == ("/tmp", "exec"), name
            size = re.search(r"\bsize=(\d+)g\b", options)
            assert size, name
            memory = each["deploy"]["resources"]["limits"]["memory"]
            assert int(size[1]) < int(memory.removesuffix("g")), name  # it counts as memory


def test_settings_come_in(services: dict[str, Any]) -> None:
    """Every variable that there is, and only such; MATTING_OUTPUTS is the mounted folder."""
    known = {LOG_VARIABLE, *re.findall(r"\b(?:MATTING|AWS)_\w+", EXAMPLES)} - {"MATTING_OUTPUTS"}
    for name in ("matting", "matting-gpu", "page"):
        given = services[name]["environment"]
        assert len(given) == len(set(given)) and set(given) == known


def test_published_on_loopback_only(services: dict[str, Any]) -> None:
    page = ["127.0.0.1:7860:7860"]
    published = {name: each.get("ports", []) for name, each in services.items()}
    triton = [f"127.0.0.1:{port}:{port}" for port in (8000, 8001, 8002)]
    assert published == {"matting": page, "matting-gpu": page, "page": page, "triton": triton, "plans": []}


def test_only_plans_may_write_to_the_repository(services: dict[str, Any], compose: dict[str, Any]) -> None:
    for name in ("matting", "matting-gpu", "page"):
        assert services[name]["volumes"] == ["outputs:/app/outputs"]
    assert "outputs" in compose["volumes"]
    assert services["triton"]["volumes"] == ["./model_repository:/models:ro"]
    assert services["plans"]["volumes"] == ["./model_repository:/models"]
    assert (ROOT / "model_repository").is_dir()


def test_health_checks_and_order(services: dict[str, Any]) -> None:
    assert services["triton"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8000/v2/health/ready"
    assert services["page"]["depends_on"] == {"triton": {"condition": "service_healthy"}}
    assert all("healthcheck" not in services[name] for name in ("matting", "matting-gpu", "page"))  # the image's own
    assert services["plans"]["restart"] == "no"
    assert services["plans"]["healthcheck"] == {"disable": True}


def test_the_page_asks_the_triton_beside_it(services: dict[str, Any]) -> None:
    command = services["page"]["command"]
    assert command[:2] == ["matting", "ui"]
    given = parser().parse_args(command[2:])
    assert (given.url, given.host, given.port) == ("triton:8001", "0.0.0.0", 7860)
    assert "triton" in services


def test_gpus_only_where_they_are_wanted(services: dict[str, Any]) -> None:
    with_gpu = {
        name for name, each in services.items() if "devices" in each["deploy"]["resources"].get("reservations", {})
    }
    assert with_gpu == {"matting-gpu", "triton", "plans"}
    for name in with_gpu:
        (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_triton_commands(services: dict[str, Any]) -> None:
    command = services["triton"]["command"]
    assert "--model-config-name=tensorrt" in command
    # Whoever reaches the port must not be able to load code.
    assert "--model-control-mode=none" in command


def test_plans_are_built_by_the_image_that_serves_them_and_pass_its_gate(services: dict[str, Any]) -> None:
    plans = services["plans"]
    assert plans["build"]["args"] == {"TRITON_IMAGE": services["triton"]["image"]}
    text = (ROOT / plans["build"]["dockerfile"]).read_text()
    assert f"ARG TRITON_IMAGE={services['triton']['image']}\n" in text
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


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/plans.Dockerfile"])
def test_images_take_pinned_versions_and_files_that_exist(name: str) -> None:
    steps = image.instructions(ROOT / name)
    assert "-c constraints.txt" in " ".join(arguments for _, arguments in steps)
    ignored = ROOT / (".dockerignore" if name == "Dockerfile" else f"{name}.dockerignore")
    rules = ignored.read_text().splitlines()
    assert rules[1] == "*"
    let_through = [Path(rule[1:]) for rule in rules if rule.startswith("!")]
    # Everything that is copied out of the repository exists and is let through.
    for instruction, arguments in steps:
        if instruction == "COPY" and "--from" not in arguments:
            for path in [word for word in arguments.split()[:-1] if not word.startswith("--")]:
                assert (ROOT / path).exists(), path
                assert any(Path(path).is_relative_to(each) for each in let_through), path
