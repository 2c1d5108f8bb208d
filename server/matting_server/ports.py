"""Are the ports free? Asked before anything starts, so that the answer is one line."""

from __future__ import annotations

import errno
import os
import socket

from matting_client.serving import listening

from matting_server.errors import SetupError

BACKLOG = 1024  # callers that wait while the process that answers them is started again


def check_ports(wanted: dict[str, tuple[str, int]]) -> None:
    """Refuse ports that are taken or named twice.

    Parameters
    ----------
    wanted
        Option name -> (address, port), as in `Settings.ports`.

    Raises
    ------
    SetupError
        Names the first port that cannot be had, and the option that changes it.
    """
    seen: dict[int, str] = {}
    for option, (host, port) in wanted.items():
        if port in seen:
            raise SetupError(f"{option}: got {port}, the same as {seen[port]}; give each its own port")
        seen[port] = option
        _check_port(option, host, port)


def listen(option: str, host: str, port: int) -> socket.socket:
    """A listening socket that a child process will answer on; errors as of `check_ports`."""
    try:
        return listening(host, port, BACKLOG)
    except OSError as error:
        raise SetupError(_why(error, option, host, port)) from None


def _check_port(option: str, host: str, port: int) -> None:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:  # the second of names that no DNS can have
        why = getattr(error, "strerror", None) or "no name of a host"
        raise SetupError(_no_address(host, why)) from None
    with socket.socket(family, kind, proto) as probe:
        # As the servers do: a port that only waits for its last connections to fade counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            raise SetupError(_why(error, option, host, port)) from None


def _no_address(host: str, why: str) -> str:
    return f"{host}: not an address of this machine ({why}); try 127.0.0.1"


def _why(error: OSError, option: str, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken: stop the program that uses it, or choose another with {option}"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} needs more rights than you have: choose one above 1023 with {option}"
    if error.errno == errno.EADDRNOTAVAIL:
        return _no_address(host, os.strerror(error.errno))
    return f"cannot listen on {host}:{port} ({error.strerror}): choose another with {option}"
