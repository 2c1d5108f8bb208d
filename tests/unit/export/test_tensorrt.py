"""The TensorRT plan's commands and its gate; building and running one needs a GPU."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from google.protobuf import text_format
from matting_export.main import ROOT, main
from matting_export.metadata import SIZES
from matting_export.tensorrt import (
    BEST_BATCH,
    FP16,
    FP32,
    IMAGE,
    MAX_BATCH,
    MOUNTED,
    docker,
    publish_plan,
    read_output,
    trtexec,
)
from matting_export.tolerances import ParityError
from skimage import data
from tritonclient.grpc import model_config_pb2

from tests.unit.client.conftest import tiny_model

SIDE = 512
Command = Callable[[list[str]], None]


@pytest.mark.parametrize("name", SIZES)
def test_the_plan_takes_the_batches_that_are_served(name: str) -> None:
    text = (ROOT / "model_repository" / name / "configs" / "tensorrt.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    command, size = trtexec(MOUNTED, name, SIZES[name]), SIZES[name]
    assert config.max_batch_size == MAX_BATCH[size]
    assert f"--maxShapes=image:{config.max_batch_size}x{size}x{size}x3" in command
    assert {"--stronglyTyped", f"--optShapes=image:{BEST_BATCH[size]}x{size}x{size}x3"} <= set(command)
    assert any(part.startswith("--timingCacheFile=") for part in command)


def test_the_plan_is_built_in_the_container_that_serves_it() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert compose["x-triton"]["image"] == f"${{TRITON_IMAGE:-{IMAGE}}}"
    assert docker(Path("/a b"), ["x"])[-2:] == [IMAGE, "x"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Alpha = 2 (mean of RGB) - 128: what a right plan computes is known without a GPU."""
    (tmp_path / "matting_512" / "1").mkdir(parents=True)
    onnx.save(tiny_model(SIDE), tmp_path / "matting_512" / "1" / "model.onnx")
    return tmp_path


def container(repository: Path, error: int, calls: list[list[str]], seen_as: str = "/models") -> Command:
    """What the container's trtexec leaves behind, for a plan that is off by ``error`` steps."""

    def run(command: list[str]) -> None:
        calls.append(command)
        folder = repository / "matting_512"
        options = dict(part.split("=", 1) for part in command if part.startswith("--") and "=" in part)
        if "--saveEngine" in options:
            (folder / "1" / "model.plan.trial").write_bytes(b"plan")
            return
        shape = tuple(map(int, options["--shapes"].split(":")[1].split("x")))
        given = Path(str(repository) + options["--loadInputs"].removeprefix("image:").removeprefix(seen_as))
        image = np.fromfile(given, np.uint8).reshape(shape)
        alpha = np.clip(np.round(2 * image.mean(-1, keepdims=True) - 128) + error, 0, 255)
        dimensions = "x".join(map(str, alpha.shape))
        content = [{"name": "alpha", "dimensions": dimensions, "values": alpha.reshape(-1).astype(int).tolist()}]
        Path(str(repository) + options["--exportOutput"].removeprefix(seen_as)).write_text(json.dumps(content))

    return run


def files(repository: Path) -> set[str]:
    return {str(path.relative_to(repository / "matting_512")) for path in repository.rglob("*") if path.is_file()}


def test_a_plan_that_agrees_is_published(repository: Path) -> None:
    calls: list[list[str]] = []
    report = publish_plan(repository, "matting_512", SIDE, [data.astronaut()], container(repository, 0, calls))
    assert list(report) == [f"batch {n}" for n in (1, 2, 4, 8, 16)]
    assert all(found["mean"] < 1e-4 for found in report.values())
    assert files(repository) == {"1/model.onnx", "1/model.plan"}
    assert len(calls) == 6 and all(call[:2] == ["docker", "run"] for call in calls)
    assert f"--onnx=/models/matting_512/1/{FP32}" in calls[0]  # for want of the fp16 file


def test_inside_the_container_docker_is_not_needed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = tmp_path_factory.mktemp("tensorrt") / "trtexec"
    program.touch()
    monkeypatch.setattr("matting_export.tensorrt.TRTEXEC", program)
    shutil.copy(repository / "matting_512" / "1" / FP32, repository / "matting_512" / "1" / FP16)
    calls: list[list[str]] = []
    run = container(repository, 0, calls, str(repository))
    publish_plan(repository, "matting_512", SIDE, [data.astronaut()], run)
    assert files(repository) == {f"1/{FP32}", f"1/{FP16}", "1/model.plan"}
    assert len(calls) == 6 and all(call[0] == str(program) for call in calls)
    assert f"--onnx={repository}/matting_512/1/{FP16}" in calls[0]


def test_a_plan_that_computes_something_else_is_not(repository: Path) -> None:
    (repository / "matting_512" / "1" / "model.plan").write_bytes(b"before")
    with pytest.raises(ParityError, match=r"model\.plan, batch 1: got a largest difference"):
        publish_plan(repository, "matting_512", SIDE, [data.astronaut()], container(repository, 1, []))
    assert files(repository) == {"1/model.onnx", "1/model.plan"}
    assert (repository / "matting_512" / "1" / "model.plan").read_bytes() == b"before"


def test_a_build_that_fails_leaves_nothing(repository: Path) -> None:
    def run(command: list[str]) -> None:
        (repository / "matting_512" / "1" / "model.plan.trial").write_bytes(b"half")
        raise subprocess.CalledProcessError(1, command)

    with pytest.raises(subprocess.CalledProcessError):
        publish_plan(repository, "matting_512", SIDE, [data.astronaut()], run)
    assert files(repository) == {"1/model.onnx"}


def test_a_docker_that_fails_is_said_in_a_line(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 125\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert main(["tensorrt", "--repository", str(repository), "--models", "matting_512"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("docker: ended with 125, see above; nothing was published") and "trtexec" not in said


def test_exported_output_is_read(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text('[{"name": "alpha", "dimensions": "1x1x2x1", "values": [0, 255]}]')
    assert read_output(tmp_path / "out.json", (1, 1, 2, 1)).reshape(-1).tolist() == [0, 255]
