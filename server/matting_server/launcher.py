"""Become the command given, tied to the life of the supervisor: `launcher.py PARENT_PID SOCKETS COMMAND...`.

SOCKETS are descriptors of listening sockets with commas between them, or nothing. The command finds them as systemd
hands them over: from descriptor 3 on, counted by $LISTEN_FDS.

Runs in the new process, between fork and exec, as a program of its own: a `preexec_fn` would not be safe beside the
supervisor's log threads. Needs nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
# JSON nested 60,000 deep overruns this Triton's parser on the usual 8 MiB of stack and kills the server.
STACK_BYTES = 256 * 2**20
FIRST_SOCKET = 3  # as sd_listen_fds(3) has it


def raise_stack_limit() -> None:
    """Raise the soft stack limit to `STACK_BYTES`, as far as the hard limit lets us; never lower it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one: an idle connection costs one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def hand_over(descriptors: list[int]) -> None:
    """Move listening sockets to where sd_listen_fds(3) expects them."""
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):  # of our own, if systemd started the supervisor
        os.environ.pop(name, None)
    if not descriptors:
        return
    aside = [
        fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_SOCKET + len(descriptors)) for descriptor in descriptors
    ]
    for descriptor in descriptors:
        os.close(descriptor)
    for target, descriptor in enumerate(aside, FIRST_SOCKET):
        os.dup2(descriptor, target)
    os.environ["LISTEN_FDS"] = str(len(descriptors))
    os.environ["LISTEN_PID"] = str(os.getpid())


def main(argv: list[str]) -> None:
    """Tie this process to its parent, restore signals, set limits and exec."""
    parent = int(argv[1])
    sockets = argv[2]
    command = argv[3:]
    # A supervisor killed with SIGKILL cannot clean up. Then the kernel asks us to end; SIGKILL here would leave the
    # processes of the models behind, for nobody would be left to end them.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the supervisor blocks the signals it waits for
    raise_stack_limit()
    raise_file_limit()
    # Of what it makes, in /dev/shm above all, nothing is for other users.
    os.umask(0o077)
    hand_over([int(descriptor) for descriptor in sockets.split(",") if descriptor])
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv)
