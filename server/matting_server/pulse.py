"""Tells a process that is slow to answer from one that is dead.

One that is starved of CPU, memory or disk runs now and then, or waits for its turn to run. One that hangs sleeps, or
has been stopped, and uses no time at all.
"""

from __future__ import annotations

import os
import time

from matting_client.shared_folders import find_below

from matting_server import proc

HANG_SECONDS = 4.0  # without an answer and without a sign of life
HOPELESS_SECONDS = 600.0  # without an answer, whatever it does: an endless loop
MOVED_SECONDS = 0.02  # of CPU since the last look count as a sign of life
_TICKS = os.sysconf("SC_CLK_TCK")
_WORKING = "RD"  # running or wants to; waits for a disk or for memory


class Pulse:
    """The signs of life of one process.

    Parameters
    ----------
    pid
        A process of this user.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.answered()

    def answered(self) -> None:
        """Note that it has answered."""
        self._cpu = cpu_seconds(self._pid)
        self._answered = self._moved = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since it has last answered."""
        return time.monotonic() - self._answered

    def is_dead(self, *, is_starting: bool = False) -> bool:
        """Whether it has to be given up; to be asked after each question that it did not answer.

        Parameters
        ----------
        is_starting : then what it has started counts as well, for it sleeps while that gets ready.
        """
        now = time.monotonic()
        others = _group_of(self._pid) if is_starting else []
        cpu = sum(map(cpu_seconds, (self._pid, *others)))
        if cpu - self._cpu >= MOVED_SECONDS or any(map(_wants_to_run, (self._pid, *others))):
            self._moved = now
        self._cpu = cpu
        return now - self._moved > HANG_SECONDS or self.silence > HOPELESS_SECONDS


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that a process has used; 0 when it is gone."""
    fields = proc.stat_fields(proc.folder(pid) / "stat")
    if not fields:
        return 0.0
    return (int(fields[proc.USER_TICKS]) + int(fields[proc.SYSTEM_TICKS])) / _TICKS


def _group_of(leader: int) -> list[int]:
    """The processes of a process group but for its leader."""
    members = []
    for pid in proc.pids():
        fields = proc.stat_fields(proc.folder(pid) / "stat")
        if fields and int(fields[proc.GROUP]) == leader and pid != leader:
            members.append(pid)
    return members


def _wants_to_run(pid: int) -> bool:
    threads = find_below(proc.folder(pid), "task/*/stat")
    return any(fields[proc.STATE] in _WORKING for fields in map(proc.stat_fields, threads) if fields)
