"""Become the command given, tied to the life of the supervisor: `launcher.py PARENT_PID COMMAND...`.

Runs in the new process, between fork and exec, as a program of its own: a `preexec_fn` would not be safe beside the
supervisor's log threads. Needs nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
# JSON nested 60,000 deep overruns this Triton's parser on the usual 8 MiB of stack and kills the server.
STACK_BYTES = 256 * 2**20


def raise_stack_limit(wanted: int = STACK_BYTES) -> None:
    """Raise the soft stack limit to ``wanted`` bytes, as far as the hard limit lets us; never lower it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


def main(argv: list[str]) -> None:
    """Tie this process to its parent, restore signals, raise the stack limit and exec."""
    parent, command = int(argv[1]), argv[2:]
    # A supervisor killed with SIGKILL cannot clean up. Then the kernel asks us to end; SIGKILL here would leave the
    # processes of the models behind, for nobody would be left to end them.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the supervisor blocks the signals it waits for
    raise_stack_limit()
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv)
