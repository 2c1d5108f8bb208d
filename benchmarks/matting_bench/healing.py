"""How fast the server heals: `python -m matting_bench.healing`.

Callers of both models, of the page's API and a folder of photos are at work while one process after the other is
killed or stopped (SIGSTOP). For each it shows how long no answer came to a request sent after the blow, and at the end
how many photos were lost or wrong. A supervisor that is killed is started again at once, as systemd or Docker would.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from matting_client.cli.parser import Parser
from matting_client.engines import GrpcEngine
from matting_client.errors import EngineError
from numpy.typing import NDArray
from skimage import data

from matting_bench.engines import input_squares
from matting_bench.server_process import free_ports

MODELS = ("matting_512", "matting_1024")
HEALED_SECONDS = 120.0  # after which a blow counts as not healed
PAUSE_SECONDS = 5.0  # between blows
BLOWS = [
    *((who, number) for who in ("model", "Triton", "page") for number in (signal.SIGKILL, signal.SIGSTOP)),
    ("supervisor", signal.SIGKILL),
]


@dataclass
class Tally:
    """What one kind of caller has had back."""

    sent: list[float] = field(default_factory=list)  # of the requests that were answered
    wrong: int = 0
    lost: list[str] = field(default_factory=list)

    def answered_after(self, moment: float) -> bool:
        """Whether a request that was sent later has been answered."""
        return bool(self.sent) and self.sent[-1] > moment


class Server:
    """`matting serve --page` on free ports, with these variables added to its environment."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._environment = {**os.environ, **environment}
        self.grpc, self.page = free_ports(2)
        self._log = (folder / "log").open("w")
        self._ready = folder / "ready"
        options = {"--grpc-port": self.grpc, "--page-port": self.page, "--ready-file": self._ready}
        arguments = [str(part) for pair in options.items() for part in pair]
        self._command = [sys.executable, "-P", "-m", "matting_server.main", "--page", *arguments]
        self.start()

    def start(self) -> None:
        """Start it and return at once."""
        self._ready.unlink(missing_ok=True)
        self.process = subprocess.Popen(self._command, env=self._environment, stderr=self._log, start_new_session=True)

    def wait(self) -> None:
        """Wait until all is ready."""
        while not self._ready.exists():
            if self.process.poll() is not None:
                raise SystemExit(f"the server did not start: {self._log.name}")
            time.sleep(0.05)

    def process_of(self, who: str) -> psutil.Process:
        """The supervisor, the page, Triton, or the process of the first model.

        Raises
        ------
        LookupError
            There is none now.
        """
        supervisor = psutil.Process(self.process.pid)
        marks = {"model": f"/{MODELS[0]}/", "Triton": "--model-repository=", "page": "matting_api.main"}
        if who == "supervisor":
            return supervisor
        found = [each for each in supervisor.children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE]
        for each in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                if marks[who] in " ".join(each.cmdline()):
                    return each
        raise LookupError(who)

    def hit(self, who: str, number: signal.Signals) -> None:
        """Send a signal; a supervisor that it ends is started again at once. Raises LookupError as of `process_of`."""
        self.process_of(who).send_signal(number)
        if who == "supervisor":
            self.process.wait()
            self.start()


def ask_model(server: Server, model: str, stop: threading.Event, tally: Tally) -> None:
    """Send one photo after the other over gRPC until told to stop."""
    photo = input_squares(512 if model == MODELS[0] else 1024)[:1]
    with GrpcEngine(f"127.0.0.1:{server.grpc}", model) as engine:
        expected = engine.infer(photo).astype(int)
        while not stop.is_set():
            sent = time.monotonic()
            try:
                alpha = engine.infer(photo)
            except EngineError as error:
                tally.lost.append(str(error))
                continue
            tally.sent.append(sent)
            tally.wrong += int(np.abs(alpha.astype(int) - expected).max() > 1)


def ask_api(server: Server, photo: bytes, stop: threading.Event, tally: Tally) -> None:
    """Send one photo after the other to the REST API; one that breaks off is sent again, as any client would."""
    while not stop.is_set():
        sent = time.monotonic()
        connection = HTTPConnection("127.0.0.1", server.page, timeout=HEALED_SECONDS)
        try:
            connection.request("POST", "/v1/alpha", photo, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            time.sleep(0.2)
            continue
        finally:
            connection.close()
        if answer.status == 200 and cv2.imdecode(np.frombuffer(content, np.uint8), 0) is not None:
            tally.sent.append(sent)
        elif answer.status not in (429, 503):
            tally.lost.append(content[:200].decode(errors="replace"))


def seconds_to_heal(server: Server, who: str, number: signal.Signals, tallies: list[Tally]) -> float:
    """Seconds from the blow until every kind of caller has an answer to a request sent after it."""
    moment = time.monotonic()
    server.hit(who, number)
    while not all(tally.answered_after(moment) for tally in tallies):
        if time.monotonic() - moment > HEALED_SECONDS:
            return float("inf")
        time.sleep(0.02)
    return time.monotonic() - moment


def folder_of_photos(folder: Path, count: int) -> NDArray[Any]:
    """Write ``count`` JPEG files of a portrait (NASA's, which scikit-image brings); returns the picture."""
    picture: NDArray[Any] = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:04}.jpg"), picture)
    return picture


def run(photos: int, callers: int) -> dict[str, Any]:
    """Strike one blow after the other; see the module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        picture = folder_of_photos(folder / "in", photos)
        server = Server(folder)
        server.wait()
        stop = threading.Event()
        tallies = [Tally() for _ in range(3)]
        jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        work: list[Callable[[], None]] = [
            *(
                lambda model=model, tally=tally: ask_model(server, model, stop, tally)
                for model, tally in zip(MODELS, tallies, strict=False)
            ),
            *[lambda: ask_api(server, jpeg, stop, tallies[2])] * callers,
        ]
        threads = [threading.Thread(target=each) for each in work]
        command = ["cutout", str(folder / "in"), "-o", str(folder / "out"), "--url", f"127.0.0.1:{server.grpc}"]
        try:
            for thread in threads:
                thread.start()
            cutout = subprocess.Popen([sys.executable, "-P", "-m", "matting_client.cli.main", *command])
            healed = {}
            for who, number in BLOWS:
                time.sleep(PAUSE_SECONDS)
                healed[f"{who} {number.name}"] = seconds_to_heal(server, who, number, tallies)
                print(f"{who} {number.name}: {healed[f'{who} {number.name}']:.1f} s", flush=True)
            code = cutout.wait()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            server.process.terminate()
            server.process.wait()
        names = [*(f"{model} over gRPC" for model in MODELS), "API"]
        rows = zip(names, tallies, strict=True)
        return {
            "healed_seconds": healed,
            "folder": {"photos": photos, "cut_out": len(list((folder / "out").glob("*.png"))), "exit_code": code},
            "callers": {who: {"answered": len(t.sent), "lost": t.lost, "wrong": t.wrong} for who, t in rows},
        }


def main() -> int:
    """0 nothing lost or wrong, 1 otherwise."""
    parser = Parser(prog="python -m matting_bench.healing", description=__doc__)
    parser.add_argument("--photos", type=int, default=300, help="in the folder (default: %(default)s)")
    parser.add_argument("--callers", type=int, default=8, help="of the API (default: %(default)s)")
    given = parser.parse_args()
    result = run(given.photos, given.callers)
    print(json.dumps(result, indent=2))
    tallies = result["callers"].values()
    whole = result["folder"]["cut_out"] == given.photos
    return 0 if whole and not any(each["lost"] or each["wrong"] for each in tallies) else 1


if __name__ == "__main__":
    sys.exit(main())
