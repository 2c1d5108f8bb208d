"""Settings of a process that works on many photos at once."""

from __future__ import annotations

import contextlib
import ctypes

import cv2

# Of the C library's `mallopt`: freed blocks up to the first size are kept for the next photo, up to the second in all.
M_MMAP_THRESHOLD, KEPT_BLOCK = -3, 16 << 20
M_TRIM_THRESHOLD, KEPT_TOTAL = -1, 256 << 20
M_ARENA_MAX, ARENAS = -8, 2  # each keeps freed blocks for itself, and by default every thread gets one


def _glibc(function: str, *arguments: int) -> None:
    """Call a function of GNU's C library; nothing happens where there is another one."""
    with contextlib.suppress(OSError, AttributeError):
        getattr(ctypes.CDLL(None), function)(*arguments)


def tune_for_many_photos() -> None:
    """Let photos share the cores, and let each reuse the memory of the last; for programs, not for libraries.

    OpenCV would cut every photo into parts for all cores, which costs more than it brings once each core has a photo
    of its own. And the C library would hand every picture's megabytes back to the kernel and get them again, page by
    page and one thread at a time: a fifth of the work on a folder.
    """
    cv2.setNumThreads(1)
    _glibc("mallopt", M_MMAP_THRESHOLD, KEPT_BLOCK)
    _glibc("mallopt", M_TRIM_THRESHOLD, KEPT_TOTAL)
    _glibc("mallopt", M_ARENA_MAX, ARENAS)


def give_memory_back() -> None:
    """Hand to the kernel what is kept for the next photo, and what lies free between blocks in use; now and then."""
    _glibc("malloc_trim", 0)
