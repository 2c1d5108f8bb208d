"""What holds for all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# A shell that starts the tests behind `&`, or nohup, has SIGINT and SIGHUP ignored, and our servers and commands would
# inherit that; a handler of any kind is the default again in a process that starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes (`-n 2 --dist loadgroup`): one for all that starts servers, so that none is started twice."""
    root = Path(__file__).parent
    servers = {root / "protocol", root / "ui", root / "unit" / "api", root / "attack"}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("servers" if servers.intersection(item.path.parents) else "units"))
