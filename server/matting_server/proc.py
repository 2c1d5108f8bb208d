"""What Linux tells of processes under /proc, see proc(5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROCESSES = Path("/proc")
# Places of what is used here among `stat_fields`.
STATE = 0
GROUP = 2
USER_TICKS = 11
SYSTEM_TICKS = 12
ARG_START = 45
ARG_END = 46


def pids() -> Iterator[int]:
    """All processes there are; each may be gone when it is looked at."""
    for each in PROCESSES.iterdir():
        if each.name.isdecimal():
            yield int(each.name)


def folder(pid: int) -> Path:
    """Where a process's files are."""
    return PROCESSES / str(pid)


def stat_fields(stat: Path) -> list[str]:
    """Fields of a process's or thread's stat file from the third one, the state, on; none when it is gone.

    The second one is the program's name in parentheses, which may hold anything.
    """
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []
