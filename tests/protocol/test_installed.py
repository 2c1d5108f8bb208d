"""What people install: both wheels in an environment of their own, used from a folder that is not ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client
from matting_bench.server_process import free_ports
from PIL import Image
from skimage import data

from tests.protocol.serving import READY_SECONDS, ROOT, left_since, leftovers

FOLDERS = {  # of the clone, and the package that each becomes
    "api": "matting_api",
    "benchmarks": "matting_bench",
    "export": "matting_export",
    "model_repository": "matting_models",
    "server": "matting_server",
    "training": "matting_training",
    "ui": "matting_ui",
}
READ = {".py", ".css", ".html", ".js", ".json", ".onnx", ".xml", ".bin", ".pbtxt", ".safetensors", ".tflite"}
TOP_FILES = ("pyproject.toml", "README.md", "LICENSE", "THIRD_PARTY.md")


def build_wheel(project: Path, out: Path) -> Path:
    before = set(out.glob("*.whl"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out)]
    subprocess.run([*command, str(project)], check=True)
    (wheel,) = set(out.glob("*.whl")) - before
    return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The application's and the client's, built from copies: building writes beside the sources."""
    source = tmp_path_factory.mktemp("source")
    out = tmp_path_factory.mktemp("wheels")
    for name in TOP_FILES:
        shutil.copy(ROOT / name, source / name)
    for name in (*FOLDERS, "client"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    return build_wheel(source, out), build_wheel(source / "client", out)


def test_an_editable_client_is_a_path_that_type_checkers_follow(tmp_path: Path) -> None:
    """As ./run.sh installs it; of an import hook they know nothing."""
    ours = shutil.ignore_patterns("*.egg-info", "__pycache__", "weights")
    client = Path(shutil.copytree(ROOT / "client", tmp_path / "client", ignore=ours))
    code = "import setuptools.build_meta as backend; print(backend.build_editable('.'))"
    subprocess.run([sys.executable, "-c", code], cwd=client, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = client.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        (name,) = (each for each in file.namelist() if each.endswith(".pth"))
        assert Path(file.read(name).decode().strip()) == client


@pytest.fixture(scope="module")
def installed(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with our wheels; what others wrote is taken from the tests' own environment."""
    folder = tmp_path_factory.mktemp("环境")  # a name that Triton's own Python cannot read
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A path in a .pth file adds a folder, but not what that folder's own .pth files say: our clone stays invisible.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / "bin" / "python"),
        "install",
        "--quiet",
        "--no-deps",
    ]
    subprocess.run([*command, "--no-compile", "--ignore-installed", *map(str, wheels)], check=True)
    return folder / "bin"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with things in it that must not be mistaken for ours."""
    for name in ("api", "server", "matting_api", "matting_server", "matting_client", "numpy"):
        (tmp_path / name).mkdir()
        for file in ("__init__.py", "main.py"):
            (tmp_path / name / file).write_text(f"raise SystemExit('the folder {name} of somebody else was run')\n")
    Image.fromarray(data.astronaut()).save(tmp_path / "photo.png")
    return tmp_path


def test_the_wheels_hold_all_that_is_read(wheels: tuple[Path, Path]) -> None:
    packed = set()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as content:
            names = set(content.namelist())
        licences = {name.rpartition("/")[2] for name in names if ".dist-info/licenses/" in name}
        assert licences == {"LICENSE", "THIRD_PARTY.md"}, wheel
        packed |= names
    wanted = set()
    for folder, package in {**FOLDERS, "client": "matting_client"}.items():
        home = ROOT / folder if package == "matting_models" else ROOT / folder / package
        files = [path for path in home.rglob("*") if path.suffix in READ and "fp16" not in path.name]
        wanted |= {f"{package}/{path.relative_to(home).as_posix()}" for path in files}
    assert {
        "matting_ui/texts.json",
        "matting_server/backend/onnxruntime/model.py",
        "matting_models/matting_512/1/model.int8.bin",
        "matting_client/presets.json",
        "matting_client/weights/face_detection_short_range.tflite",
        "matting_client/weights/orientation.onnx",
    } <= wanted
    assert wanted <= packed, sorted(wanted - packed)


def test_no_package_of_ours_has_a_common_name(wheels: tuple[Path, Path]) -> None:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as content:
            tops = {name.partition("/")[0] for name in content.namelist()}
        assert all(top.startswith("matting_") or top.endswith(".dist-info") for top in tops), tops


def test_the_command_works_from_anywhere(installed: Path, foreign: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(installed / "matting"), *arguments]
        return subprocess.run(command, cwd=foreign, capture_output=True, text=True, timeout=120)

    helped = run("--help")
    assert helped.returncode == 0, helped.stderr
    for verb in ("bench", "clean", "cutout", "evaluate", "export", "serve", "train", "ui"):
        assert verb in helped.stdout
    cut = run("cutout", "photo.png", "-o", "cutout.png", "--engine", "local")
    assert cut.returncode == 0, cut.stderr
    with Image.open(foreign / "cutout.png") as picture:
        alpha = np.asarray(picture)[..., 3]
    assert 0.3 < alpha.mean() / 255 < 0.8
    wrong = run("cutout", "photo.png", "--no-such-option")
    assert wrong.returncode == 2
    assert len(wrong.stderr.strip().splitlines()) == 1


@pytest.fixture
def site(installed: Path, foreign: Path) -> Iterator[str]:
    before = leftovers()
    ports = free_ports(4)
    flags = ("--http-port", "--grpc-port", "--metrics-port", "--page-port")
    options = [text for flag, port in zip(flags, ports, strict=True) for text in (flag, str(port))]
    log, ready = foreign / "log", foreign / "ready"
    environment = {**os.environ, "PATH": f"{installed}:{os.environ['PATH']}"}
    with log.open("w") as out:
        server = subprocess.Popen(
            [str(installed / "matting"), "serve", "--page", "--ready-file", str(ready), *options],
            cwd=foreign,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not ready.exists():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{ports[3]}"
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0, log.read_text()
    assert left_since(before) == set()


def test_the_server_and_its_page_work_from_anywhere(site: str) -> None:
    about = str(Client(site, verbose=False).predict(api_name="/about"))
    for fact in ("matting_512", "CC BY 4.0", "Apache-2.0", "SAD", "gradio"):
        assert fact in about, about
