"""Looking into folders in which others remove things meanwhile.

`Path.glob` fails when a folder that it is about to look into has just gone.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path


def find_below(folder: Path, pattern: str) -> Iterator[Path]:
    """Files and folders below a folder, hidden ones too, by a pattern as of `glob`; none where the folder is missing.

    What is removed meanwhile may be found or not.

    Parameters
    ----------
    folder : any; what is special in patterns is not in its name.
    pattern : a part for each level, as `*/*.jpg`.
    """
    for name in glob.iglob(pattern, root_dir=folder, include_hidden=True):  # noqa: PTH207
        yield folder / name


def size(path: Path) -> int:
    """Bytes of a file, of a link itself; 0 where it has gone."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0
