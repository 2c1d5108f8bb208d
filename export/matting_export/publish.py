"""Put an exported network into the model repository, once it has been found to compute what the network does."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from matting_client.repository import CONTRACT_FILE, MODEL_FILE
from matting_training.checkpoint import load_model, read_metadata
from matting_training.model.unet import MattingUNet
from matting_training.whole import written_whole
from numpy.typing import NDArray

from matting_export.fold import fold_batch_norms
from matting_export.graph import annotate, build
from matting_export.int8 import calibration_split, publish_int8
from matting_export.metadata import SIZES, Contract, commit, sha256, training_data
from matting_export.scores import publish_scores
from matting_export.staging import check_writable, staging_folder
from matting_export.tolerances import ParityError
from matting_export.verify import verify

STAGE = ".publish-"  # beginning of the name of the folder in which a publication is made ready


def publish_model(
    model: MattingUNet, weights: Path, name: str, repository: Path, photos: list[NDArray[np.uint8]], half: bool
) -> Contract:
    """Export one model, verify it, and only then put it in the repository with its contract.

    Raises
    ------
    ParityError
        The exported file computes something else; the repository is as before.
    """
    size = SIZES[name]
    header = read_metadata(weights)
    proto = build(fold_batch_norms(model), size, half)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "model.onnx"
        onnx.save(proto, trial)
        parity = verify(model, trial, size, photos, half)
    contract = Contract(
        model=name,
        size=size,
        precision="fp16" if half else "fp32",
        weights_sha256=sha256(weights),
        commit=commit(),
        training_samples=int(header["seen"]),
        training_data=training_data(header),
        parity=parity,
    )
    annotate(proto, contract.metadata())
    _write(proto, repository / name / "1" / ("model.fp16.onnx" if half else "model.onnx"))
    if not half:
        contract.write(repository / name)  # without a promise for an int8 model, which is of the weights before
    return contract


def publish_models(
    weights: Path,
    repository: Path,
    names: Sequence[str],
    photos: list[NDArray[np.uint8]],
    *,
    half: bool,
    published: Path | None,
) -> list[Contract]:
    """Put several models of one file of weights in the place of those that are there; all of them or none.

    Parameters
    ----------
    half : write model.fp16.onnx, too.
    published : where the weights lie that the models are of, which are replaced as well; None: they stay.

    Raises
    ------
    ParityError
        A file computes something else; everything is as before.
    """
    model = load_model(weights)
    made = list[Contract]()
    with staging_folder(repository, STAGE) as stage:
        for name in names:
            made += [publish_model(model, weights, name, stage, photos, each) for each in (False, True)[: 1 + half]]
        _take_over_all(weights, stage, repository, names, published)
    return made


def check_place(repository: Path, published: Path, data: Sequence[Path]) -> None:
    """Find out what would keep `publish_all` from publishing, before hours are spent; the parameters are its own.

    Raises
    ------
    DataError
        The folders hold no sets to calibrate int8 with, or none to check it on.
    OSError
        A folder cannot be made or written into.
    """
    models = [repository / name / "1" for name in SIZES]
    for folder in (repository, published.parent, *(model for model in models if model.exists())):
        check_writable(folder)
    calibration_split(*data)


def publish_all(
    weights: Path, repository: Path, *, photos: list[NDArray[np.uint8]], data: Sequence[Path], published: Path
) -> None:
    """Put weights, both models and their int8 files in the place of those that are there; all of them or none.

    Parameters
    ----------
    weights : the new ones.
    repository : of the models; `configs` and `config.pbtxt` in it are left alone.
    photos : (H, W, 3) each, for the parity check.
    data : folders of sets with alphas to calibrate int8 with and to check it on, as of `int8.calibration_split`; each
        model's scores are of those named val_...
    published : where the weights lie that the models are of.

    Raises
    ------
    ParityError
        A file computes something else, or int8 loses too much; everything is as before.
    DataError
        The folders hold no such sets; everything is as before.
    OSError
        Something cannot be written.
    """
    check_place(repository, published, data)
    with staging_folder(repository, STAGE) as stage:
        _in_own_process(_stage, weights, stage, photos, data)
        _take_over_all(weights, stage, repository, list(SIZES), published)


def _stage(weights: Path, stage: Path, photos: list[NDArray[np.uint8]], data: Sequence[Path]) -> None:
    model = load_model(weights)
    for name in SIZES:
        publish_model(model, weights, name, stage, photos, half=False)
        print(f"{name} int8: {publish_int8(stage / name / '1' / MODEL_FILE, *data)}", flush=True)
        print(f"{name} scores: {publish_scores(stage, name, *data)}", flush=True)


def _in_own_process(work: Callable[..., None], *given: Any) -> None:
    """Torch's exporter crashed (torch 2.13) in a process that had trained before; its errors come back as they are."""
    os.environ.setdefault("TORCH_LOGS", "-all")  # read when torch is imported there: it warns that torchvision is not
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            pool.submit(work, *given).result()
        except BrokenProcessPool:
            raise ParityError("the process that exports crashed; nothing was published, start it again") from None


def _take_over_all(weights: Path, stage: Path, repository: Path, names: Sequence[str], published: Path | None) -> None:
    """Move all staged models, and the weights that they are of last."""
    with contextlib.ExitStack() as at_last:
        if published is not None and not (published.exists() and published.samefile(weights)):
            shutil.copyfile(weights, at_last.enter_context(written_whole(published)))
        for name in names:
            _take_over(stage / name, repository / name)


def _take_over(new: Path, place: Path) -> None:
    """Move a model's files; the contract, whose digests vouch for them, last. What is of other weights goes."""
    (place / "1").mkdir(parents=True, exist_ok=True)
    files = sorted((new / "1").iterdir())
    for stale in {*(place / "1").glob("model.*")} - {place / "1" / file.name for file in files}:
        print(f"{stale}: removed, it is of the weights before; make it again with matting export")
        stale.unlink()
    for file in [*files, new / CONTRACT_FILE]:
        file.replace(place / file.relative_to(new))


def _write(proto: onnx.ModelProto, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        onnx.save(proto, part)
