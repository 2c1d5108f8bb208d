"""From a folder of data to both published models: `matting produce --data D --run R --minutes 16`.

Trains in the parts of `matting_training/parts.json`, each from what the one before gave: broad scenes first, then a
fine phase that wins back strands. After each part the mean of the weights before and after goes on that measures best,
so that nothing is forgotten. Only if the last is better than what it began with on the validation sets, upright and
upside down, and loses on none of them, both models are exported, checked and put into the repository, in fp32 and
int8. Started again, it goes on where it was. Further options are those of `matting train` and hold for every part.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from matting_client.cli.parser import Parser
from matting_client.errors import MattingError
from matting_training import gate
from matting_training.average import average
from matting_training.checkpoint import load_model
from matting_training.config import TrainConfig, parse
from matting_training.data.pairs import DataError, Pair, pictures, read_rgb
from matting_training.process import run_program
from matting_training.train import run

from matting_export.main import ROOT, WEIGHTS
from matting_export.publish import check_place, publish_all
from matting_export.scores import find_validation
from matting_export.tolerances import ParityError

# What is said in a line: bad data, and gates that were not passed.
REFUSALS = (ParityError, DataError, MattingError, ValueError, OSError)

EXAMPLES = """examples:
  matting produce --data ~/matting-data --run runs/next --minutes 16                     on a GPU
  matting produce --data ~/matting-data --run runs/next --minutes 16 --train-only        publish nothing
  matting produce --data ~/matting-data --run runs/small --minutes 60 --batch 4 --size 512     on a CPU
"""
SIZE = 512  # at which weights are compared
PARITY_PHOTOS = 8


@dataclass(frozen=True)
class Part:
    """One training of the recipe, as data; every field but the first two are options of `matting train`."""

    name: str
    share: float  # of the time
    options: str
    scenes: str
    things: str
    sets: str

    def argv(self, data: Path) -> list[str]:
        """Its options, with the sets that `data` holds.

        Scenes need a set of things and one of others; where one of the two is missing, there are none.
        """
        sets = _present(self.sets.split(), data)
        thing = [entry.startswith(tuple(self.things.split())) for entry in sets]
        composed = ["--scenes", *self.scenes.split(), "--things", *self.things.split()]
        return [*shlex.split(self.options), "--sets", *sets, *(composed if any(thing) and not all(thing) else [])]


def recipe_parts() -> list[Part]:
    """The recipe."""
    recipe = json.loads(files("matting_training").joinpath("parts.json").read_text(encoding="utf-8"))
    return [Part(name, **fields) for name, fields in recipe.items()]


def _present(entries: Sequence[str], data: Path) -> list[str]:
    """Those of the sets that `data` holds; one that was not cleaned stands in for `<set>_clean`."""
    found = []
    for entry in entries:
        name, numbers = entry.split(":", 1)
        there = [each for each in (name, name.removesuffix("_clean")) if (data / each).is_dir()]
        if there:
            found.append(f"{there[0]}:{numbers}")
        else:
            print(f"{data / name}: not there, left out")
    if not found:
        raise DataError(f"{data}: got none of {', '.join(e.split(':')[0] for e in entries)}, expected one at least")
    return found


def part_configs(given: argparse.Namespace, validation: Sequence[str], more: Sequence[str]) -> list[TrainConfig]:
    """A configuration for each part; all are known to be right before the first one starts."""
    start = given.start
    configs = []
    for part in recipe_parts():
        folder = given.run / part.name
        place = ["--data", given.data, "--run", folder, "--cache", given.run / "cache", "--start", start]
        clock = ["--minutes", given.minutes * part.share, "--samples", 0, "--epoch", 0]
        options = [*map(str, place + clock), *part.argv(given.data), "--validate", *validation, *more]
        configs.append(parse(options))
        start = folder / "chosen.safetensors"
    return configs


def train(config: TrainConfig, validation: dict[str, list[Pair]]) -> Path:
    """Train one part and return the best mean of before and after; what lies there already is not made again."""
    assert config.start is not None
    chosen = config.run / "chosen.safetensors"
    if not chosen.exists():
        run(config)
        share = average(config.start, config.run / "best.safetensors", chosen, validation=validation, size=SIZE)
        print(f"{config.run.name}: {share:.0%} of the new weights go on")
    return chosen


def produce(given: argparse.Namespace, more: Sequence[str]) -> None:
    """Train, compare, publish.

    Raises
    ------
    DataError, NotBetterError, ParityError, MattingError
        Nothing was published.
    """
    validation = find_validation(given.data)
    weights = given.start
    if not given.train_only:
        check_place(given.repository, given.weights, [given.data])
    for config in part_configs(given, list(validation), more):
        weights = train(config, validation)
    before, after = (gate.measure(load_model(path), validation, SIZE) for path in (given.start, weights))
    for name, error in after.items():
        print(f"{name:28} MAD {before[name]:.5f} -> {error:.5f}")
    gate.check(before, after)
    if given.train_only:
        print(f"{weights}: better, not published")
        return
    found = [path for name in validation for path in pictures(given.data / name / "images")]
    photos = [read_rgb(path) for path in found[:: max(1, len(found) // PARITY_PHOTOS)][:PARITY_PHOTOS]]
    publish_all(weights, given.repository, photos=photos, data=[given.data], published=given.weights)
    print(f"{weights}: published as {given.weights} and in {given.repository}")


def add_publishing(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that trains and publishes what is better."""
    parser.add_argument("--start", type=Path, default=WEIGHTS, help="weights to go on from (default: the published)")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where they are published (default: %(default)s)")
    parser.add_argument("--repository", type=Path, default=ROOT / "model_repository", help="default: %(default)s")
    parser.add_argument("--train-only", action="store_true", help="publish nothing")


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 published, 1 bad data or refused, 2 wrong usage, 130 interrupted."""
    parser = Parser(
        prog="matting produce",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--data", type=Path, required=True, help="the sets; those named val_... are measured on")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints, a part each")
    parser.add_argument("--minutes", type=float, required=True, help="of training, all parts together")
    add_publishing(parser)
    given, more = parser.parse_known_args(argv)
    return run_program(lambda: produce(given, more), *REFUSALS)


if __name__ == "__main__":
    sys.exit(main())
