"""The private folder: what goes in, who may sweep it, and what a missing file looks like to the user."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from google.protobuf import text_format
from matting_api.tempdir import private_folder
from matting_client.repository import CONTRACT_PARAMETER, facts_of
from matting_server.errors import SetupError
from matting_server.orphans import SHM
from matting_server.workspace import (
    Life,
    create_workspace,
    fill_backends,
    fill_models,
    with_instances,
    without_queue_policy,
)
from tritonclient.grpc import model_config_pb2

ROOT = Path(__file__).resolve().parents[3]


def _repository(folder: Path, model: bytes | None = b"onnx") -> Path:
    (folder / "matting_512" / "1").mkdir(parents=True)
    (folder / "matting_512" / "configs").mkdir()
    (folder / "matting_512" / "config.pbtxt").write_text('backend: "onnxruntime"')
    (folder / "matting_512" / "configs" / "tensorrt.pbtxt").write_text('platform: "tensorrt_plan"')
    if model is not None:
        (folder / "matting_512" / "1" / "model.onnx").write_bytes(model)
    return folder


def test_workspace_is_private_and_goes_away(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path)
    assert stat.S_IMODE(workspace.root.stat().st_mode) == 0o700
    assert [workspace.root] == list(tmp_path.iterdir())
    region = SHM / f"{workspace.shm_prefix}test"
    region.write_bytes(b"x")
    workspace.close()
    assert list(tmp_path.iterdir()) == []
    assert not region.exists()


def test_two_workspaces_never_share_a_name(tmp_path: Path) -> None:
    one, two = create_workspace(tmp_path), create_workspace(tmp_path)
    assert one.root != two.root
    assert one.shm_prefix != two.shm_prefix
    assert one.shm_token != two.shm_token
    one.close()
    two.close()


@pytest.mark.parametrize(
    ("folder", "what"),
    [
        ("/tmp/" + "x" * 90, "too long a name for the sockets in it: set TMPDIR to a shorter one"),
        ("/none", "/none: cannot make a folder there"),
        ("/临时", "/临时: Triton's Python reads ASCII names alone: set TMPDIR to "),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(folder: str, what: str) -> None:
    with pytest.raises(SetupError, match=what):
        create_workspace(Path(folder))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room for the sockets in it, as that of `tmp_path` may not."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("named", ["none", "full", "usable"])
def test_a_tmpdir_that_is_not_used_is_named(
    named: str, short: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By page and server alike, which run in another folder, as Python's `tempfile` chooses it."""
    folder, other = short / named, short / "other"
    other.mkdir()
    if named != "none":
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder if named == "usable" else other))
    if named == "full":
        full = OSError(28, "No space left on device")
        monkeypatch.setattr("tempfile.TemporaryFile", Mock(side_effect=full))
    workspace = create_workspace()
    assert workspace.root.parent == (folder if named == "usable" else other)
    workspace.close()
    with private_folder() as page:
        assert page.parent == workspace.root.parent
    reason = {"none": "No such file or directory", "full": "No space left on device"}.get(named)
    line = f"TMPDIR={folder} cannot be used ({reason}): using {other} instead"
    assert caplog.messages == ([line] if reason else [])


def test_a_folder_without_programs_is_named(tmp_path: Path) -> None:
    """As Docker mounts a tmpfs, and hardened machines /tmp."""
    mount = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o noexec tmpfs {tmp_path} && exec "$@"', "sh"]
    if subprocess.run([*mount, "true"], capture_output=True).returncode:
        pytest.skip("only root may mount")
    command = [sys.executable, "-m", "matting_server.main", "--grpc-port", "59999"]
    done = subprocess.run(
        [*mount, *command], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    what = f"matting serve: {tmp_path} is mounted noexec and Triton runs programs from it: set TMPDIR to a folder"
    assert done.stderr.startswith(what)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_models_are_a_view(tmp_path: Path) -> None:
    repository = _repository(tmp_path / "repository")
    workspace = create_workspace(tmp_path)
    assert fill_models(workspace, repository) == ["matting_512"]
    view = workspace.models / "matting_512"
    assert (view / "1" / "model.onnx").resolve() == (repository / "matting_512" / "1" / "model.onnx").resolve()
    assert (view / "configs" / "tensorrt.pbtxt").read_text() == 'platform: "tensorrt_plan"'
    workspace.touch("matting_512")
    assert (view / "1" / "revived").exists()
    assert [path.name for path in (repository / "matting_512" / "1").iterdir()] == ["model.onnx"]
    workspace.close()
    assert (repository / "matting_512" / "1" / "model.onnx").read_bytes() == b"onnx"


@pytest.mark.parametrize("model", [None, b""])
def test_missing_model_is_named(tmp_path: Path, model: bytes | None) -> None:
    repository = _repository(tmp_path / "repository", model)
    workspace = create_workspace(tmp_path)
    with pytest.raises(SetupError, match=r"model\.onnx is missing or empty") as raised:
        fill_models(workspace, repository)
    assert str(repository / "matting_512" / "1") in str(raised.value)
    shutil.rmtree(repository / "matting_512" / "1")
    with pytest.raises(SetupError, match=r"matting_512/1/model\.onnx is missing"):
        fill_models(workspace, repository)
    (_repository(tmp_path / "other") / "matting_512" / "config.pbtxt").write_bytes(b"\xff")
    with pytest.raises(SetupError, match=r"config\.pbtxt: cannot be read as UTF-8"):
        fill_models(workspace, tmp_path / "other")
    workspace.close()


@pytest.mark.parametrize("name", ["matting_512", "matting_1024"])
def test_the_limit_of_the_queue_moves_to_our_backend(name: str) -> None:
    before = (ROOT / "model_repository" / name / "config.pbtxt").read_text()
    old = text_format.Parse(before, model_config_pb2.ModelConfig())
    new = text_format.Parse(without_queue_policy(before), model_config_pb2.ModelConfig())
    limit = old.dynamic_batching.default_queue_policy.max_queue_size
    assert limit > 0
    assert new.HasField("dynamic_batching")
    assert not new.dynamic_batching.HasField("default_queue_policy")
    assert new.parameters["max_queue_size"].string_value == str(limit)
    assert without_queue_policy("dynamic_batching { }\n") == "dynamic_batching { }\n"
    # Nothing else changes.
    del new.parameters["max_queue_size"]
    old.dynamic_batching.ClearField("default_queue_policy")
    assert new == old


@pytest.mark.parametrize(
    "text", [None, "", "[1]", "{", '{"licence": 7}', '{"licence": "Lizenz \\"ä\\"\\n§", "size": 512}']
)
def test_the_server_tells_what_the_contract_says(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """In a form that Triton reads, whatever it holds; of a contract that says nothing, the log says so."""
    repository = _repository(tmp_path / "repository")
    contract = repository / "matting_512" / "contract.json"
    if text is not None:
        contract.write_text(text)
    workspace = create_workspace(tmp_path)
    fill_models(workspace, repository)
    written = (workspace.models / "matting_512" / "config.pbtxt").read_text()
    parameters = text_format.Parse(written, model_config_pb2.ModelConfig()).parameters
    if text and "Lizenz" in text:
        assert facts_of(parameters[CONTRACT_PARAMETER].string_value) == {"licence": 'Lizenz "ä"\n§'}
    else:
        assert not parameters
        assert (str(contract) in caplog.text) == (text is not None)
    workspace.close()


@pytest.mark.parametrize("name", ["matting_512", "matting_1024"])
def test_each_device_gets_an_instance_group(name: str) -> None:
    before = (ROOT / "model_repository" / name / "config.pbtxt").read_text()
    assert with_instances(before, 1) == before
    found = text_format.Parse(with_instances(before, 3), model_config_pb2.ModelConfig())
    assert [(group.name, group.count) for group in found.instance_group] == [(f"device_{n}", 1) for n in range(3)]
    old = text_format.Parse(before, model_config_pb2.ModelConfig())
    for config in (old, found):
        config.ClearField("instance_group")
    assert found == old
    own = "instance_group [ { count: 3 kind: KIND_CPU } ]"
    assert with_instances(own, 2) == own


@pytest.mark.parametrize(
    ("now", "stands_still"),
    [((1, 3, 3), True), ((2, 3, 3), False), ((2, 5, 3), True), ((2, 5, 4), False), ((1, 5, 4), True)],
    ids=["stopped", "idle", "stuck at a photo", "at work", "stopped after an answer"],
)
def test_a_process_that_stands_still(now: tuple[int, int, int], stands_still: bool) -> None:
    """Beats, requests taken and answered, after a look at which they were 1, 3 and 3."""
    assert Life(0, 7, *now).stands_still(Life(0, 7, 1, 3, 3)) is stands_still


@pytest.mark.parametrize(("make", "what"), [(False, "no such folder"), (True, "no model in it")])
def test_missing_repository_is_named(tmp_path: Path, make: bool, what: str) -> None:
    repository = tmp_path / "repository"
    if make:
        repository.mkdir()
    workspace = create_workspace(tmp_path)
    with pytest.raises(SetupError, match=what) as raised:
        fill_models(workspace, repository)
    assert str(repository) in str(raised.value)
    workspace.close()


def test_backend_is_made_of_copies(tmp_path: Path) -> None:
    """Triton refuses a backend directory whose files lead out of it."""
    source = tmp_path / "python"
    (source / "__pycache__").mkdir(parents=True)
    (source / "libtriton_python.so").write_bytes(b"so")
    stub = tmp_path / "stub"
    stub.write_text("#!")
    stub.chmod(0o755)
    workspace = create_workspace(tmp_path)
    fill_backends(workspace, source, stub)
    backend = workspace.backends / "onnxruntime"
    assert {path.name for path in backend.iterdir()} == {"libtriton_python.so", "stub", "model.py"}
    assert not any(path.is_symlink() for path in backend.iterdir())
    assert os.access(backend / "stub", os.X_OK)
    workspace.close()


def test_the_lock_ends_with_the_workspace(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path)
    descriptor = os.open(workspace.root, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    workspace.close()
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
