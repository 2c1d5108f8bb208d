"""A process that works on many photos reuses memory instead of asking the kernel for each picture again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

UNTUNED = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
# Blocks of a picture's size, made and freed as a photo's steps do; the kernel counts the pages it had to give.
PROGRAM = """
import resource, sys
import cv2, numpy as np
from matting_client.system import tune_for_many_photos
if sys.argv[1] == "tuned":
    tune_for_many_photos()
def photo():
    pictures = [np.ones(8_000_000, np.uint8) for _ in range(4)]
for _ in range(3):
    photo()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    photo()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, cv2.getNumThreads())
"""


# Freed blocks below one that is still in use: the C library would never trim them by itself.
GIVING_BACK = """
import numpy as np
from pathlib import Path
from matting_client.system import give_memory_back, tune_for_many_photos
tune_for_many_photos()
def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
pictures = [np.ones(8_000_000, np.uint8) for _ in range(20)]
del pictures[:-1]
before = megabytes()
give_memory_back()
print(before - megabytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the setting is of GNU's C library")
def test_pictures_reuse_memory() -> None:
    def faults(how: str) -> tuple[int, int]:
        program = [sys.executable, "-c", PROGRAM, how]
        done = subprocess.run(program, capture_output=True, text=True, check=True, env=UNTUNED)
        count, threads = map(int, done.stdout.split())
        return count, threads

    tuned, threads = faults("tuned")
    assert threads == 1
    assert tuned < 0.2 * faults("plain")[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the setting is of GNU's C library")
def test_free_memory_can_be_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", GIVING_BACK], capture_output=True, text=True, check=True, env=UNTUNED)
    assert float(done.stdout) > 100
