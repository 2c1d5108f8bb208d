"""The decoder's own process: files in by standard input, rows of pixels out by standard output.

It runs with bounds of memory for its life and of CPU time for each picture; whoever goes beyond them ends it, and
`pool` starts another. It holds no more than Pillow and numpy, so that it starts quickly and has little to be attacked.

    at its start: one line of JSON {"ready": true}
    request: one line of JSON {"command": "read" or "measure", "length", "seconds" of CPU, "limits"}, then the file
    answer: one line of JSON {"width", "height", "channels", ...}, or {"got", "expected", "remedy", "beyond"},
            then the rows
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import resource
import signal
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from matting_client.imaging import reading
from matting_client.imaging.limits import BeyondLimits, Limits, Unusable
from matting_client.imaging.tags import density, exif_block, orientation

MEMORY = 448 << 20  # bytes beyond what the process has after its start


def bound_memory() -> None:
    """Let the process have `MEMORY` more than it has now; beyond that Pillow raises MemoryError."""
    found = re.search(r"VmSize:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found:
        resource.setrlimit(resource.RLIMIT_AS, (int(found[1]) * 1024 + MEMORY,) * 2)


def answer(request: dict[str, Any], data: bytes, out: BinaryIO) -> None:
    """Decode one file and write the answer."""
    limits = Limits(*request["limits"])
    try:
        if request["command"] == "measure":
            width, height = reading.measure(data, limits)
            _say(out, {"width": width, "height": height})
            return
        opened = reading.load(data, limits)
        channels, rows = reading.strips(opened)
        width, height = opened.picture.size
        head = {
            "width": width,
            "height": height,
            "channels": channels,
            "orientation": orientation(opened.picture),
            "notes": [asdict(note) for note in opened.notes],
            "dpi": density(opened.picture),
            "exif": base64.b64encode(exif_block(opened.picture)).decode(),
        }
        first = next(rows)  # before anything is said: afterwards a failure can only be told by the end
    except Unusable as error:
        beyond = isinstance(error, BeyondLimits)
        _say(out, {"got": error.got, "expected": error.expected, "remedy": error.remedy, "beyond": beyond})
        return
    except MemoryError:
        got = "a picture that needs too much memory"
        _say(out, {"got": got, "expected": "a smaller one", "remedy": "shrink it", "beyond": False})
        return
    _say(out, head)
    for each in itertools.chain([first], rows):
        out.write(np.ascontiguousarray(each).data)
    out.flush()


def _say(out: BinaryIO, head: dict[str, Any]) -> None:
    out.write(json.dumps(head).encode() + b"\n")
    out.flush()


def main() -> None:
    """Answer requests until standard input ends."""
    warnings.simplefilter("ignore")  # Pillow warns of damaged metadata, which does not matter here
    reading.prepare_pillow()
    bound_memory()
    _say(sys.stdout.buffer, {"ready": True})
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        data = sys.stdin.buffer.read(request["length"])
        # The default action of the signal ends the process, wherever in a decoder it is.
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        answer(request, data, sys.stdout.buffer)
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    main()
