"""Decoders in processes of their own: a picture that hangs, bursts or kills its decoder harms nobody."""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import astuple, dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from matting_client.errors import MattingError
from matting_client.imaging.limits import BeyondLimits, Limits, Unusable
from matting_client.imaging.orientation import stored_view, upright_size
from matting_client.notes import Note
from matting_client.system import widen_pipe

MOST = 2  # processes; what most people send is decoded without them
MODULE = "matting_client.imaging.worker"
PIPE_BYTES = 1 << 20
# CPU time of one picture: what a small file may cost, and more for a large one.
SECONDS, SECONDS_PER_MEGABYTE = 1.5, 0.5
# Times the CPU time, in real time, until a process that only waits is ended; once more for a machine that is busy.
PATIENCE, LAST_PATIENCE = 20, 80
START_SECONDS = 300  # in real time, until a new process is up: there is no CPU time left when many start at once
# Memory is cleared as it is handed out: libtiff gives away rows of a damaged fax that it has not written, and what lay
# there before is another one's photo.
CLEAN = {"GLIBC_TUNABLES": "glibc.malloc.perturb=255:glibc.malloc.tcache_count=0"}
LIMIT_SIGNALS = (signal.SIGPROF, signal.SIGXCPU)  # of its own clock, and of the kernel's


@dataclass(frozen=True, eq=False, repr=False)
class Decoded:
    """What a decoder made of a file.

    Attributes
    ----------
    pixels : (H, W, 3) or, with alpha, (H, W, 4) upright straight sRGB.
    notes : what was repaired or left out.
    dpi, exif : pixels an inch across and down, and the file's EXIF block.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[Note, ...]
    dpi: tuple[float, float] | None
    exif: bytes


class _Died(Exception):
    """The process ended before its answer was complete.

    Parameters
    ----------
    at_limit : it took too much CPU time.
    is_overdue : it took too much real time. Otherwise somebody else may have ended it, as the kernel without memory.
    """

    def __init__(self, at_limit: bool = False, is_overdue: bool = False) -> None:
        self.at_limit, self.is_overdue = at_limit, is_overdue


class _Decoder:
    """One process; used by one thread at a time."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                # -P: a file of the working directory is no module. An own group: Ctrl-C is for the parent.
                [sys.executable, "-P", "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # decoders in C write what they think of a file
                env=os.environ | CLEAN | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                process_group=0,
            )
        except OSError as error:
            raise MattingError(
                "", f"no process for a decoder ({error.strerror})", remedy="free memory or processes"
            ) from None
        assert self._process.stdin is not None and self._process.stdout is not None
        self._is_ready = self._is_overdue = False
        self._watchdog = threading.Timer(0, self._give_up)  # not started
        self._in: IO[bytes] = self._process.stdin
        self._out: IO[bytes] = self._process.stdout
        widen_pipe(self._out.fileno(), PIPE_BYTES)

    def _watch(self, seconds: float) -> None:
        """End the process in so many seconds, unless it may rest before."""
        self._watchdog = threading.Timer(seconds, self._give_up)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _wait_until_ready(self) -> None:
        if not self._is_ready:
            self._watch(START_SECONDS)
            self._is_ready = self._out.readline().endswith(b"\n")
            self.rest()

    def ask(self, command: str, data: bytes, limits: Limits, patience: float) -> dict[str, Any]:
        """The answer's head; the process has `patience` times its CPU time for all of the answer.

        Raises
        ------
        Unusable, _Died
        """
        seconds = SECONDS + SECONDS_PER_MEGABYTE * len(data) / 2**20
        request = {"command": command, "length": len(data), "seconds": seconds, "limits": astuple(limits)}
        try:
            self._wait_until_ready()  # or dead, which the next lines tell
            self._watch(patience * seconds)
            self._in.write(json.dumps(request).encode() + b"\n")
            self._in.write(data)
            self._in.flush()
            line = self._out.readline()
        except OSError:
            raise _Died from None
        if not line.endswith(b"\n"):
            raise _Died
        head: dict[str, Any] = json.loads(line)
        if "got" in head:
            kind = BeyondLimits if head["beyond"] else Unusable
            raise kind(head["got"], head["expected"], head["remedy"])
        return head

    def read_pixels(self, head: dict[str, Any], limits: Limits) -> NDArray[np.uint8]:
        """The rows that follow an answer's head, put upright.

        Raises
        ------
        Unusable, _Died
        """
        width, height, channels = int(head["width"]), int(head["height"]), int(head["channels"])
        limits.check_size(width, height)
        orientation = int(head["orientation"])
        pixels = np.empty((*upright_size(height, width, orientation), channels), np.uint8)
        rows = stored_view(pixels, orientation)
        strip = np.empty((min(height, max(1, PIPE_BYTES // (width * channels))), width, channels), np.uint8)
        for top in range(0, height, len(strip)):
            part = strip[: height - top]
            self._fill(part)
            rows[top : top + len(part)] = part
        return pixels

    def _fill(self, part: NDArray[np.uint8]) -> None:
        view = part.reshape(-1).data
        while view:
            count = self._out.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise _Died
            view = view[count:]

    def _give_up(self) -> None:
        self._is_overdue = True
        self._process.kill()

    def rest(self) -> None:
        """The answer is read: it has no hurry any more."""
        self._watchdog.cancel()

    def end(self) -> int:
        """End it now; returns how it ended."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):  # what could not be written any more
                pipe.close()
        return code

    def has_ended(self) -> bool:
        """Whether it ended by itself, or somebody else ended it."""
        return self._process.poll() is not None

    def death(self) -> _Died:
        """Why it ended; kills it when it did not end."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            code = self.end()
        return _Died(code in [-number for number in LIMIT_SIGNALS], self._is_overdue)


class DecoderPool:
    """Up to `most` decoders, started when they are needed; safe to use from several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._idle: list[_Decoder] = []
        self.begin_anew()

    def begin_anew(self) -> None:
        """Have no decoders, for a process that was forked: they are the other's, and its threads may hold the lock."""
        self._others = self._idle  # kept, or Python warns of processes that go on
        self._idle = []
        self._free = threading.Semaphore(self._most)
        self._lock = threading.Lock()
        self._closed = False

    def warm(self) -> None:
        """Start one decoder, which gets ready while the caller does something else."""
        with self._lock:
            if not self._idle and not self._closed:
                self._idle.append(_Decoder())

    def measure(self, data: bytes, limits: Limits) -> tuple[int, int]:
        """Width and height of a picture as it is stored.

        Raises
        ------
        Unusable
        """
        head = self._run("measure", data, limits)
        assert isinstance(head, dict)
        return int(head["width"]), int(head["height"])

    def decode(self, data: bytes, limits: Limits) -> Decoded:
        """A picture's pixels.

        Raises
        ------
        Unusable
        """
        decoded = self._run("read", data, limits)
        assert isinstance(decoded, Decoded)
        return decoded

    def close(self) -> None:
        """End all decoders that have nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._closed = True
        for decoder in idle:
            decoder.end()

    def _run(self, command: str, data: bytes, limits: Limits) -> Decoded | dict[str, Any]:
        with self._free:
            for patience in (PATIENCE, LAST_PATIENCE):  # perhaps the first time it was not this picture's fault
                try:
                    return self._once(command, data, limits, patience)
                except _Died as death:
                    took_too_long = death.at_limit or death.is_overdue
                    if death.at_limit:
                        break
        self.warm()  # for the next picture
        what = "takes too long to decode" if took_too_long else "its decoder does not survive"
        raise Unusable(f"a picture that {what}", "one that was saved as usual", "save it anew")

    def _once(self, command: str, data: bytes, limits: Limits, patience: float) -> Decoded | dict[str, Any]:
        decoder = self._take()
        try:
            head = decoder.ask(command, data, limits, patience)
            if command == "read":
                pixels = decoder.read_pixels(head, limits)
        except Unusable:
            self._give_back(decoder)
            raise
        except _Died:
            decoder.rest()
            death = decoder.death()
            decoder.end()
            raise death from None
        except BaseException:  # the answer is not read to its end
            decoder.rest()
            decoder.end()
            raise
        self._give_back(decoder)
        if command != "read":
            return head
        dpi = tuple(head["dpi"]) if head["dpi"] else None
        return Decoded(pixels, tuple(Note(**each) for each in head["notes"]), dpi, base64.b64decode(head["exif"]))

    def _take(self) -> _Decoder:
        with self._lock:
            while self._idle:
                decoder = self._idle.pop()
                if not decoder.has_ended():
                    return decoder
                decoder.end()
        return _Decoder()

    def _give_back(self, decoder: _Decoder) -> None:
        decoder.rest()
        with self._lock:
            if not self._closed:
                self._idle.append(decoder)
                return
        decoder.end()


DECODERS = DecoderPool()  # of this process
atexit.register(DECODERS.close)
if hasattr(os, "register_at_fork"):  # on Windows it is not
    os.register_at_fork(after_in_child=DECODERS.begin_anew)
