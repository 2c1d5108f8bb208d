"""What makes training fast on the machine at hand."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.context import ForkServerContext

import cv2
import torch
from matting_client.cli.parser import error_line

# Of the C library's `mallopt`; the sizes are the largest that it takes.
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4
KEPT_TOTAL = 2**31 - 1
GROWTH = 256 << 20


def autocast(device: torch.device) -> torch.autocast:
    """bf16 on CUDA and on a CPU with AMX, fp32 elsewhere: AVX-512 alone multiplies bf16 at 0.57 of fp32's speed."""
    fast = device.type != "cpu" or torch.cpu.get_capabilities().get("amx_bf16", False)
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def pick_device(name: str) -> torch.device:
    """The device called auto, cpu or cuda.

    Raises
    ------
    ValueError
        There is no such device here.
    """
    found = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if found else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device: got {name}, expected auto, cpu or cuda") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device: got {name}, but torch finds {torch.cuda.device_count()} CUDA devices; take cpu")
    return device


def keep_memory() -> None:
    """Let each step reuse the memory of the last; for programs, not for libraries.

    The C library would hand every large tensor back to the kernel and get it again, page by page.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library than GNU's: as it is
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_TOTAL)
        library.mallopt(M_TOP_PAD, GROWTH)


def run_program(work: Callable[[], object], *bad: type[Exception]) -> int:
    """Do a program's long work, which goes on from its last checkpoint when it is started again.

    Parameters
    ----------
    work : what to do.
    bad : errors that mean bad data or a refusal; they are said in a line.

    Returns
    -------
    The exit code: 0 done, 1 for one of `bad`, 130 interrupted.
    """
    keep_memory()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # so do services and clusters end programs
    try:
        work()
    except bad as error:
        print(error_line(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; start it again to go on from the last checkpoint", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def fork_server() -> ForkServerContext:
    """Where worker processes come from: they have neither this process's locks nor its memory, and torch at once.

    A plain fork would keep the memory of one step while the next overwrites it. The server imports torch for all of
    them; each for itself, sixteen would take over a minute.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["matting_training.train"])
    return context


def work_on_one_core() -> None:
    """For one of as many worker processes as there are cores."""
    cv2.setNumThreads(1)
    os.environ["NUMBA_NUM_THREADS"] = "1"  # read when pymatting is imported


def start_worker(_: int) -> None:
    """For a loader's worker: work on one core, and end when the training ends, however it ends.

    Torch's own watch looks at the parent's process id, which under a fork server is the server's.
    """
    work_on_one_core()
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
