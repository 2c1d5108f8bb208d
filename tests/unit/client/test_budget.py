"""How much of the machine is used: cores and memory by the cgroup, and one budget for all photos."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from matting_client import InputError, budget, system
from matting_client.budget import MemoryBudget, room_for, usual_budget
from matting_client.cli import cutout
from matting_client.system import memory_limit, usable_cores

from tests.unit.client.pictures import astronaut, file_of


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own tree of cgroups, this process in one of version 2 and in some of version 1."""
    membership = tmp_path / "cgroup"
    membership.write_text("0::/pod/box\n3:cpu,cpuacct:/pod/box\n4:memory:/pod/box\n")
    monkeypatch.setattr(system, "CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(system, "MEMBERSHIP", membership)
    monkeypatch.setattr(system.os, "sched_getaffinity", lambda pid: range(64))
    return tmp_path / "fs"


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("file", "text", "cores"),
    [
        ("pod/box/cpu.max", "200000 100000\n", 2),
        ("pod/box/cpu.max", "150000 100000\n", 2),
        ("pod/box/cpu.max", "50000 100000\n", 1),
        ("pod/box/cpu.max", "max 100000\n", 64),
        ("pod/cpu.max", "300000 100000\n", 3),  # of a cgroup above
        ("cpu.max", "400000 100000\n", 4),  # a container's own, whose path is the host's
        ("none", "", 64),
    ],
)
def test_cores_follow_the_cgroup(cgroup: Path, file: str, text: str, cores: int) -> None:
    write(cgroup / file, text)
    assert usable_cores() == cores


def test_cores_follow_the_older_cgroups(cgroup: Path) -> None:
    folder = cgroup / "cpu,cpuacct" / "pod" / "box"
    write(folder / "cpu.cfs_period_us", "100000\n")
    write(folder / "cpu.cfs_quota_us", "-1\n")
    assert usable_cores() == 64
    write(folder / "cpu.cfs_quota_us", "250000\n")
    assert usable_cores() == 3


def test_memory_follows_the_cgroup(cgroup: Path) -> None:
    machine_has = memory_limit()
    assert machine_has is not None and machine_has > 1 << 28
    write(cgroup / "pod" / "box" / "memory.max", "max\n")
    write(cgroup / "memory" / "memory.limit_in_bytes", "9223372036854771712\n")
    assert memory_limit() == machine_has
    write(cgroup / "pod" / "memory.max", f"{1 << 28}\n")
    assert memory_limit() == 1 << 28
    assert usual_budget() == 1 << 26


def test_photos_wait_for_room_in_their_order() -> None:
    budget_ = MemoryBudget(100 * budget.BYTES_PER_PIXEL)
    order: list[str] = []
    first_may_end, large_waits = threading.Event(), threading.Event()

    def work(name: str, pixels: int, end: threading.Event | None = None) -> None:
        with budget_.hold(pixels):
            order.append(name)
            if end:
                end.wait(10)

    def queued(count: int) -> bool:
        return len(budget_._queue) == count

    threads = [threading.Thread(target=work, args=("first", 60, first_may_end))]
    threads[0].start()
    while order != ["first"]:
        large_waits.wait(0.005)
    for number, (name, pixels) in enumerate((("large", 1000), ("small", 10)), 1):
        threads.append(threading.Thread(target=work, args=(name, pixels)))
        threads[-1].start()
        while not queued(number):
            large_waits.wait(0.005)
    assert order == ["first"]  # the small one would fit, but must not starve the large one
    first_may_end.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "large", "small"]
    with budget_.hold(100):  # all room is there again
        pass


def test_the_command_line_holds_room_for_a_canvas(local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    monkeypatch.setattr(budget.PHOTOS, "hold", lambda pixels: held.append(pixels) or nullcontext())
    (tmp_path / "a.jpg").write_bytes(file_of(astronaut(30, 40), "JPEG"))
    command = [str(tmp_path / "a.jpg"), "-o", str(tmp_path / "a.png"), "--engine", "local"]
    for more in ([], ["--canvas", "600x500"], ["--canvas", "600x500", "--size", "0.1MP"]):
        assert cutout.main([*command, *more]) == 0
    assert held == [1200, 1200 + 300_000, 1200 + 100_000]


def test_room_is_given_back_whatever_happens() -> None:
    data = file_of(astronaut(10, 10), "PNG")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), room_for(data):
            _ = 1 / 0
    assert budget.PHOTOS._held == 0
    with pytest.raises(InputError, match=r"^cat: got no known picture format"), room_for(b"meow", "cat"):
        pass
