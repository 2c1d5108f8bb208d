"""Shared memory is found by name only while the server maps it, and never stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matting_client.triton import shm
from matting_client.triton.shm import FOLDER, PREFIX, Region, Regions
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs Linux's /dev/shm")


def named() -> set[str]:
    """Regions of this process that have a name."""
    return {path.name for path in FOLDER.glob(f"{PREFIX}{os.getpid()}_*")}


class Registry:
    """Maps what is registered, as the server does; refuses when told to."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.found: dict[str, np.memmap[tuple[int], np.dtype[np.uint8]]] = {}

    def register_system_shared_memory(self, name: str, key: str, size: int) -> None:
        if self.refuses:
            raise InferenceServerException("no")
        self.found[name] = np.memmap(FOLDER / key.lstrip("/"), np.uint8, "r+", shape=(size,))


def test_both_sides_see_the_same_bytes_and_the_name_is_gone() -> None:
    registry, region = Registry(), Region(12, 4)
    assert named() == {region.name}
    region.register(registry)
    assert named() == set()
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    region.write(image)
    server = registry.found[region.name]
    assert np.array_equal(server[:12], image.reshape(-1))
    server[12:] = 7, 8, 9, 10
    alpha = region.read((1, 2, 2, 1))
    assert alpha.reshape(-1).tolist() == [7, 8, 9, 10]
    server[12:] = 0
    assert alpha.reshape(-1).tolist() == [7, 8, 9, 10], "not a copy"
    region.close()
    region.close()


def test_an_end_without_clean_up_can_take_all_names_away() -> None:
    regions = [Region(12, 4), Region(12, 4)]
    assert named() == {region.name for region in regions}
    shm.unlink_all()
    assert named() == set()
    for region in regions:
        region.write(np.zeros((1, 2, 2, 3), np.uint8))
        region.close()


def test_a_smaller_batch_uses_the_front_of_both_parts() -> None:
    registry, region = Registry(), Region(24, 8)
    region.register(registry)
    region.write(np.full((1, 2, 2, 3), 5, np.uint8))
    server = registry.found[region.name]
    assert server[:12].tolist() == [5] * 12
    assert server[12:].tolist() == [0] * 20
    server[24:28] = 1, 2, 3, 4
    assert region.read((1, 2, 2, 1)).reshape(-1).tolist() == [1, 2, 3, 4]


def test_a_refused_region_leaves_no_name() -> None:
    region = Region(12, 4)
    with pytest.raises(InferenceServerException):
        region.register(Registry(refuses=True))
    assert named() == set()


def test_only_this_user_may_read_it() -> None:
    region = Region(12, 4)
    assert (FOLDER / region.name).stat().st_mode & 0o777 == 0o600
    region.close()
    assert named() == set()


def test_too_much_is_an_error_and_no_crash() -> None:
    """More than there is: refused when made, rather than killed by a signal when written."""
    with pytest.raises(OSError):
        Region(1 << 50, 1 << 48)
    assert named() == set()


def test_a_killed_process_leaves_nothing() -> None:
    program = """
import os, signal
from matting_client.triton.shm import Region
class Registry:
    def register_system_shared_memory(self, name, key, size):
        pass
region = Region(3000, 1000)
region.register(Registry())
os.kill(os.getpid(), signal.SIGKILL)
"""
    before = set(FOLDER.glob(f"{PREFIX}*"))
    done = subprocess.run([sys.executable, "-c", program], timeout=60)
    assert done.returncode == -9
    assert set(FOLDER.glob(f"{PREFIX}*")) <= before


def test_regions_are_used_again() -> None:
    regions = Regions()
    assert regions.take(1) is None
    small, large = Region(12, 4), Region(24, 8)
    regions.give(small)
    regions.give(large)
    assert regions.take(24) is large
    assert regions.take(24) is None
    assert regions.take(6) is small
    regions.give(large)
    assert regions.drain() == [large]
    assert regions.take(1) is None
    for region in (small, large):
        region.close()


def test_a_region_of_a_request_given_up_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    regions, region = Regions(), Region(12, 4)
    regions.retire(region)
    assert regions.take(12) is None
    assert regions.due() == []
    monkeypatch.setattr(shm, "GRACE", 0.0)
    assert regions.due() == [region]
    assert regions.due() == []
    assert named() == set()


def test_without_a_folder_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shm, "FOLDER", tmp_path / "none")
    with pytest.raises(OSError):
        Region(12, 4)


def test_a_small_region_makes_room_for_a_larger_one() -> None:
    regions, small = Regions(), Region(300, 100)
    assert regions.outgrown() == []
    regions.give(small)
    assert regions.take(301) is None
    assert regions.outgrown() == [small]
    assert regions.take(300) is None
    small.close()
