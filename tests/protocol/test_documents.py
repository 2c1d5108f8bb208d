"""What the documents tell people to type works, word for word but for the ports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matting_bench.server_process import free_ports
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.protocol.serving import ROOT, Served

PAGES = ("README.md", "README.zh.md", "docs/quickstart.md", "docs/python.md", "docs/web-page.md")
STARTS = ("./run.sh", "pipx ")  # a server of its own, an installation: tests/protocol/test_page.py, tests/unit/deploy


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Served, int]]:
    """A server with its page and API."""
    (port,) = free_ports(1)
    server = Served(["--page", "--page-port", str(port)]).wait_ready()
    yield server, port
    assert server.stop() == 0, server.log


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader stands: a folder with photos in it, and `.venv`."""
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "a.jpg", "b.jpg", "photos/c.jpg", "photos/d.jpg"):
        Image.fromarray(data.astronaut()).save(tmp_path / name)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    return tmp_path


def here(text: str, site: tuple[Served, int]) -> str:
    """A document's text with this server's ports."""
    server, port = site
    text = text.replace("127.0.0.1:7860", f"127.0.0.1:{port}").replace("127.0.0.1:8001", server.grpc)
    return re.sub(r"(connect(?:_async)?)\(\)", rf'\1(url="{server.grpc}")', text)


def read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def mean_alpha(path: Path) -> float:
    """0..1, of the last channel."""
    return float(read(path)[..., -1].mean() / 255)


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [str(each) for each in re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


def shell_lines(page: str) -> list[str]:
    """Commands of a page's shell blocks, without their remarks, and those named within its text."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    named = re.findall(r"`(matting cutout [^`]+)`", (ROOT / page).read_text(encoding="utf-8"))
    return [each for each in (line.split(" # ")[0].strip() for line in [*lines, *named]) if each]


def run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_python_blocks_run(site: tuple[Served, int], folder: Path) -> None:
    """All of a page's blocks in one process, since one may use what another imported."""
    for page in PAGES:
        code = here("\n".join(blocks(page, "python")), site)
        assert code, page
        run([sys.executable, "-c", code], folder)
    assert read(folder / "cutout.png").shape == (512, 512, 4)
    assert read(folder / "white.jpg").shape == (512, 512, 3)


def test_shell_lines_run(site: tuple[Served, int], folder: Path) -> None:
    server, _ = site
    ran = 0
    for page in ("README.md", "README.zh.md", "docs/quickstart.md"):
        for line in shell_lines(page):
            if line.startswith(STARTS) or "matting serve" in line:
                continue
            command = here(line, site)
            if "matting cutout" in command and "--engine" not in command:
                command += f" --url {server.grpc}"
            run(["bash", "-c", command], folder)
            ran += 1
    assert ran >= 4
    assert read(folder / "cutouts" / "c.png").shape == (512, 512, 4)


def test_examples_run(site: tuple[Served, int], folder: Path) -> None:
    server, port = site
    url = f"http://127.0.0.1:{port}"
    calls = {
        "cutout.py": ["photo.jpg", "1.png", server.grpc],
        "async_batch.py": ["photos", "batch", server.grpc],
        "rest.py": ["photo.jpg", "2.png", url],
        "removebg_client.py": ["photo.jpg", url],
        "gradio_page.py": ["photo.jpg", "3.png", url],
        "triton_raw.py": ["photo.jpg", "4.png", server.grpc],
    }
    assert set(calls) == {each.name for each in (ROOT / "examples").glob("*.py")}
    for name, arguments in calls.items():
        run([sys.executable, str(ROOT / "examples" / name), *arguments], folder)
    run([str(ROOT / "examples" / "rest.sh"), "photo.jpg", "rest", url], folder)
    results = ("1.png", "batch/c.png", "batch/d.png", "photo.jpg_no_bg.png", "3.png", "rest/cutout.png")
    shares = {name: mean_alpha(folder / name) for name in results}
    assert max(shares.values()) - min(shares.values()) < 0.01, shares
    assert 0.3 < shares["1.png"] < 0.8  # the astronaut
    assert read(folder / "rest" / "white.jpg").shape == (512, 512, 3)
    assert read(folder / "rest" / "small.webp").shape[:2] == (512, 512)  # never enlarged
    assert read(folder / "rest" / "alpha.png").mean() / 255 == pytest.approx(shares["1.png"], abs=0.01)
