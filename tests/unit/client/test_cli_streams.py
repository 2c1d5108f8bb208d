"""Standard streams that are closed, readers that go away, and disks that are full."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from matting_client.cli.parser import error_line

from tests.unit.client.conftest import LOCAL


@pytest.mark.parametrize("closed", ["0<&-", "2>&-", "1>&- 2>&-"])
def test_a_stream_that_is_closed_stops_no_photo(
    closed: str, environment: dict[str, str], photo: Path, tmp_path: Path
) -> None:
    """As services and schedulers start programs."""
    code = [sys.executable, "-m", "matting_client.cli.main", "cutout", str(photo), *LOCAL, "-o"]
    for out, expected in ((tmp_path / "o.png", 0), ("-", 2 if "1>" in closed else 0)):
        line = f'"$@" {out} {closed}'
        done = subprocess.run(["sh", "-c", line, "sh", *code], capture_output=True, env=environment, check=False)
        assert (done.returncode, done.stderr) == (expected, b"")
    assert (tmp_path / "o.png").is_file()


def test_a_reader_that_goes_away(environment: dict[str, str], photo: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "matting_client.cli.main", "cutout", str(photo), "-o", "-", *LOCAL]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment, timeout=120, check=False)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"standard output: cannot be written (Broken pipe)" in done.stderr


def test_a_full_disk_is_named_by_the_copy_that_has_no_room() -> None:
    """As that of the model server's files into a full /tmp."""
    error = OSError(errno.ENOSPC, "No space left on device", "/opt/lib/triton.so", None, "/tmp/work/triton.so")
    assert error_line(error) == "/tmp/work/triton.so: cannot be written (No space left on device); free space there"
