from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

# A parent with a worker under a fork server; it says the worker's number and hangs.
PROGRAM = """
import multiprocessing, sys, time
from matting_training.process import start_worker

def work():
    start_worker(0)
    time.sleep(60)

if __name__ == "__main__":
    worker = multiprocessing.get_context("forkserver").Process(target=work)
    worker.start()
    print(worker.pid, flush=True)
    time.sleep(60)
"""


def test_a_worker_ends_with_a_training_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, str(program)]
    env = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        time.sleep(3)  # it imports torch before it watches
        assert worker.is_running()
        parent.kill()
    end = time.monotonic() + 30
    while not ended(worker) and time.monotonic() < end:
        time.sleep(0.1)
    assert ended(worker)


def ended(process: psutil.Process) -> bool:
    """Whether it runs no longer; where nothing collects orphans, as in many a container, its entry stays."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
