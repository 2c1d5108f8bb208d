"""What is installed into a container holds all that the page reads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COPIED = ("pyproject.toml", "README.md", "api", "benchmarks", "export", "server", "training", "ui")


def test_the_wheel_holds_the_page(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in COPIED:  # building writes beside the sources
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run([*command, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        packed = set(content.namelist())
    wanted = {
        path.relative_to(source).as_posix()
        for folder in ("api", "ui")
        for path in (source / folder).rglob("*")
        if path.suffix in {".py", ".css", ".html", ".js", ".json"}
    }
    assert {"ui/texts.json", "ui/style.css", "ui/tabs/single.py"} <= wanted
    assert wanted <= packed, sorted(wanted - packed)
