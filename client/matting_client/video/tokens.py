"""Memory that the VP9 encoder clears and hardly uses, handed back to the kernel.

When it is opened, libvpx (vp9_encoder.c, `alloc_compressor_data`) sets 772 tokens of 16 bytes to zero for each block of
16 x 16 pixels, of whole superblocks: 100 MB at 1080p, 400 MB at 4K, and twice that for a clip with alpha, which has two
encoders. The tokens of a frame fill a small part of it. No option of the encoder changes that, and the C library tells
nobody which blocks it has given out; but so large a block is a mapping of its own, which begins with its size. The
kernel forgets its pages here: whoever reads one again finds zeros, as before.

Where there is no Linux or no GNU C library, or libvpx asks for another amount, nothing is found and nothing happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from matting_client.system import give_memory_back

SUPERBLOCK = 64  # pixels of its side
TOKEN_BYTES = 16 * 772 * 16  # of a superblock: 16 blocks
ALIGNMENT_BYTES = 23  # that libvpx adds to reach an address of its liking, and to note the one it got
HEADER = 16  # bytes of a block's own header: its size in the latter half, with MAPPED set
MAPPED = 2
FLAGS = 7
PIECE = 1 << 20  # bytes compared in one go
MAPPINGS, MEMORY = Path("/proc/self/maps"), Path("/proc/self/mem")

_one_at_a_time = threading.Lock()  # so that no encoder takes another's block for its own


def block_size(width: int, height: int) -> int:
    """Bytes of the mapping that holds an encoder's tokens, for a picture of `width` x `height` pixels."""
    superblocks = -(-width // SUPERBLOCK) * -(-height // SUPERBLOCK)
    wanted = superblocks * TOKEN_BYTES + ALIGNMENT_BYTES + HEADER
    return -(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE


@contextlib.contextmanager
def tokens_handed_back(width: int, height: int) -> Iterator[None]:
    """Open VP9 encoders within: what they have cleared for their tokens takes no memory until it is written to."""
    if sys.platform != "linux":
        yield
        return
    size = block_size(width, height)
    give_memory_back()  # for a moment all of the tokens take memory: better in place of what lies free
    with _one_at_a_time:
        before = _mappings()
        yield
        with contextlib.suppress(OSError), MEMORY.open("rb", buffering=0) as memory:
            for start in _blocks(memory.fileno(), _beyond(before, _mappings()), size):
                if _is_clear(memory.fileno(), start + mmap.PAGESIZE, start + size):
                    _forget(start + mmap.PAGESIZE, size - mmap.PAGESIZE)  # the header's page stays


def _mappings() -> list[tuple[int, int]]:
    """First and last address of each mapping that has no file and no name, in order."""
    found = []
    with contextlib.suppress(OSError), MAPPINGS.open(encoding="utf-8", errors="replace") as maps:
        for line in maps:
            words = line.split()
            if len(words) == 5 and words[1] == "rw-p":
                start, _, end = words[0].partition("-")
                found.append((int(start, 16), int(end, 16)))
    return found


def _beyond(before: list[tuple[int, int]], after: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What of `after` lies in none of `before`; neighbouring mappings may have become one."""
    for start, end in after:
        at = start
        for old_start, old_end in before:
            if old_end <= at or old_start >= end:
                continue
            if old_start > at:
                yield at, old_start
            at = old_end
        if at < end:
            yield at, end


def _blocks(memory: int, mappings: Iterator[tuple[int, int]], size: int) -> Iterator[int]:
    """Where blocks of `size` begin."""
    for start, end in mappings:
        at = start
        while at + size <= end:
            header = int.from_bytes(os.pread(memory, HEADER, at)[HEADER // 2 :], sys.byteorder)
            length = header & ~FLAGS
            if header & FLAGS == MAPPED and length == size:
                yield at
            is_block = header & FLAGS == MAPPED and 0 < length <= end - at and not length % mmap.PAGESIZE
            at += length if is_block else mmap.PAGESIZE


def _is_clear(memory: int, start: int, end: int) -> bool:
    zeros = bytes(PIECE)
    for at in range(start, end, PIECE):
        length = min(PIECE, end - at)
        if os.pread(memory, length, at) != zeros[:length]:
            return False
    return True


def _forget(start: int, length: int) -> None:
    libc = ctypes.CDLL(None)
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)
