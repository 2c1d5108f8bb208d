"""Checked and decoded pictures with estimated foreground colours, as arrays on disk that training maps into memory.

Compositing a photo's own colours on a new background would teach the halo of the old one, so the foreground colours are
estimated once (Germer et al., "Fast Multi-Level Foreground Estimation", ICPR 2020, in pymatting).
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
from matting_client.processing.foreground import estimate_foreground
from numpy.typing import NDArray
from tqdm import tqdm

from matting_training.data.pairs import (
    DataError,
    Pair,
    check_whole,
    raise_problems,
    read_pair,
    read_rgb,
    shrunk,
)
from matting_training.process import fork_server, work_on_one_core
from matting_training.whole import written_whole


def _problem(pair: Pair) -> str | None:
    try:
        read_pair(pair)
        for file in (pair.image, pair.alpha):
            check_whole(file)
    except DataError as error:
        return str(error)
    return None


def process_pool(workers: int | None = None) -> ProcessPoolExecutor:
    """So many processes of one core each; None: as many as there are cores."""
    return ProcessPoolExecutor(workers, mp_context=fork_server(), initializer=work_on_one_core)


def check(pairs: list[Pair]) -> None:
    """Decode every pair once.

    Raises
    ------
    DataError
        Names every pair (up to ten) that cannot be read or does not fit.
    """
    if not pairs:
        return
    with process_pool() as pool:
        problems = [p for p in pool.map(_problem, pairs, chunksize=32) if p]
    raise_problems(problems)


def _shrink(picture: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    return shrunk(picture, max_side / max(picture.shape[:2]))


def cached_path(files: tuple[Path, ...], cache: Path, max_side: int) -> Path:
    """Where the array of a picture, or of a photo and its alpha, lies; changes with each file's path, size and time."""
    states = [(file.resolve(), file.stat()) for file in files]
    key = "|".join([*(f"{path}|{stat.st_size}|{stat.st_mtime_ns}" for path, stat in states), str(max_side)])
    # Names need not be UTF-8, and may be as long as a name can be.
    return cache / f"{files[0].stem[:50]}-{hashlib.sha256(os.fsencode(key)).hexdigest()[:16]}.npy"


def _save(array: NDArray[np.uint8], path: Path) -> None:
    file = io.BytesIO()  # of a full disk, NumPy's own writing says neither that it is full nor where
    np.save(file, array)
    with written_whole(path, f".{os.getpid()}.part") as part:
        part.write_bytes(file.getbuffer())


@functools.cache
def _pymatting_multilevel() -> ModuleType:
    """The one module of pymatting that is needed: the first import of the whole package compiles for a minute.

    Under its own name, by which numba's cache finds it again, whoever filled that.
    """
    package = find_spec("pymatting")
    assert package is not None and package.submodule_search_locations
    file = Path(package.submodule_search_locations[0], "foreground", "estimate_foreground_ml.py")
    spec = spec_from_file_location("pymatting.foreground.estimate_foreground_ml", file)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _multilevel(src: NDArray[np.uint8], pha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    fgr: NDArray[np.float64] = _pymatting_multilevel().estimate_foreground_ml(src / 255.0, pha / 255.0)
    rounded: NDArray[np.uint8] = np.round(np.clip(fgr, 0, 1) * 255).astype(np.uint8)
    return rounded


def _build_pair(job: tuple[Pair, Path, int, bool]) -> None:
    pair, path, max_side, quick = job
    src, pha = (_shrink(picture, max_side) for picture in read_pair(pair))
    # Colours are needed beyond the outline, too: warping mixes neighbours.
    fgr = estimate_foreground(src, pha, np.full_like(pha, 255)) if quick else _multilevel(src, pha)
    _save(np.stack([np.dstack([src, pha]), np.dstack([fgr, pha])]), path)


def _build_picture(job: tuple[Path, Path, int]) -> None:
    source, path, max_side = job
    _save(_shrink(read_rgb(source), max_side), path)


def _paths(pairs: list[Pair], cache: Path, max_side: int, quick: bool) -> list[Path]:
    folder = cache / "quick" if quick else cache
    return [cached_path((pair.image, pair.alpha), folder, max_side) for pair in pairs]


def check_uncached(pairs: list[Pair], cache: Path, max_side: int, *, quick: bool = False) -> None:
    """`check` those that `cache_pairs` would have to make; the parameters are its own."""
    paths = _paths(pairs, cache, max_side, quick)
    check([pair for pair, path in zip(pairs, paths, strict=True) if not path.exists()])


def cache_pairs(
    pairs: list[Pair], cache: Path, max_side: int, workers: int | None = None, *, quick: bool = False
) -> list[Path]:
    """Make what is missing and return one .npy a pair: uint8 (2, H, W, 4), photo with alpha and foreground with alpha.

    Parameters
    ----------
    pairs : photos and alphas, checked by `check_uncached`.
    cache : folder of the arrays; made when missing. An interrupted run leaves only whole arrays.
    max_side : longest side in pixels; larger pictures are shrunk by area.
    workers : processes; None: one a core.
    quick : estimate foregrounds as the client does, in about a tenth of a second a photo; in a cache of their own.
    """
    paths = _paths(pairs, cache, max_side, quick)
    jobs = [(pair, path, max_side, quick) for pair, path in zip(pairs, paths, strict=True) if not path.exists()]
    if jobs:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        with process_pool(workers) as pool:
            list(tqdm(pool.map(_build_pair, jobs, chunksize=4), total=len(jobs), desc="foregrounds", unit="photo"))
    return paths


def cache_pictures(sources: list[Path], cache: Path, max_side: int) -> list[Path]:
    """Like `cache_pairs` for backgrounds: uint8 (H, W, 3)."""
    cache.mkdir(parents=True, exist_ok=True)
    paths = [cached_path((source,), cache, max_side) for source in sources]
    for source, path in zip(sources, paths, strict=True):
        if not path.exists():
            _build_picture((source, path, max_side))
    return paths
