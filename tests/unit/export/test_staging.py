from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from matting_export.publish import check_place
from matting_export.staging import staging_folder

from tests.unit.export.test_int8 import make_set

LEAVE = """
import os, sys
from pathlib import Path
from matting_export.staging import staging_folder
with staging_folder(Path(sys.argv[1]), ".made-") as folder:
    (folder / "half").write_text("x")
    print(folder.name, flush=True)
    os.kill(os.getpid(), 15) if sys.argv[2] == "die" else sys.stdin.read()
"""


def begin(place: Path, how: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", LEAVE, str(place), how]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline().startswith(".made-")
    return process


def test_what_a_killed_process_left_goes_and_what_others_use_stays(tmp_path: Path) -> None:
    place = tmp_path / "new" / "repository"
    begin(place, "die").communicate()
    assert len(list(place.iterdir())) == 1
    other = begin(place, "wait")  # it removes the first one
    (used,) = place.iterdir()
    with staging_folder(place, ".made-") as folder:
        assert set(place.iterdir()) == {used, folder} and (used / "half").exists()
    other.communicate()
    assert not list(place.iterdir())


def test_places_are_looked_at_and_made_before(tmp_path: Path) -> None:
    data = make_set(tmp_path / "data", 2)
    check_place(tmp_path / "new" / "repository", tmp_path / "weights" / "w.safetensors", [data])
    assert not list((tmp_path / "new" / "repository").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        check_place(tmp_path / "file", tmp_path / "w.safetensors", [data])
