"""NVIDIA's own load generator on our server, beside `matting bench`'s: `python -m matting_bench.perf_analyzer`.

The program comes in the wheel tritonclient 2.51.0 for manylinux1 (later ones need a newer glibc than Debian 12 has).
This script fetches the wheel with pip, once, and runs it with the libraries that nvidia-pytriton brings.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from matting_client.cli.parser import Parser
from matting_client.errors import MattingError
from matting_client.repository import model_repository

from matting_bench.engines import input_squares
from matting_bench.load import call_from_threads
from matting_bench.server_process import Server
from matting_bench.throughput import BUSY, open_transport

WHEEL = "tritonclient==2.51.0"
MEMBER = "tritonclient-2.51.0.data/data/bin/perf_analyzer"
LIBRARIES = {"libb64.so.0d": "libb64*", "libcudart.so.12": "libcudart*"}  # names it wants: what the wheel calls them
AGREEMENT = 0.10


def fetch(folder: Path) -> Path:
    """The program and its libraries in `folder`, downloaded where they are not there yet."""
    program = folder / "perf_analyzer"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--platform", "manylinux1_x86_64", "-d", str(folder), WHEEL], check=True)
        (wheel,) = folder.glob("tritonclient-2.51.0-*manylinux1*.whl")
        with zipfile.ZipFile(wheel) as content:
            program.write_bytes(content.read(MEMBER))
        program.chmod(0o755)
        wheel.unlink()
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise MattingError(
            "", problem="perf_analyzer needs the libraries of nvidia-pytriton", remedy="run ./run.sh --setup-only"
        )
    brought = Path(spec.origin).parents[1] / "nvidia_pytriton.libs"
    for name, pattern in LIBRARIES.items():
        link = folder / name
        if not link.exists():
            link.symlink_to(next(brought.glob(pattern)))
    return program


def measure(
    program: Path, url: str, model: str, concurrency: int, seconds: float, shared_memory: bool = True
) -> dict[str, float]:
    """Rate and latencies (seconds) as perf_analyzer sees them, over gRPC, with system shared memory or without."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        command = [str(program), "-m", model, "-u", url, "-i", "grpc", "--concurrency-range", str(concurrency)]
        if shared_memory:
            command += ["--shared-memory", "system", "--output-shared-memory-size", "1048576"]
        command += ["--measurement-interval", str(int(seconds * 1000)), "--max-trials", "6", "-f", str(table)]
        libraries = f"{program.parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        done = subprocess.run(command, env={**os.environ, "LD_LIBRARY_PATH": libraries}, capture_output=True, text=True)
        if not table.exists():
            raise MattingError("perf_analyzer failed", problem=(done.stderr or done.stdout).strip()[-500:])
        (row,) = csv.DictReader(table.open())
    return {
        "rate": float(row["Inferences/Second"]),
        **{f"p{share}": float(row[f"p{share} latency"]) / 1e6 for share in (50, 95, 99)},
    }


def agreement(program: Path, server: Server, seconds: float, rounds: int) -> dict[str, Any]:
    """Both load generators in turns at `BUSY` callers; the ratio of the medians of their rates."""
    ours = []
    theirs = []
    with open_transport(server, "shm") as engine:
        photos = input_squares(engine.size)
        for _ in range(rounds):
            ours.append(call_from_threads(lambda number: engine.infer(photos[number][None]), BUSY, seconds).rate)
            theirs.append(measure(program, server.grpc, server.model, BUSY, seconds))
    ratio = statistics.median(ours) / statistics.median(entry["rate"] for entry in theirs)
    return {"ratio": ratio, "agrees": abs(ratio - 1) <= AGREEMENT, "bench": ours, "perf_analyzer": theirs}


def main() -> int:
    """0 both agree within 10 %, 1 they do not."""
    parser = Parser(prog="python -m matting_bench.perf_analyzer", description=__doc__)
    parser.add_argument(
        "--url", help="gRPC address of a running server, only measured, without shared memory (default: one of its own)"
    )
    parser.add_argument("--model", default="matting_512")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path("cache/perf_analyzer"), help="where the program is kept")
    given = parser.parse_args()
    program = fetch(given.cache.absolute())
    if given.url:
        # A server in a container sees no shared memory of ours.
        print(json.dumps(measure(program, given.url, given.model, BUSY, given.seconds, shared_memory=False), indent=2))
        return 0
    with Server(model_repository(), given.model) as server:
        found = agreement(program, server, given.seconds, given.rounds)
    print(json.dumps(found, indent=2))
    return 0 if found["agrees"] else 1


if __name__ == "__main__":
    sys.exit(main())
