"""The file that says that all is ready: whether it can be written, asked before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

from matting_server.errors import SetupError


def check_ready_file(path: Path) -> None:
    """Refuse a file that could not be written once all is ready.

    Raises
    ------
    SetupError
        Its folder does not exist or is not writable, or it is a folder itself.
    """
    if path.is_dir():
        raise SetupError(f"--ready-file: got the folder {path}, expected a file; name one in it")
    folder = path.parent
    if not folder.is_dir():
        raise SetupError(f"--ready-file: got {path}, expected a file in a folder that exists; make {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SetupError(f"--ready-file: got {path}, expected a folder that can be written to; choose another")


def remove_stale(path: Path) -> None:
    """Remove the file of a server that ends, or was killed: nobody who waits for it must find it when none is ready.

    Raises
    ------
    SetupError
        It cannot be removed.
    """
    if not path.is_file():  # there is none, or it is a device
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"--ready-file: cannot remove the old {path} ({error.strerror}); remove it") from None
