"""System shared memory for a client on the server's own machine.

Written on `mmap` rather than tritonclient's helper: the name can be unlinked as soon as the server has mapped the
block, so that nothing is left behind however this process ends, and a full /dev/shm is an error instead of a crash.

Whoever may register shared memory with a server can reach the photos of its other clients. Ours asks for a token,
which it shows to programs of its own user alone: a file of mode 0600 beside the memory itself.
"""

from __future__ import annotations

import itertools
import mmap
import os
import secrets
import stat
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PREFIX = "unet_matting_client_"
FOLDER = Path("/dev/shm")  # where POSIX shared memory lives on Linux; elsewhere pixels travel in the request
TOKEN_FILES = "unet_matting_*.grpc_{port}"
TOKEN_HEADER = "triton-grpc-protocol-x-unet-matting-shm"
GRACE = 60.0  # seconds after which a server has surely ended a request that its client gave up
_numbers = itertools.count()
_named: set[Path] = set()  # blocks whose names are still in FOLDER


def token_headers(url: str) -> dict[str, str]:
    """Headers with the token of the server of this user at host:port on this machine; empty if it shows none."""
    port = url.rpartition(":")[2]
    for path in sorted(FOLDER.glob(TOKEN_FILES.format(port=port)), key=_age):
        token = _read_own(path)
        if token:
            return {TOKEN_HEADER: token}
    return {}


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return float("inf")


def _read_own(path: Path) -> str:
    """A private file of this user; empty if it is anything else, for everybody may put files there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            return ""
        return file.read(256).decode("ascii", "replace")


def unlink_all() -> None:
    """Take the names of all blocks of this process away, for an end that runs no clean-up (`os._exit`)."""
    for path in list(_named):
        path.unlink(missing_ok=True)


class Region:
    """One block: the batch first, its alpha behind it.

    Raises
    ------
    OSError
        No system shared memory here, or not enough.
    """

    def __init__(self, image_bytes: int, alpha_bytes: int) -> None:
        self.image_bytes = image_bytes
        self.alpha_bytes = alpha_bytes
        self.size = image_bytes + alpha_bytes
        # Whoever guesses the name could have the server read and write the block.
        self.name = f"{PREFIX}{os.getpid()}_{next(_numbers)}_{secrets.token_hex(16)}"
        self.key = "/" + self.name
        self._path: Path | None = FOLDER / self.name
        self._bytes: NDArray[np.uint8] | None = None
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        _named.add(self._path)
        try:
            os.posix_fallocate(descriptor, 0, self.size)  # mapping a hole in full memory would end in SIGBUS
            self._bytes = np.frombuffer(mmap.mmap(descriptor, self.size), np.uint8)
        except BaseException:
            self.unlink()
            raise
        finally:
            os.close(descriptor)

    def register(self, client: Any, **options: Any) -> None:
        """Make the block known to the server of a (synchronous) tritonclient and take its name away again."""
        try:
            client.register_system_shared_memory(self.name, self.key, self.size, **options)
        finally:
            self.unlink()

    async def register_async(self, client: Any, **options: Any) -> None:
        """`register` for an asynchronous tritonclient."""
        try:
            await client.register_system_shared_memory(self.name, self.key, self.size, **options)
        finally:
            self.unlink()

    def write(self, image: NDArray[np.uint8]) -> None:
        """Copy a batch to the front."""
        assert self._bytes is not None
        self._bytes[: image.nbytes] = image.reshape(-1)

    def read(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """A copy of the alpha behind the batch."""
        assert self._bytes is not None
        end = self.image_bytes + int(np.prod(shape))
        return self._bytes[self.image_bytes : end].reshape(shape).copy()

    def unlink(self) -> None:
        """Take the name away; who has the block mapped keeps it. Harmless when repeated."""
        path = self._path
        self._path = None
        if path is not None:
            path.unlink(missing_ok=True)
            _named.discard(path)

    def close(self) -> None:
        """Give the memory back; harmless when repeated."""
        self.unlink()
        self._bytes = None  # the mapping goes with its last view


class Regions:
    """The registered regions of one engine: free ones for the next request, retired ones to unregister later.

    A region whose request was given up is retired: the server may still write to it, and one before 2.50 (24.09) may
    crash when it is unregistered then. There are as many regions as requests ever ran at once. Safe from several
    threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Region] = []
        self._retired: list[tuple[float, Region]] = []

    def take(self, image_bytes: int) -> Region | None:
        """A free region that is large enough, if there is one."""
        with self._lock:
            for index, region in enumerate(self._free):
                if region.image_bytes >= image_bytes:
                    return self._free.pop(index)
        return None

    def outgrown(self) -> list[Region]:
        """One free region, if there is any, to give up for a larger one; the caller unregisters and closes it."""
        with self._lock:
            return [self._free.pop()] if self._free else []

    def give(self, region: Region) -> None:
        """Keep a region for the next request."""
        with self._lock:
            self._free.append(region)

    def retire(self, region: Region) -> None:
        """Never use a region again and have it unregistered once that is safe."""
        region.close()
        with self._lock:
            self._retired.append((time.monotonic(), region))

    def due(self) -> list[Region]:
        """Retired regions that may be unregistered by now; the caller does so."""
        now = time.monotonic()
        with self._lock:
            due = [region for since, region in self._retired if now - since >= GRACE]
            self._retired = [(since, region) for since, region in self._retired if now - since < GRACE]
        return due

    def drain(self) -> list[Region]:
        """All regions, free and retired; the caller unregisters and closes them."""
        with self._lock:
            drained = self._free + [region for _, region in self._retired]
            self._free = []
            self._retired = []
        return drained
