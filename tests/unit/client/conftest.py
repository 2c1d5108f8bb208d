"""A tiny real model of the served contract, and the command line, in this process or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from matting_client.cli.main import main
from onnx import TensorProto, helper

from tests.unit.client.pictures import astronaut, file_of

SIDE = 128
LOCAL = ("--engine", "local")  # of commands, which need no server then
RunCommand = Callable[..., "subprocess.CompletedProcess[bytes]"]


def tiny_model(side: int = SIDE, input_name: str = "image") -> onnx.ModelProto:
    """Alpha = 2 (mean of RGB) - 128, clipped: bright is subject."""
    nodes = [
        helper.make_node("Cast", [input_name], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["mean"], axes=[3], keepdims=1),
        helper.make_node("Mul", ["mean", "two"], ["double"]),
        helper.make_node("Sub", ["double", "offset"], ["shifted"]),
        helper.make_node("Clip", ["shifted", "low", "high"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["alpha"], to=TensorProto.UINT8),
    ]
    constants = {"two": 2.0, "offset": 128.0, "low": 0.0, "high": 255.0}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(input_name, TensorProto.UINT8, ["N", side, side, 3])],
        [helper.make_tensor_value_info("alpha", TensorProto.UINT8, ["N", side, side, 1])],
        [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the tiny model as matting_512."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "matting_512" / "1").mkdir(parents=True)
    onnx.save(tiny_model(), folder / "matting_512" / "1" / "model.onnx")
    return folder


@pytest.fixture
def local(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the tiny model the one of `--engine local` in this process."""
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    return repository


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Path of a JPEG, 200 x 150 px."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(file_of(astronaut(150, 200), "JPEG", quality=95))
    return path


@pytest.fixture
def environment(repository: Path) -> dict[str, str]:
    """Environment of a `matting` process that has the tiny model and turns warnings into errors."""
    return os.environ | {"MATTING_MODEL_REPOSITORY": str(repository), "PYTHONWARNINGS": "error"}


@pytest.fixture
def matting_process(environment: dict[str, str], tmp_path: Path) -> RunCommand:
    """Run `matting ARGUMENTS...` in `tmp_path`, in a process of its own."""

    def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "matting_client.cli.main", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120, **options)

    return run


@pytest.fixture
def matting(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> RunCommand:
    """As `matting_process`, in this process: a tenth of the cost."""

    def run(*arguments: str | Path, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [*map(str, arguments)]
        capfdbinary.readouterr()
        with monkeypatch.context() as patched:
            patched.chdir(tmp_path)
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input)))
            try:
                code = main(command)
            except SystemExit as end:
                code = int(end.code or 0)
        return subprocess.CompletedProcess(command, code, *capfdbinary.readouterr())

    return run
