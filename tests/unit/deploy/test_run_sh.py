"""run.sh, before it installs any package."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.support.image import ROOT

STRANGER = 65534  # nobody


def lay_out(folder: Path) -> None:
    (folder / "client").mkdir(parents=True)
    shutil.copy(ROOT / "run.sh", folder)
    for part in ("pyproject.toml", "client/pyproject.toml"):
        (folder / part).touch()


@pytest.mark.parametrize("installed", [False, True])
def test_a_folder_that_cannot_be_written_is_named(installed: bool) -> None:
    """A clone of root's, or an installation of somebody else's."""
    if os.getuid() != 0:
        pytest.skip("only root may become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        lay_out(folder)
        for each in (folder, folder / "run.sh"):
            each.chmod(0o755)
        if installed:
            (folder / ".venv").mkdir(mode=0o755)
            os.chown(folder, STRANGER, STRANGER)
        done = subprocess.run(
            [folder / "run.sh", "--setup-only"],
            user=STRANGER,
            group=STRANGER,
            extra_groups=[],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    place = folder / ".venv" if installed else folder
    assert done.stderr.startswith(f"run.sh: {place} cannot be written by "), done.stderr
    assert done.stderr.count("\n") == 1


def test_the_environment_of_a_moved_folder_is_made_anew(tmp_path: Path) -> None:
    """Otherwise `activate` would lead to where the folder was, and pip would not start."""
    before, after = tmp_path / "before", tmp_path / "after"
    lay_out(before)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", before / ".venv"], check=True)
    (packages,) = before.glob(".venv/lib/python*/site-packages")
    (packages / "pip.pth").write_text(sysconfig.get_path("purelib") + "\n/照片\n", "utf-8")
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PYTHONHOME": "/nowhere", "LC_ALL": "C"}
    subprocess.run([before / "run.sh", "--setup-only"], env=environment, capture_output=True)
    assert (packages / "pip.pth").exists()
    before.rename(after)
    subprocess.run([after / "run.sh", "--setup-only"], env=environment, capture_output=True)
    command = ["bash", "-c", ". .venv/bin/activate && pip --version"]
    told = subprocess.run(command, cwd=after, capture_output=True, text=True, check=True)
    assert f"from {after}/" in told.stdout


def test_one_installs_at_a_time(tmp_path: Path) -> None:
    lay_out(tmp_path)
    place = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(place, fcntl.LOCK_EX)
    with subprocess.Popen([tmp_path / "run.sh", "--setup-only"], stderr=subprocess.PIPE, text=True) as second:
        assert second.stderr and "Waiting" in second.stderr.readline()
        os.close(place)
        assert "Installing" in second.stderr.read()


def test_who_asks_for_help_installs_nothing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "run.sh", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "start").symlink_to("../run.sh")
    told = subprocess.run(["sh", tmp_path / "bin" / "start", "--help"], capture_output=True, text=True, check=True)
    assert "./run.sh --setup-only" in told.stdout and told.stderr == ""
    assert {each.name for each in tmp_path.iterdir()} == {"bin", "run.sh"}


def test_every_package_takes_debians_python() -> None:
    """pip only says "conflicting dependencies" where one asks for more than 3.11.2, which Debian 12 has."""
    asked = {each.metadata["Name"]: each.metadata["Requires-Python"] or "" for each in distributions()}
    assert [name for name, versions in asked.items() if not SpecifierSet(versions).contains("3.11.2")] == []
