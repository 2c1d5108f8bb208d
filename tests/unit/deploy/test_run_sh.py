"""run.sh, before it installs anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.image import ROOT

STRANGER = 65534  # nobody


@pytest.mark.parametrize("installed", [False, True])
def test_a_folder_that_cannot_be_written_is_named(installed: bool) -> None:
    """A clone of root's, or an installation of somebody else's."""
    if os.getuid() != 0:
        pytest.skip("only root may become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        shutil.copy(ROOT / "run.sh", folder)
        for each in (folder, folder / "run.sh"):
            each.chmod(0o755)
        if installed:
            (folder / ".venv").mkdir(mode=0o755)
            os.chown(folder, STRANGER, STRANGER)
        (folder / "client").mkdir()
        for part in ("pyproject.toml", "client/pyproject.toml"):
            (folder / part).touch()
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
