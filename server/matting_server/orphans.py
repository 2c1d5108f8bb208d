"""What killed servers leave behind, and how the next one removes it.

A workspace is locked as long as its supervisor lives; the kernel lets go of the lock however the supervisor died. So a
folder that can be locked is an orphan, and with it every process, shared-memory region and scratch folder that bears
its name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from matting_server import proc

FOLDER_PREFIX = "unet-matting-"
TOKEN_BYTES = 4
UNBORN_PREFIX = "new-unet-matting-"  # made, not yet locked
SHM_PREFIX = "unet_matting_"
# Every process of a server carries the path of its workspace in this environment variable.
OWNER_VARIABLE = "MATTING_WORKSPACE"
SHM = Path("/dev/shm")
# The python backend makes an empty python_env_XXXXXX here, whatever TMPDIR says, and leaves it when it is killed.
_SCRATCH = Path("/tmp")
_SCRATCH_NOTES = "scratch"
_STARTING = "starting"  # its time says since when; it is gone once the server was ready
_UNBORN_SECONDS = 60.0
# The whole name: `unet-matting-page-...` is the page's own business.
_FOLDERS = (f"{FOLDER_PREFIX}{'[0-9a-f]' * 2 * TOKEN_BYTES}", f"{UNBORN_PREFIX}*")
_KILL_SECONDS = 5.0


def sweep(tmp: Path | None = None) -> list[Path]:
    """Remove what servers that no longer live have left; returns their folders.

    Touches nothing but folders of this user under ``tmp`` (default: the system's) whose lock nobody holds.
    """
    removed = []
    for folder in _own_folders(tmp or Path(tempfile.gettempdir())):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:  # another server that starts now was faster
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            if folder.name.startswith(FOLDER_PREFIX):
                _kill_orphans(folder)
                clean_up(folder)
                withdraw_token(folder)
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
        finally:
            os.close(descriptor)
    return removed


def clean_up(root: Path) -> None:
    """Remove the shared memory and the scratch folders of workspace ``root``, whose server has died."""
    for region in SHM.glob(f"{SHM_PREFIX}{root.name.removeprefix(FOLDER_PREFIX)}_*"):
        region.unlink(missing_ok=True)
    note_scratch(root)  # of a server that died before it was ready
    notes = root / _SCRATCH_NOTES
    noted = set(notes.read_text().splitlines()) if notes.exists() else set()
    for folder, _ in _scratch_folders():
        if str(folder) in noted:
            with contextlib.suppress(OSError):  # rmdir: one that is not empty is somebody else's
                folder.rmdir()


def withdraw_token(root: Path) -> None:
    """Remove the file with which workspace ``root`` tells this user's programs its token for shared memory."""
    for file in SHM.glob(f"{SHM_PREFIX}{root.name.removeprefix(FOLDER_PREFIX)}.grpc_*"):
        file.unlink(missing_ok=True)


def expect_scratch(root: Path) -> None:
    """Say in ``root`` that its server starts now: scratch folders that appear are taken for its own."""
    (root / _STARTING).touch()


def note_scratch(root: Path) -> None:
    """Remember in ``root`` the scratch folders that appeared since `expect_scratch`; its server is ready, or dead."""
    starting = root / _STARTING
    if not starting.exists():
        return
    since = starting.stat().st_mtime
    with (root / _SCRATCH_NOTES).open("a") as notes:
        notes.writelines(f"{folder}\n" for folder, created in _scratch_folders() if created >= since)
    starting.unlink()


def _kill_orphans(root: Path) -> None:
    deadline = time.monotonic() + _KILL_SECONDS
    while (orphans := _processes_of(root)) and time.monotonic() < deadline:
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)  # until its ports are free


def _processes_of(root: Path) -> list[int]:
    owner = f"{OWNER_VARIABLE}={root}".encode()
    found = []
    for pid in proc.pids():
        with contextlib.suppress(OSError):  # another user's, or just gone; a zombie's is empty
            if owner in (proc.folder(pid) / "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def _own_folders(tmp: Path) -> Iterator[Path]:
    for pattern in _FOLDERS:
        for folder in tmp.glob(pattern):
            try:
                info = folder.lstat()
            except FileNotFoundError:
                continue
            young = folder.name.startswith(UNBORN_PREFIX) and time.time() - info.st_mtime < _UNBORN_SECONDS
            if folder.is_dir() and not folder.is_symlink() and info.st_uid == os.getuid() and not young:
                yield folder


def _scratch_folders() -> Iterator[tuple[Path, float]]:
    """Yield this user's scratch folders, and when each was made."""
    for folder in _SCRATCH.glob("python_env_*"):
        with contextlib.suppress(FileNotFoundError):
            info = folder.lstat()
            if folder.is_dir() and not folder.is_symlink() and info.st_uid == os.getuid():
                yield folder, info.st_ctime
