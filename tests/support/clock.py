"""A clock for one module. The clock of the whole process also ends the waits of every server that runs in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest


def set_clock(monkeypatch: pytest.MonkeyPatch, now: Callable[[], float], *modules: ModuleType) -> None:
    """Let these modules, which `import time`, read `now` (seconds) as `time.monotonic`, and nobody else."""
    for module in modules:
        monkeypatch.setattr(module, "time", SimpleNamespace(**{**vars(time), "monotonic": now}))
