"""The machine below: what the kernel grants this process, whose an address is, settings for many photos."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60  # version 1 writes a number near 2**63 where nothing is limited
FREE_MEMORY = "free some, or raise the limit (ulimit -v, the container's)"  # what to do where it is lacking
# Of the C library's `mallopt`: freed blocks up to the first size are kept for the next photo, up to the second in all.
M_MMAP_THRESHOLD = -3
KEPT_BLOCK = 16 << 20
M_TRIM_THRESHOLD = -1
KEPT_TOTAL = 256 << 20
M_ARENA_MAX, ARENAS = -8, 2  # each keeps freed blocks for itself, and by default every thread gets one


def is_loopback(host: str) -> bool:
    """Whether a name or an address, IPv6 with or without brackets, is one that only this machine reaches."""
    address = parse_address(host.strip("[]"))
    return host == "localhost" if address is None else address.is_loopback


def household(host: str | None) -> str:
    """What stands for a caller's address where callers are counted: of IPv6 the half that is one house's.

    Parameters
    ----------
    host : an address; "" or None for a caller who has none, on a socket file.
    """
    address = parse_address(host or "")
    return address.packed[:8].hex(":", 2) if isinstance(address, IPv6Address) else str(address or host or "")


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, IPv4 ones that are written as IPv6 as what they are; None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def cut(text: str, most: int = 200) -> str:
    """The beginning of a text that takes at most `most` bytes as UTF-8; of a file's name there are up to 255."""
    return text.encode(errors="ignore")[:most].decode(errors="ignore")


def is_disk_full(error: OSError) -> bool:
    """Whether something cannot be written because the disk, or the writer's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def usable_cores() -> int:
    """Cores that this process may use: by its affinity, and by its cgroup's CPU time; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only; it respects taskset and cpusets
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quotas = [cores, *_quotas()]
    return max(1, min(quotas))


def default_workers() -> int:
    """Photos worked on at once: two more than cores, for some wait for the model; 8 bound the memory."""
    return min(8, usable_cores() + 2)


def memory_limit() -> int | None:
    """Bytes that this process and its cgroup may have: the cgroup's limit, else the machine's; None if nobody tells."""
    limits = list(_memory_limits())
    with contextlib.suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limits, default=None)


def _quotas() -> Iterator[int]:
    """Cores' worth of CPU time in each period, rounded up, of this process's cgroup and those above it."""
    for folder in _folders("cpu"):
        version_1 = [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
        for words in (_words(folder / "cpu.max"), version_1):
            if len(words) == 2 and all(word.isdigit() for word in words):  # not "max", and not -1
                yield -(-int(words[0]) // max(1, int(words[1])))


def _memory_limits() -> Iterator[int]:
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            words = _words(folder / name)
            if words and words[0].isdigit() and int(words[0]) < _UNLIMITED:
                yield int(words[0])


def _folders(controller: str) -> Iterator[Path]:
    """Folders of the cgroups that hold this process: version 2, and version 1 of a controller; inner ones first."""
    text = ""
    with contextlib.suppress(OSError):
        text = MEMBERSHIP.read_text()
    for line in text.splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = CGROUPS / controllers if controllers else CGROUPS
        inner = root / place.lstrip("/")
        # In a container the path is the host's, and the root is the container's own cgroup.
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(root))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def widen_pipe(pipe: int, size: int) -> None:
    """Let a pipe hold `size` bytes, for fewer switches between its two processes; Linux only."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)


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
    import cv2  # only here: what serves without pictures need not load it

    cv2.setNumThreads(1)
    _glibc("mallopt", M_MMAP_THRESHOLD, KEPT_BLOCK)
    _glibc("mallopt", M_TRIM_THRESHOLD, KEPT_TOTAL)
    _glibc("mallopt", M_ARENA_MAX, ARENAS)


def give_memory_back() -> None:
    """Hand to the kernel what is kept for the next photo, and what lies free between blocks in use; now and then."""
    _glibc("malloc_trim", 0)
