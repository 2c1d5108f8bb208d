"""Ends the connections of a process from outside, so that those who wait for an answer that cannot come ask again."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from matting_server import proc

_PIDFD_GETFD = 438  # of Linux 5.6 and later; Python has no name for it


def end_connections(pid: int, port: int, path: Path) -> int | None:
    """Shut down whoever is connected to a child process at TCP ``port`` or at the socket file ``path``.

    Returns
    -------
    How many; None when the machine forbids it or does not know how.
    """
    ended = 0
    try:
        process = os.pidfd_open(pid)
        try:
            for descriptor in _sockets(pid):
                copied = _copy(process, descriptor)
                if copied is None:
                    continue
                with copied as connection:
                    if _leads_to(connection, port, path):
                        with suppress(OSError):
                            connection.shutdown(socket.SHUT_RDWR)
                            ended += 1
        finally:
            os.close(process)
    except OSError:
        return None
    return ended


def _sockets(pid: int) -> Iterator[int]:
    for link in (proc.folder(pid) / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if str(link.readlink()).startswith("socket:"):
                yield int(link.name)


def _copy(process: int, descriptor: int) -> socket.socket | None:
    """The same socket here; None where it is closed, or no socket any more."""
    copied = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, descriptor, 0)
    if copied < 0 and ctypes.get_errno() == errno.EBADF:
        return None
    if copied < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    try:
        return socket.socket(fileno=copied)
    except OSError:
        os.close(copied)
        return None


def _leads_to(connection: socket.socket, port: int, path: Path) -> bool:
    if connection.type != socket.SOCK_STREAM or connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    name = connection.getsockname()
    return name == str(path) or (isinstance(name, tuple) and name[1] == port)
