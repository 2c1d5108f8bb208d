from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from matting_training.process import run_program

from tests.support.processes import still_running

# A parent with a worker under a fork server; the worker says its number once it watches its parent, and both hang.
PROGRAM = """
import multiprocessing, os, time
from matting_training.process import start_worker

def work():
    start_worker(0)
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    multiprocessing.get_context("forkserver").Process(target=work).start()
    time.sleep(600)
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
        assert still_running([worker], 0) == [worker]
        parent.kill()
    assert still_running([worker]) == []


def test_sigterm_interrupts_as_ctrl_c_does() -> None:
    assert run_program(lambda: signal.raise_signal(signal.SIGTERM)) == 130
