"""What visitors left behind goes, when its time has come."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from matting_ui import sweep
from matting_ui.sweep import Broom, freshen

from tests.support.clock import set_clock
from tests.support.folders import coming_and_going


def test_old_files_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time that has passed, whatever the machine's date says meanwhile."""
    old, new, used = tmp_path / "old" / "a.png", tmp_path / "new" / "b.png", tmp_path / "used" / ".job" / "c.webm"
    for path in (old, used):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    clock, started = [time.monotonic()], time.time()
    set_clock(monkeypatch, lambda: clock[0], sweep)
    broom = Broom(tmp_path, 3600)
    broom.sweep()
    for jump in (7200, -90_000):  # an hour ahead and more, and back over midnight
        monkeypatch.setattr(time, "time", lambda jump=jump: started + jump)
        os.utime(old.parent, (started + jump, started + jump))
        broom.sweep()
        assert old.exists()
    clock[0] += 3000
    freshen(tmp_path / "used")
    new.parent.mkdir()
    new.write_bytes(b"x")
    broom.sweep()
    clock[0] += 700
    broom.sweep()
    assert new.exists() and used.exists() and not old.exists()
    clock[0] += 3600
    for _ in range(3):  # a folder is changed when it is emptied
        broom.sweep()
        clock[0] += 3600
    broom.sweep()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_others_remove_hold_no_sweep_up(tmp_path: Path) -> None:
    broom = Broom(tmp_path, 3600)
    with coming_and_going(tmp_path / "b"):
        for _ in range(3000):
            broom.sweep()
