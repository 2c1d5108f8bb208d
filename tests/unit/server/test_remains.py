"""What a killed server leaves is removed by the next one; what lives, or is not ours, is left alone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from matting_server import orphans
from matting_server.workspace import create_workspace

ROOT = Path(__file__).resolve().parents[3]


def test_sweep_spares_the_living_and_takes_the_dead(tmp_path: Path) -> None:
    living = create_workspace(tmp_path)
    code = f"""
import os, pathlib, sys
from matting_server import orphans
from matting_server.workspace import create_workspace
workspace = create_workspace(pathlib.Path({str(tmp_path)!r}))
(orphans.SHM / (workspace.shm_prefix + "region")).write_bytes(b"x")
print(workspace.root, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    dead = Path(done.stdout.strip())
    region = orphans.SHM / f"{dead.name.replace('-', '_')}_region"
    assert dead.is_dir()
    assert region.exists()
    assert orphans.sweep(tmp_path) == [dead]
    assert not dead.exists()
    assert not region.exists()
    assert living.root.is_dir()
    living.close()


def test_sweep_leaves_what_is_just_being_made(tmp_path: Path) -> None:
    young, old = tmp_path / "new-unet-matting-a", tmp_path / "new-unet-matting-b"
    young.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    assert orphans.sweep(tmp_path) == [old]
    assert young.is_dir()


def test_sweep_follows_no_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "unet-matting-12345678").symlink_to(precious)
    assert orphans.sweep(tmp_path) == []
    assert precious.is_dir()


def test_sweep_leaves_folders_of_others(tmp_path: Path) -> None:
    for name in ("unet-matting-page-abc123", "unet-matting-", "unet-matting-1234567", "unet-matting-notatoken"):
        (tmp_path / name).mkdir()
    assert orphans.sweep(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("was_ready", [True, False])
def test_scratch_folders_of_a_dead_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_ready: bool) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(orphans, "_SCRATCH", scratch)
    (scratch / "python_env_before").mkdir()
    time.sleep(0.05)
    workspace = create_workspace(tmp_path)
    time.sleep(0.05)
    (scratch / "python_env_ours").mkdir()
    (scratch / "python_env_used").mkdir()
    (scratch / "python_env_used" / "file").write_text("somebody unpacked an environment here")
    left = {"python_env_before", "python_env_used"}
    if was_ready:
        workspace.note_scratch()
        (scratch / "python_env_after").mkdir()
        left.add("python_env_after")
    workspace.clean_up()
    assert {path.name for path in scratch.iterdir()} == left
    time.sleep(0.05)
    (scratch / "python_env_again").mkdir()  # of the next start, which does not get far either
    workspace.close()
    assert {path.name for path in scratch.iterdir()} == left


def test_processes_of_a_dead_server_are_killed(tmp_path: Path) -> None:
    dead, living = tmp_path / "unet-matting-aaaaaaaa", create_workspace(tmp_path)
    dead.mkdir()
    children = [
        psutil.Popen(["/bin/sleep", "60"], env={"MATTING_WORKSPACE": str(folder)}) for folder in (dead, living.root)
    ]
    try:
        for child in children:  # until it is `sleep`, with its own environment
            while child.name() != "sleep":
                time.sleep(0.01)
        assert orphans.sweep(tmp_path) == [dead]
        assert children[0].wait(5) == -9
        assert children[1].poll() is None
    finally:
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
            child.wait()
        living.close()
