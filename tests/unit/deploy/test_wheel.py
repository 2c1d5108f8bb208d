"""What is installed into a container holds all that the page reads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COPIED = ("pyproject.toml", "README.md", "LICENSE", "THIRD_PARTY.md", "model_repository")
FOLDERS = {
    "api": "matting_api",
    "benchmarks": "matting_bench",
    "export": "matting_export",
    "model_repository": "matting_models",
    "server": "matting_server",
    "training": "matting_training",
    "ui": "matting_ui",
}
READ = {".py", ".css", ".html", ".js", ".json", ".onnx", ".xml", ".bin", ".pbtxt", ".safetensors"}


def test_the_wheel_holds_all_that_is_read(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in {*COPIED, *FOLDERS}:  # building writes beside the sources
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run([*command, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        packed = set(content.namelist())
    wanted = set()
    for folder, package in FOLDERS.items():
        home = source / folder if package == "matting_models" else source / folder / package
        wanted |= {f"{package}/{path.relative_to(home).as_posix()}" for path in home.rglob("*") if path.suffix in READ}
    assert {
        "matting_ui/texts.json",
        "matting_ui/static/style.css",
        "matting_ui/tabs/single.py",
        "matting_server/backend/onnxruntime/model.py",
        "matting_models/matting_512/1/model.onnx",
        "matting_models/matting_512/1/model.int8.bin",
    } <= wanted
    assert wanted <= packed, sorted(wanted - packed)
    assert any(name.endswith(".dist-info/licenses/THIRD_PARTY.md") for name in packed)
