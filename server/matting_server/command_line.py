"""Keeps a secret on a process's command line from other users: `ps` shows them everybody's."""

from __future__ import annotations

from matting_server import proc


def hide(pid: int, secret: str) -> bool:
    """Overwrite ``secret`` in the arguments of a child process that has read them; whether it could be done.

    Parameters
    ----------
    pid
        A process of this user that descends from this one.
    secret
        Its text in one of the arguments.
    """
    process = proc.folder(pid)
    fields = proc.stat_fields(process / "stat")
    if not fields:
        return False
    start = int(fields[proc.ARG_START])
    end = int(fields[proc.ARG_END])
    try:
        with (process / "mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            arguments = memory.read(end - start)
            place = arguments.find(secret.encode())
            if place >= 0:
                memory.seek(start + place)
                memory.write(b"*" * len(secret))
            return place >= 0
    except OSError:  # forbidden by the machine, or the process has just ended
        return False
