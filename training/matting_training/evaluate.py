"""Score sets in the plain layout through the client's own pipeline: `matting evaluate SET...`.

The engine is a running server, the published ONNX in this process, or the network in torch; alphas are made as
`matting cutout --alpha-only` makes them. `--alphas` scores what any other program made.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

import numpy as np
import torch
from matting_client import MattingClient, MattingError
from matting_client.cli.parser import Parser, error_line
from matting_client.connection import open_engine
from matting_client.engines import Engine, LocalEngine
from matting_client.runtime.precision import Precision
from numpy.typing import NDArray

from matting_training.checkpoint import WEIGHTS, load_model
from matting_training.config import check_sides
from matting_training.data.pairs import DataError, find_pairs, pictures, read_alpha, read_pair
from matting_training.metrics import score
from matting_training.validation import sheet

Predict = Callable[[Path], NDArray[np.uint8]]

EXAMPLES = """examples:
  matting evaluate data/val_london data/val_natural
  matting evaluate data/val_london --precision int8       what the int8 file beside the model scores
  matting evaluate data/val_london --engine triton --model matting_1024 --rows 0.7
  matting evaluate data/val_london --engine torch --weights runs/a/best.safetensors --size 1024
  matting evaluate data/val_london --sheet worst.png      the ten worst: photo, truth, alpha, on green
  matting evaluate data/val_london --alphas peer/out      alphas of a peer, matched by stem
  matting evaluate data/val_london --groups training/matting_training/groups.json    and each group of people
  matting evaluate data/val_empty           a folder of pictures without a subject: mean alpha
"""
WORST = 10  # photos on the sheet


class TorchEngine:
    """The network in fp32 behind the client's engine protocol."""

    def __init__(self, weights: Path, size: int) -> None:
        self.model = weights.stem
        self.size = size
        self._network = load_model(weights)

    def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(N, S, S, 3) uint8 -> (N, S, S, 1) uint8."""
        with torch.no_grad():
            pha = self._network(torch.from_numpy(image).float().permute(0, 3, 1, 2))
        rounded: NDArray[np.uint8] = (pha * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return rounded

    def close(self) -> None:
        """Nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def evaluate(predict: Predict, root: Path, rows: float = 1.0) -> dict[str, dict[str, float]]:
    """Metrics of each photo of a set; of a folder of pictures without alphas, the mean alpha of each.

    Parameters
    ----------
    predict : path of a photo -> its alpha, (H, W) uint8 of the photo's own size.
    root : `<root>/images` with `<root>/alpha`, or pictures without any subject.
    rows : share of the rows, from the top, that counts (0.7: head and shoulders).

    Raises
    ------
    DataError, MattingError
    """
    if not (root / "images").is_dir():
        return {path.stem: {"mean alpha": float(predict(path).mean() / 255)} for path in pictures(root)}
    scores = {}
    for pair in find_pairs(root):
        truth = read_pair(pair)[1]
        pred = predict(pair.image)
        if pred.shape != truth.shape:
            raise DataError(f"{pair.image}: got an alpha of {pred.shape}, expected {truth.shape}: make it of that size")
        keep = max(1, round(rows * truth.shape[0]))
        scores[pair.image.stem] = score(pred[:keep] / 255.0, truth[:keep] / 255.0)
    return scores


def means(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """Mean of each metric over the photos of `evaluate`."""
    names = next(iter(scores.values()))
    return {name: float(np.mean([one[name] for one in scores.values()])) for name in names}


def by_group(scores: dict[str, dict[str, float]], path: Path) -> dict[str, dict[str, dict[str, float]]]:
    """The scores of each group of photos that a JSON file defines, `{"group": ["stem", ...]}`; empty ones are left out.

    Raises
    ------
    DataError
        The file is no such JSON.
    """
    try:
        groups = {name: set(stems) for name, stems in json.loads(path.read_text(encoding="utf-8-sig")).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f'{path}: {error}; expected JSON like {{"group": ["stem of a photo"]}}') from error
    found = {name: {stem: one for stem, one in scores.items() if stem in stems} for name, stems in groups.items()}
    return {name: members for name, members in found.items() if members}


def peer_alphas(folder: Path) -> Predict:
    """Alphas that another program left in `folder`, matched with the photos by stem."""
    found = {path.stem: path for path in pictures(folder)}

    def predict(image: Path) -> NDArray[np.uint8]:
        if image.stem not in found:
            raise DataError(f"{folder}: got no alpha for {image.name}, expected {image.stem}.png")
        return read_alpha(found[image.stem])

    return predict


def draw_worst(
    predict: Predict, roots: Sequence[Path], scores: Sequence[dict[str, dict[str, float]]], to: Path
) -> None:
    """Write the sheet of the photos with the largest MAD: photo, truth, alpha and the subject on green."""
    pairs = [(one[pair.image.stem]["MAD"], pair) for root, one in zip(roots, scores, strict=True)
             if (root / "images").is_dir() for pair in find_pairs(root)]  # fmt: skip
    worst = [pair for _, pair in sorted(pairs, key=lambda entry: -entry[0])[:WORST]]
    if not worst:
        raise DataError(f"{to}: got no set with alphas, expected at least one for the sheet")
    sheet([(pair, predict(pair.image)) for pair in worst], to)


def _line(name: str, scores: dict[str, dict[str, float]]) -> str:
    return f"{name:24} " + "  ".join(f"{metric} {value:<7.4g}" for metric, value in means(scores).items())


def _open_engine(given: argparse.Namespace) -> Engine:
    if given.engine == "torch":
        return TorchEngine(given.weights, given.size)
    if given.engine == "local":
        return LocalEngine(given.model, precision=given.precision)
    return open_engine(given.engine, given.url, given.model)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; 0 done, 1 bad data or no engine."""
    parser = Parser(
        prog="matting evaluate",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--engine", choices=("local", "triton", "torch"), default="local", help="default: %(default)s")
    parser.add_argument("--model", default="matting_512", help="of the engines local and triton (default: %(default)s)")
    parser.add_argument(
        "--precision", choices=get_args(Precision), default="auto", help="of the engine local (default: %(default)s)"
    )
    parser.add_argument("--url", default="127.0.0.1:8001", help="of the engine triton (default: %(default)s)")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="of the engine torch (default: the published)")
    parser.add_argument("--size", type=int, default=512, help="input side of the engine torch (default: %(default)s)")
    parser.add_argument(
        "--rows", type=float, default=1.0, help="share of the rows from the top that counts (default: all)"
    )
    parser.add_argument("--alphas", type=Path, metavar="FOLDER", help="score these alphas instead of an engine's")
    parser.add_argument("--groups", type=Path, metavar="FILE", help="JSON of groups of photos to score apart")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help=f"PNG of the {WORST} worst photos")
    given = parser.parse_args(argv)
    if not 0 < given.rows <= 1:
        parser.error(f"--rows {given.rows:g}: got a share outside of 0..1, expected one such as 0.7")
    if given.sheet and given.sheet.suffix.lower() != ".png":
        parser.error(f"--sheet {given.sheet}: got another suffix, expected .png")
    if given.sheet and not given.sheet.parent.is_dir():
        parser.error(f"--sheet {given.sheet}: got no folder {given.sheet.parent}, expected one that is there; make it")
    try:
        check_sides("size", [given.size])
    except ValueError as error:
        parser.error(str(error))
    try:
        with contextlib.ExitStack() as stack:
            if given.alphas:
                predict = peer_alphas(given.alphas)
            else:
                predict = stack.enter_context(MattingClient(_open_engine(given))).alpha
            scores = []
            for root in given.sets:
                scores.append(evaluate(predict, root, given.rows))
                print(_line(root.name, scores[-1]))
                for name, members in by_group(scores[-1], given.groups).items() if given.groups else ():
                    print(_line(f"  {name} ({len(members)})", members))
            if given.sheet:
                draw_worst(predict, given.sets, scores, given.sheet)
    except (MattingError, ValueError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
