"""The embedded server's environment and command line, and what is said where it cannot run."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from matting_server import tritonserver
from matting_server.errors import SetupError
from matting_server.settings import Settings
from matting_server.workspace import create_workspace


def test_runtime_of_this_machine() -> None:
    runtime = tritonserver.find_runtime()
    assert os.access(runtime.binary, os.X_OK)
    assert os.access(runtime.stub, os.X_OK)
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in runtime.stub.parts
    assert (runtime.python_backend / "libtriton_python.so").is_file()


@pytest.mark.parametrize(
    ("system", "machine", "python", "what"),
    [
        ("darwin", "arm64", (3, 11), "runs on Linux x86-64, this is darwin arm64"),
        ("linux", "aarch64", (3, 12), "runs on Linux x86-64, this is linux aarch64"),
        ("linux", "x86_64", (3, 13), "got Python 3.13, the embedded Triton needs 3.11 or 3.12"),
    ],
)
def test_platform(system: str, machine: str, python: tuple[int, int], what: str) -> None:
    with pytest.raises(SetupError, match=what):
        tritonserver.check_platform(system, machine, python)


def test_numpy_2_is_refused() -> None:
    tritonserver.check_numpy("1.26.4")
    with pytest.raises(SetupError, match=r"got numpy 2\.1\.0, the embedded Triton needs numpy below 2"):
        tritonserver.check_numpy("2.1.0")


def test_missing_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"nvidia-pytriton.* is not installed: run \./run\.sh --setup-only"):
        tritonserver.find_runtime()


def test_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    runtime = tritonserver.find_runtime()
    workspace = create_workspace(tmp_path)
    env = tritonserver.environment(runtime, Settings(threads=3, precision="f32"), workspace)
    workspace.close()
    assert env["MATTING_WORKSPACE"] == str(workspace.root)
    assert env["MATTING_LIFE"] == str(workspace.life)
    # The stub looks for its Python next to the first `python` on PATH.
    assert env["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin"]
    assert env["LD_LIBRARY_PATH"].split(os.pathsep)[-2:] == [str(runtime.libraries), "/opt/lib"]
    assert (env["MATTING_THREADS"], env["MATTING_PRECISION"]) == ("3", "f32")
    # Triton is to see no GPU, the processes of the models what the user lets them see.
    assert (env["CUDA_VISIBLE_DEVICES"], env.get("MATTING_CUDA_DEVICES")) == ("", "1")
    assert env["MATTING_METRICS_SOCKET"] == str(workspace.metrics_socket)


@pytest.mark.parametrize(
    ("settings", "gpus", "expected"),
    [
        (Settings(), [], (1, 0)),
        (Settings(), ["0"], (1, 0)),
        (Settings(), ["0", "1", "2"], (3, 2)),
        (Settings(precision="bf16"), ["0", "1"], (1, 0)),
        (Settings(instances=2), ["0"], (2, 4)),
        (Settings(instances=20), [], (20, 1)),
    ],
)
def test_instances_and_their_threads(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, gpus: list[str], expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(tritonserver, "visible_gpus", lambda: gpus)
    monkeypatch.setattr(tritonserver, "has_cuda", lambda: bool(gpus))
    monkeypatch.setattr(tritonserver, "usable_cores", lambda: 8)
    instances = tritonserver.instances_of(settings)
    assert (instances, tritonserver.threads_of(instances)) == expected


def test_command_line_listens_where_it_was_told(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path)
    settings = Settings(host="127.0.0.1", grpc_port=2)
    command = tritonserver.command_line(tritonserver.find_runtime(), settings, workspace)
    assert "--grpc-address=127.0.0.1" in command
    assert "--grpc-port=2" in command
    for kind in ("http", "metrics"):  # files in a folder that nobody else can enter
        (address,) = [part for part in command if part.startswith(f"--{kind}-address=")]
        assert address == f"--{kind}-address=unix:{workspace.root}/{kind}"
    assert any(workspace.shm_prefix in part for part in command)
    closed, memory = (part for part in command if part.startswith("--grpc-restricted-protocol="))
    assert "model-repository" in closed
    assert workspace.shm_token in memory
    workspace.close()
