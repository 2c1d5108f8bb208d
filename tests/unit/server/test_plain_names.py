"""The environment of the models' processes, where ours has names that they cannot read."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import matting_client
import matting_server
import numpy as np
from matting_server.plain_names import python_for_models

IMPORTS = "import matting_client.runtime.loader as ours, numpy as np; print(ours.__file__, np.__file__)"


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As Triton's process starts Python: without a locale, isolated from variables."""
    command = [python, "-I", "-X", "utf8=0", *arguments]
    return subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, timeout=60)


def test_plain_names_are_left_alone(tmp_path: Path) -> None:
    assert python_for_models(tmp_path / "python") == Path(sys.executable).parent
    assert not (tmp_path / "python").exists()


def test_what_lies_in_a_folder_of_any_name_is_imported(tmp_path: Path) -> None:
    """A clone in a folder called 照片, installed there as ./run.sh does it."""
    clone, made = tmp_path / "照片 工具", tmp_path / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(clone / ".venv")], check=True)
    python = clone / ".venv" / "bin" / "python"
    (clone / "client").mkdir()
    for package in (matting_client, matting_server):
        source = Path(package.__path__[0])
        (clone / "client" / source.name).symlink_to(source)
    (packages,) = (clone / ".venv").glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(f"{clone / 'client'}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    assert run(python, "-c", IMPORTS).returncode != 0  # or all of this is needless
    code = "import sys; from pathlib import Path; from matting_server.plain_names import python_for_models as found; "
    code += "print(found(Path(sys.argv[1])))"
    told = subprocess.run([python, "-c", code, made], capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()) == made / "bin"
    done = run(made / "bin" / "python", "-c", IMPORTS)
    assert done.returncode == 0, done.stderr
    ours, numpy = map(Path, done.stdout.split())
    assert ours.is_relative_to(made)
    assert numpy.resolve() == Path(np.__file__).resolve()
