"""See what a run is shown: `python -m matting_training.preview --data DATA --run RUN`, and options of `matting train`.

Writes `RUN/preview/<kind>.png` for every kind of sample: sixteen pictures as the network would get them, each with its
alpha below.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matting_client.cli.parser import error_line, run_alone
from numpy.typing import NDArray
from torch.utils.data import default_collate

from matting_training.config import TrainConfig, parse
from matting_training.data.augment import finish_batch
from matting_training.data.pairs import write_png
from matting_training.data.scenes import SCENES
from matting_training.data.stream import MattingStream, Recipe
from matting_training.train import Data, load_training_data

EXAMPLES = """examples:
  python -m matting_training.preview --data ~/matting-data --run runs/b --sets portraits:0.7:0.5 --negatives 0
"""
COLUMNS = 8
ROWS = 2
SIDE = 192


def recipes_by_kind(recipe: Recipe, data: Data) -> dict[str, Recipe]:
    """For every kind of sample that the data allow, a recipe that makes nothing else."""
    sources, backgrounds, empty = data
    bare = replace(recipe, scenes={}, negatives=0.0, turns=0.0)
    found = {"single": bare, "turned": replace(bare, turns=1.0)}
    if empty:
        found["negative"] = replace(bare, negatives=1.0)
    things = [source for source in sources if recipe.things and source.name.startswith(recipe.things)]
    if backgrounds and 0 < len(things) < len(sources):
        found |= {name: replace(bare, scenes={name: 1.0}) for name in SCENES}
    return found


def draw(stream: MattingStream, seed: int) -> NDArray[np.uint8]:
    """Sheet of the stream's samples, RGB."""
    rows = []
    for first in range(0, COLUMNS * ROWS, COLUMNS):
        batch = finish_batch(default_collate([stream[i] for i in range(first, first + COLUMNS)]), seed)
        for layer in (batch["src"], (batch["pha"] * 255).expand(-1, 3, -1, -1)):
            rows.append(np.hstack([one.permute(1, 2, 0).numpy().astype(np.uint8) for one in layer]))
    return np.vstack(rows)


def preview(config: TrainConfig) -> list[Path]:
    """Write the sheets and return their paths.

    Raises
    ------
    DataError
        As of `matting_training.train`.
    OSError
        A sheet cannot be written.
    """
    data = load_training_data(config)
    folder = config.run / "preview"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, recipe in recipes_by_kind(config.recipe(), data).items():
        stream = MattingStream(
            *data, sizes=(SIDE,), batch=COLUMNS, seed=config.seed, first=0, last=COLUMNS * ROWS, recipe=recipe
        )
        written.append(folder / f"{name}.png")
        write_png(written[-1], draw(stream, config.seed))
        print(f"{written[-1]}  {SCENES.get(name, '')}")
    return written


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 done, 1 bad data or a full disk, 2 wrong usage."""
    try:
        preview(parse(argv, prog="python -m matting_training.preview", description=__doc__ or "", examples=EXAMPLES))
    except (ValueError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    run_alone(main)
