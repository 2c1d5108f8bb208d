"""A look into a stranger's clip, from a process of its own with bounds of memory and CPU time.

FFmpeg makes room for whatever a header announces: some hundred bytes that speak of 80 million frames take 3 GB and a
minute. So a server opens a clip itself only when it was seen here what that costs.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from matting_client.errors import InputError, MattingError, OptionError, TooLarge
from matting_client.types import Picture
from matting_client.video.reader import Clip

MODULE = "matting_client.video.inspector"
MOST = 2  # processes at once
MEMORY = 512 << 20  # bytes of the process, of which Python and FFmpeg are a fifth
FRAME_MEMORY = 1024 << 20  # where a frame is decoded: a decoder keeps others beside it
# CPU time: what a small file may cost, and more for a large one; to find a frame.
SECONDS = 3.0
SECONDS_PER_MEGABYTE = 0.1
FRAME_SECONDS = 30.0
PATIENCE = 20  # times the CPU time, in real time
LOOK_SECONDS = 0.02  # between looks at its memory
_KINDS = {kind.__name__: kind for kind in (InputError, OptionError, TooLarge)}
_free = threading.Semaphore(MOST)


@dataclass(frozen=True, eq=False, repr=False)
class Look:
    """One frame of a clip, (H, W, 3) uint8 RGB, and the second at which it is shown."""

    clip: Clip
    start: Fraction
    rgb: Picture


def inspected(path: Path, name: str) -> Clip:
    """What is known of a clip, every packet of which can be read within the bounds; `name` is what errors call it.

    Raises
    ------
    MattingError
        It cannot be used.
    """
    return _clip(_ask(path, name, None)[0], name)


def look_at(path: Path, name: str, second: Fraction) -> Look:
    """The frame that is shown at a second, or the last one before it. Errors as of `inspected`."""
    head, rows = _ask(path, name, second)
    shape = (int(head["height"]), int(head["width"]), 3)
    return Look(_clip(head, name), Fraction(head["start"]), np.frombuffer(rows, np.uint8).reshape(shape))


def _clip(head: dict[str, Any], name: str) -> Clip:
    return Clip(name, Fraction(head["time_base"]), Fraction(head["fps"]), head["count"])


def _ask(path: Path, name: str, second: Fraction | None) -> tuple[dict[str, Any], bytes]:
    """The head of an answer, and what follows it."""
    size = path.stat().st_size if path.exists() else 0
    seconds = SECONDS + SECONDS_PER_MEGABYTE * size / 2**20
    if second is not None:
        seconds += FRAME_SECONDS
    request = {
        "path": str(path),
        "name": name,
        "second": None if second is None else str(second),
        "seconds": seconds,
    }
    with _free:
        output = _run(request, MEMORY if second is None else FRAME_MEMORY, name)
    line, _, rows = output.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    if kind := head.pop("kind", ""):
        raise _KINDS.get(kind, InputError)(**head)
    return head, rows


def _run(request: dict[str, Any], most_bytes: int, name: str) -> bytes:
    """What the process says to a request; its errors are about `name`."""
    try:
        process = subprocess.Popen(
            # -P: a file of the working directory is no module. An own group: Ctrl-C is for the parent.
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # FFmpeg writes what it thinks of a file
            process_group=0,
        )
    except OSError as error:
        problem = f"no process to look into a clip ({error.strerror})"
        raise MattingError("", problem=problem, remedy="free memory or processes") from None
    with process, _Watch(process, most_bytes) as watch:
        try:
            said = process.communicate(json.dumps(request).encode() + b"\n", PATIENCE * request["seconds"])[0]
        except subprocess.TimeoutExpired:
            raise _too_long(name) from None
        finally:
            process.kill()
    if process.returncode == 0:
        return said
    if watch.is_exceeded:
        raise InputError(name, "a clip that needs too much memory", "one that was saved as usual", "save it anew")
    if process.returncode == -signal.SIGPROF:
        raise _too_long(name)
    raise InputError(name, "a clip that its decoder does not survive", "one that was saved as usual", "save it anew")


def _too_long(name: str) -> InputError:
    return InputError(name, "a clip that takes too long to read", "one that was saved as usual", "save it anew")


class _Watch:
    """Ends a process that takes more memory than it may.

    A limit of the system would not do: FFmpeg does without an index for which there is no room and says nothing, so
    that the file would be found out where there is no limit.
    """

    def __init__(self, process: subprocess.Popen[bytes], most_bytes: int) -> None:
        self.is_exceeded = False
        self._process = process
        self._most_bytes = most_bytes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="clip's memory", daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _keep_looking(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if _resident(self._process.pid) > self._most_bytes:
                self.is_exceeded = True
                self._process.kill()
                return


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 of one that has ended."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()
    return 0
