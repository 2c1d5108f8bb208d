"""Large photos fit into little memory, one at a time and many at once."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from matting_client import InputError, Options, budget
from matting_client.budget import MemoryBudget
from matting_client.cli.cutout import run_all
from matting_client.cli.inputs import find_photos, pair_with_results
from matting_client.client import MattingClient
from matting_client.engines import LocalEngine
from matting_client.imaging.decode import measure
from numpy.typing import NDArray
from PIL import Image

from tests.unit.client.pictures import astronaut

MEGABYTE = 1 << 20
PROGRAM = """
import re, sys
from pathlib import Path
from matting_client.cli.main import main
code = main(sys.argv[1:])
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three photos of 24 million pixels."""
    folder = tmp_path_factory.mktemp("large")
    photo = Image.fromarray(astronaut(4000, 6000))
    for name in "abc":
        photo.save(folder / f"{name}.jpg", quality=90)
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell the peak")
@pytest.mark.parametrize(
    ("photos", "options"),
    [
        ("a.jpg", ["--format", "png"]),
        ("a.jpg", ["--format", "webp", "--preset", "complex-background"]),
        ("", ["--jobs", "8"]),
    ],
)
def test_24_megapixels_stay_below_one_and_a_half_gigabytes(
    large: Path, environment: dict[str, str], tmp_path: Path, photos: str, options: list[str]
) -> None:
    arguments = ["cutout", str(large / photos), "-o", str(tmp_path / "out"), "--engine", "local", *options]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    results = sorted((tmp_path / "out").iterdir())
    assert len(results) == (1 if photos else 3)
    with Image.open(results[0]) as result:
        assert result.size == (6000, 4000)
    assert int(done.stdout) < 1500 * MEGABYTE


class Counted:
    """An engine that remembers how many calls it had at once."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self.model, self.size = engine.model, engine.size
        self.together = threading.Barrier(2)
        self.running = self.most = 0

    def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        # Waits for a second call, so that what may run together does.
        with contextlib.suppress(threading.BrokenBarrierError):
            self.together.wait(3.0)
        alpha = self._engine.infer(image)
        with self._lock:
            self.running -= 1
        return alpha

    def close(self) -> None:
        self._engine.close()


@pytest.mark.parametrize(("pixels", "most"), [(20_000, 2), (15_000, 1), (1, 1)])
def test_few_large_photos_at_once(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int, most: int
) -> None:
    monkeypatch.setattr(budget, "PHOTOS", MemoryBudget(pixels * budget.BYTES_PER_PIXEL))
    for index in range(4):
        Image.fromarray(astronaut(100, 100)).save(tmp_path / f"{index}.png")
    engine = Counted(LocalEngine())
    jobs = pair_with_results(find_photos([str(tmp_path)]), str(tmp_path / "out"), "png")
    assert run_all(MattingClient(engine), jobs, Options(), workers=2) == 0
    assert engine.most == most
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_pixels_are_counted_by_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(astronaut(30, 50)).save(path)
    assert measure(path.read_bytes()) == 1500
    for format in ("PNG", "WEBP", "TIFF", "AVIF"):
        Image.fromarray(astronaut(30, 50)).save(path, format)
        assert measure(path.read_bytes()) == 1500
    with pytest.raises(InputError, match="no known picture format"):
        measure(b"no picture")
