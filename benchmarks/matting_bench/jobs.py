"""One job of many photos while one process of the server after the other is killed: what is lost or doubled.

`python -m matting_bench.jobs` starts `matting serve --page` on free ports, sends a ZIP to `/v1/jobs`, and kills
(SIGKILL) the page, the model's process, Triton and the supervisor in turns; a supervisor that was killed is started
again at once, as systemd or Docker would. Each photo has a shape of its own, by which its result is known.
"""

from __future__ import annotations

import io
import json
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from contextlib import suppress
from http.client import HTTPException
from itertools import cycle, product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matting_client.cli.parser import Parser
from numpy.typing import NDArray
from PIL import Image

from matting_bench.healing import Server

SIDES = range(48, 148)  # px; every height with every width makes 10,000 shapes
VICTIMS = ("page", "model", "Triton", "supervisor")
ANSWER_SECONDS = 60.0
GIVEN_UP_SECONDS = 180.0  # without any photo done
LOOK_SECONDS = 0.5
BOUNDARY = "matting-bench-boundary"
Shape = tuple[int, int]


def archive_of(count: int, folder: Path) -> tuple[Path, list[Shape]]:
    """A ZIP of so many JPEGs of a disc, each in a shape of its own, and their shapes as height and width in px."""
    shapes = list(product(SIDES, SIDES))[:count]
    path = folder / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, (height, width) in enumerate(shapes):
            photo: NDArray[np.uint8] = np.full((height, width, 3), 40, np.uint8)
            cv2.circle(photo, (width // 2, height // 2), 20, (60, 160, 230), -1)
            archive.writestr(f"{number:05}.jpg", cv2.imencode(".jpg", photo)[1].tobytes())
    return path, shapes


def send_job(page: int, archive: Path) -> str:
    """Begin the job; returns its path."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="archive"; filename="photos.zip"\r\n\r\n'
    body = head.encode() + archive.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    request = urllib.request.Request(f"http://127.0.0.1:{page}/v1/jobs", body, headers)
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        return str(answer.headers["Location"])


def job_status(page: int, path: str) -> dict[str, Any] | None:
    """The job as the server describes it; None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{page}{path}", timeout=ANSWER_SECONDS) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError as error:
        if error.code < 500:
            raise
    except (OSError, HTTPException):
        pass
    return None


def kill_until_done(server: Server, path: str, pause: float) -> tuple[dict[str, Any], Counter[str]]:
    """Kill one process after the other, every `pause` seconds, until the job is over; returns it and the kills."""
    kills: Counter[str] = Counter()
    begun = time.monotonic()
    victims = cycle(VICTIMS)
    moved = time.monotonic()
    next_kill = moved + pause
    job: dict[str, Any] = {"done": 0, "status": "queued"}
    while job["status"] not in ("done", "failed"):
        if time.monotonic() > moved + GIVEN_UP_SECONDS:
            raise SystemExit(f"nothing done for {GIVEN_UP_SECONDS:g} s: {job}")
        time.sleep(LOOK_SECONDS)
        found = job_status(server.page, path)
        if found is not None:
            moved = time.monotonic() if found["done"] > job["done"] else moved
            job = found
        if time.monotonic() > next_kill:
            victim = next(victims)
            with suppress(LookupError):  # it is being started
                server.hit(victim, signal.SIGKILL)
                kills[victim] += 1
                next_kill += pause
                print(f"{time.monotonic() - begun:.0f} s: killed {victim} at {job['done']} photos", flush=True)
    return job, kills


def judge(result: bytes, shapes: list[Shape]) -> dict[str, Any]:
    """Compare what came back with what was sent."""
    with zipfile.ZipFile(io.BytesIO(result)) as archive:
        told = json.loads(archive.read("results.json"))
        files = [each["file"] for each in told if "file" in each]
        found = Counter(Image.open(archive.open(name)).size[::-1] for name in archive.namelist() if name in set(files))
        entries = len(archive.namelist()) - 1
    by_name = Counter(each["photo"] for each in told)
    return {
        "results": entries,
        "failed": [each for each in told if "error" in each][:5],
        "lost": sum(shape not in found for shape in shapes),
        "doubled": sum(count - 1 for count in found.values()) + sum(count - 1 for count in by_name.values()),
    }


def run(photos: int, pause: float) -> dict[str, Any]:
    """Send the job, kill, and judge; see the module."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the server, too
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive, shapes = archive_of(photos, folder)
        server = Server(folder, MATTING_JOBS=str(folder / "jobs"))
        try:
            server.wait()
            start = time.monotonic()
            path = send_job(server.page, archive)
            job, kills = kill_until_done(server, path, pause)
            seconds = time.monotonic() - start
            if job["status"] != "done":
                raise SystemExit(f"the job failed: {job}")
            with urllib.request.urlopen(f"http://127.0.0.1:{server.page}{job['result']}") as answer:
                judged = judge(answer.read(), shapes)
        finally:
            server.process.terminate()
            server.process.wait()
    return {"photos": photos, "seconds": round(seconds), "kills": dict(kills), **judged}


def main() -> int:
    """0 nothing lost or doubled, 1 otherwise."""
    parser = Parser(prog="python -m matting_bench.jobs", description=__doc__)
    most = len(SIDES) ** 2
    parser.add_argument("--photos", type=int, default=2000, help=f"1 to {most} (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=60.0, help="seconds between kills (default: %(default)s)")
    given = parser.parse_args()
    if not 1 <= given.photos <= most:
        parser.error(f"--photos: got {given.photos}, expected 1 to {most}")
    result = run(given.photos, given.pause)
    print(json.dumps(result, indent=2))
    return 1 if result["lost"] or result["doubled"] or result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
