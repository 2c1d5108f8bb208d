"""A Python environment of plain names for the processes of the models, where ours has others.

Triton starts Python there without a locale, so that it can name nothing outside ASCII: a folder called 照片 in a .pth
file, as an editable installation in it has, ends it before our backend is read.

    <workspace>/python/
        pyvenv.cfg, bin/python        as `python -m venv` makes them
        base                          link to the Python that ours was made from
        paths/0, paths/1 ...          links to the folders that we import from
        lib/python3.11/site-packages/paths.pth    names those
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path


def python_for_models(folder: Path) -> Path:
    """The folder with the ``python`` whose environment the models' processes take: ours, or one made in ``folder``."""
    places = [sys.prefix, sys.base_prefix, *sys.path]
    if all(place.isascii() for place in places):
        return Path(sys.executable).parent
    return _make(folder)


def _make(folder: Path) -> Path:
    programs = folder / "bin"
    links = folder / "paths"
    packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    for each in (programs, links, packages):
        each.mkdir(parents=True)
    (folder / "base").symlink_to(sys.base_prefix)
    (folder / "pyvenv.cfg").write_text(f"home = {folder / 'base' / 'bin'}\n", encoding="ascii")
    for name in ("python", "python3"):
        (programs / name).symlink_to(Path(sys.executable).resolve())
    lines = ""
    for number, place in enumerate(_imported_from()):
        (links / str(number)).symlink_to(place)
        lines += f"{links / str(number)}\n"
    (packages / "paths.pth").write_text(lines, encoding="ascii")
    return programs


def _imported_from() -> list[Path]:
    """The folders of our ``sys.path`` that do not come with every Python."""
    standard = Path(sysconfig.get_path("stdlib"))
    own = {standard, standard / "lib-dynload"}
    return [place for place in map(Path, sys.path) if place.is_absolute() and place.is_dir() and place not in own]
