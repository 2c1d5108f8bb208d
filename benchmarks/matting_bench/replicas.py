"""Replicas behind nginx under load, one of them killed again and again: how many photos are lost.

`python -m matting_bench.replicas` starts them on free ports, with the nginx of this machine (or of `./test.sh`) and the
configuration of `deploy/nginx-replicas.conf`. A caller sends each photo once and repeats nothing.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import cv2
import psutil
from matting_client.cli.parser import Parser
from skimage import data

from matting_bench.programs import ROOT, find, nginx
from matting_bench.server_process import READY_SECONDS, free_ports

ANSWER_SECONDS = 120.0


class Replica:
    """A server with its page, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._ready = folder / "ready"
        self._log = (folder / "log").open("w")
        self.page, grpc = free_ports(2)
        self._command = [sys.executable, "-m", "matting_server.main", "--page", f"--page-port={self.page}"]
        self._command += [f"--grpc-port={grpc}", "--ready-file", str(self._ready)]
        self.start()

    def start(self) -> None:
        """Start it, again or for the first time."""
        self._ready.unlink(missing_ok=True)
        environment = {**os.environ, "MATTING_API_TRUSTED_PROXIES": "127.0.0.1"}
        self.process = subprocess.Popen(
            self._command, env=environment, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def wait(self) -> None:
        """Wait until it is ready."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"a replica did not start: {self._log.name}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End all its processes at once, as when a machine is gone."""
        supervisor = psutil.Process(self.process.pid)
        for each in (supervisor, *supervisor.children(recursive=True)):
            each.kill()
        self.process.wait()

    def close(self) -> None:
        """End it for good."""
        self.process.terminate()
        self.process.wait()
        self._log.close()


@dataclass
class Tally:
    """What came of the photos of all callers."""

    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def site_of(replicas: list[Replica], port: int) -> str:
    """deploy/'s configuration of the balancer, for these replicas and a port."""
    servers = "".join(f"server 127.0.0.1:{each.page} max_fails=1 fail_timeout=5s;\n" for each in replicas)
    site = (ROOT / "deploy" / "nginx-replicas.conf").read_text().replace("listen 80;", f"listen 127.0.0.1:{port};")
    return re.sub(r"( *server 10\.0\.0\.\d+:7860 [^\n]*\n)+", lambda _: servers, site)


def call(port: int, photo: bytes, stop: threading.Event, tally: Tally) -> None:
    """Send one photo after the other, each once."""
    while not stop.is_set():
        start = time.monotonic()
        connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", "/v1/cutout", photo, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200 or not content.startswith(b"\x89PNG"):
                tally.lost.append(f"{answer.status} {content[:100]!r}")
            else:
                tally.seconds.append(time.monotonic() - start)
        except (OSError, HTTPException) as error:
            tally.lost.append(repr(error))
        finally:
            connection.close()


def run(count: int, callers: int, seconds: float, pause: float) -> dict[str, Any]:
    """Kill one replica after the other, and start each again at once."""
    photo = cv2.imencode(".jpg", cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR))[1].tobytes()
    tally = Tally()
    stop = threading.Event()
    kills = 0
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        replicas = [Replica(Path(name, str(number))) for number in range(count)]
        for replica in replicas:
            opened.callback(replica.close)
        for replica in replicas:
            replica.wait()
        (port,) = free_ports(1)
        opened.enter_context(nginx(Path(name), site_of(replicas, port), port))
        threads = [threading.Thread(target=call, args=(port, photo, stop, tally)) for _ in range(callers)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while not stop.wait(min(pause, max(0.0, end - time.monotonic()))) and time.monotonic() < end:
            victim = replicas[kills % count]
            victim.kill()
            kills += 1
            victim.start()
            print(f"killed {kills}: {len(tally.seconds)} answered, {len(tally.lost)} lost", flush=True)
        stop.set()
        for thread in threads:
            thread.join()
    quantiles = statistics.quantiles(tally.seconds, n=100)
    return {
        "replicas": count,
        "callers": callers,
        "seconds": seconds,
        "kills": kills,
        "answered": len(tally.seconds),
        "lost": len(tally.lost),
        "reasons": sorted(set(tally.lost))[:5],
        "p50_seconds": round(quantiles[49], 2),
        "p99_seconds": round(quantiles[98], 2),
    }


def main() -> int:
    """0 nothing lost, 1 otherwise."""
    parser = Parser(prog="python -m matting_bench.replicas", description=__doc__)
    parser.add_argument("--replicas", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--callers", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=180.0, help="of load (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=20.0, help="seconds between kills (default: %(default)s)")
    given = parser.parse_args()
    try:
        find("nginx")  # before the replicas are started
    except FileNotFoundError as error:
        raise SystemExit(f"{error}") from None
    result = run(given.replicas, given.callers, given.seconds, given.pause)
    print(json.dumps(result, indent=2))
    return 1 if result["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
