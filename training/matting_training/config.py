"""Everything a training run depends on, in one frozen value that is written beside its checkpoints."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from matting_client.cli.parser import Parser

from matting_training.data.scenes import SCENES
from matting_training.data.stream import Recipe
from matting_training.model.unet import WHOLE_SIDE, ModelConfig

EXAMPLES = """examples:
  matting train --data ~/matting-data --run runs/cpu
  matting train --run runs/fine --start runs/cpu/best.safetensors --size 512 --lr 3e-4
  matting train --data ~/matting-data --run runs/hour --minutes 60 --samples 0 --epoch 0
  matting train --finetune BOX         from photos that you corrected: matting train --finetune --help
"""
LEAST = math.ulp(0.0)  # more than 0
MOST = 2**53  # of what has no limit
BELOW_ONE = math.nextafter(1, 0)


def split_entry(entry: str) -> tuple[str, tuple[float, ...]]:
    """A set's name or path, which may hold colons itself, and the numbers behind it, at most three."""
    parts = entry.split(":")
    numbers: list[float] = []
    while len(parts) > 1 and len(numbers) < 3:
        try:
            numbers.insert(0, float(parts[-1]))
        except ValueError:
            break
        parts.pop()
    return ":".join(parts), tuple(numbers)


# Least and most of what is a number.
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("max_side", "batch"), (1, MOST)),
    **dict.fromkeys(("samples", "epoch", "warmup", "workers", "seed", "deep", "window"), (0, MOST)),
    "transformer": (0, 64),
    **dict.fromkeys(("negatives", "turns"), (0, 1)),
    **dict.fromkeys(("encoder_lr", "weight_decay", "minutes"), (0, MOST)),
    **dict.fromkeys(("lr", "clip"), (LEAST, MOST)),
    "zoom": (1, MOST),
    "ema": (0, BELOW_ONE),
}
# What may change when a run goes on; all else would make another run of it.
FREE = {"run", "minutes", "samples", "workers", "device", "compile", "cache"}


def _told(value: float, least: float, most: float) -> str:
    start = "more than 0" if least == LEAST else f"at least {least:g}"
    if most == MOST and not value > most:
        return start
    return f"{start} and less than 1" if most == BELOW_ONE else f"{start} and at most {most:.0f}"


def check_sides(name: str, sides: Sequence[int]) -> None:
    """Refuse sides of squares that the network does not take.

    Raises
    ------
    ValueError
    """
    if any(side % (64 if side > WHOLE_SIDE else 32) or side < 64 for side in sides):
        got = " ".join(map(str, sides))
        raise ValueError(f"{name}: got {got}, expected multiples of 32 from 64 up, of 64 above {WHOLE_SIDE}")


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Paths are relative to the working directory. What is beside a type is its help."""

    data: Annotated[Path, "holds the sets named below, `backgrounds/`, and the validation sets"] = Path("data")
    run: Annotated[Path, "checkpoints, plots and the resolved configuration go here"] = Path("runs/default")
    cache: Annotated[Path, "decoded pictures with estimated foregrounds"] = Path("cache")
    sets: Annotated[
        tuple[str, ...],
        "name:share of the samples:how often the subject is put on a random background:how often it then "
        "gets extra hairs; a name may be the path of a set that lies elsewhere",
    ] = ("studio:0.4:0.95:0.4", "portraits:0.27:0.5:0.3", "fashion:0.2:0.5:0", "products:0.13:0.4:0")
    validate: Annotated[tuple[str, ...], "sets to measure on"] = ("val_london", "val_natural", "val_product")
    max_side: Annotated[int, "longest side of the cached pictures"] = 1200
    quick: Annotated[bool, "estimate foregrounds as the client does: a tenth of a second a photo"] = False
    size: Annotated[tuple[int, ...], "sides of the training squares; batches take turns"] = (320,)
    window: Annotated[int, "of larger squares only the fine levels learn, on a window of this side; 0: all learns"] = 0
    deep: Annotated[
        int, "of every 1 + N batches all but the last teach the deep levels alone, in a third of the time"
    ] = 0
    samples: Annotated[int, "length of the run; 0: --minutes alone decides"] = 40_000
    epoch: Annotated[int, "samples between validations; 0: only at the end"] = 4_000
    batch: Annotated[int, "samples a step"] = 8
    negatives: Annotated[float, "share of pictures without any subject"] = 0.04
    scenes: Annotated[tuple[str, ...], "name:share of the samples, see below; what is left are single subjects"] = ()
    things: Annotated[tuple[str, ...], "beginnings of the names of sets that show things; the others show people"] = ()
    turns: Annotated[float, "share of the samples that lie on a side or on their head"] = 0.0
    zoom: Annotated[float, "most that a crop is magnified over the whole photo in the same square"] = 2.0
    lr: Annotated[float, "of the decoder, at the top of the schedule"] = 1e-3
    encoder_lr: Annotated[float, "the pretrained encoder's share of it"] = 0.3
    statistics: Annotated[bool, "batch norms learn them; not for batches of a few large pictures"] = True
    warmup: Annotated[int, "samples of linear rise; a cosine falls to 1 % of the top after it"] = 1_000
    weight_decay: Annotated[float, "of AdamW"] = 0.02
    ema: Annotated[float, "moving average of the weights: how much of it stays, a step"] = 0.998
    clip: Annotated[float, "largest norm of the gradient"] = 1.0
    workers: Annotated[int, "they make samples, each four batches ahead"] = min(15, max(1, (os.cpu_count() or 2) - 1))
    seed: Annotated[int, "of the samples and of new weights"] = 1
    device: Annotated[str, "auto, cpu or cuda"] = "auto"
    compile: Annotated[bool, "torch.compile; pays on CUDA, not on a CPU"] = False
    start: Annotated[Path | None, "weights to start from; without them, ImageNet's in the encoder"] = None
    validation_size: Annotated[int, "side of the square in which validation sees a photo"] = 512
    minutes: Annotated[float, "of training, interruptions not counted: the cosine ends then; 0: no limit"] = 0.0
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self.model if name == "transformer" else self, name)
            if not least <= value <= most:  # NaN is not, either
                raise ValueError(f"{name}: got {value}, expected {_told(value, least, most)}")
        for name, sides in (("size", self.size), ("validation_size", (self.validation_size,))):
            check_sides(name, sides)
        if self.window and (self.window % 64 or self.window < 128):
            raise ValueError(f"window: got {self.window}, expected 0 or a multiple of 64 from 128 up")
        if self.epoch % self.batch or self.samples % self.batch:
            raise ValueError(
                f"epoch {self.epoch} and samples {self.samples} must be multiples of the batch {self.batch}"
            )
        self._check_sets()
        self._check_names()
        self._check_turns()
        if not self.samples and not self.minutes > 0:
            raise ValueError("samples: got 0 and no --minutes, expected one of them to end the run")
        self.recipe()
        self._check_things()

    def _check_sets(self) -> None:
        for entry in self.sets:
            share, *chances = split_entry(entry)[1] or (math.nan,)
            if not (0 <= share < math.inf and 1 <= len(chances) <= 2 and all(0 <= chance <= 1 for chance in chances)):
                raise ValueError(
                    f"sets: got {entry}, expected name:share:composites or name:share:composites:hairs, the last two "
                    "within 0..1"
                )
        if not sum(split_entry(entry)[1][0] for entry in self.sets) > 0:
            raise ValueError(f"sets: got {' '.join(self.sets)}, expected a share above 0 for one at least")

    def _check_names(self) -> None:
        """What is measured is told by its set's name, without the folders before it."""
        names = [Path(where).name for where in self.validate]
        if len(set(names)) < len(names):
            raise ValueError(f"validate: got {' '.join(self.validate)}, expected sets of different names; rename one")

    def _check_things(self) -> None:
        names = [Path(split_entry(entry)[0]).name for entry in self.sets]
        if self.scenes and not 0 < sum(name.startswith(self.things) for name in names) < len(names):
            raise ValueError(
                f"things: got {' '.join(self.things) or 'none'} for the sets {' '.join(names)}, expected beginnings of "
                "the names of some of them, not all: scenes need people and things"
            )

    def _check_turns(self) -> None:
        """Batches take turns in size and, with `deep`, in what they teach: every size must be taught as a whole."""
        whole = {self.size[step % len(self.size)] for step in range(self.deep, 10**4, 1 + self.deep)}
        never = sorted(set(self.size) - whole)
        if never:
            raise ValueError(
                f"deep: got {self.deep} with sizes {' '.join(map(str, self.size))}, by which no whole batch is of "
                f"{', '.join(map(str, never))} px; give {len(self.size) + 1} sizes, one of them twice"
            )

    def recipe(self) -> Recipe:
        """What the samples show.

        Raises
        ------
        ValueError
            An entry of `scenes` is no name:share, the shares are more than all, or no set shows things.
        """
        try:
            shares = {name: float(share) for name, share in (entry.split(":") for entry in self.scenes)}
        except ValueError:
            raise ValueError(f"scenes: got {' '.join(self.scenes)}, expected name:share, as in group:0.1") from None
        unknown = shares.keys() - SCENES.keys()
        bounded = all(0 <= share <= 1 for share in shares.values())  # NaN is not, either
        if unknown or not bounded or sum(shares.values()) + self.negatives > 1:
            raise ValueError(
                f"scenes: got {' '.join(self.scenes)}, expected some of {', '.join(SCENES)}, with shares from 0 up "
                f"that are at most 1 together with the {self.negatives} without a subject"
            )
        if shares and not self.things:
            raise ValueError("scenes: got no --things, expected the names of the sets that show things")
        return Recipe(shares, self.things, self.negatives, self.turns, self.zoom)

    def write(self, path: Path) -> None:
        """Write the resolved configuration as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, default=str) + "\n", encoding="utf-8")

    def check_goes_on(self, path: Path) -> None:
        """Refuse to go on with a run that was begun with other options, which `write` left in `path`.

        Raises
        ------
        ValueError
            What differs is named; or the file cannot be read.
        """
        try:
            stored = _flat(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{path}: {error}, expected the options of the run; give another --run") from None
        own = _flat(json.loads(json.dumps(asdict(self), default=str)))
        other = [name for name in own if name not in FREE and name in stored and stored[name] != own[name]]
        if other:
            told = "; ".join(f"{name}: got {_shown(own[name])}, was {_shown(stored[name])}" for name in other)
            raise ValueError(
                f"{path.parent}: was begun with other options ({told}); repeat them, or give another --run"
            )


def _flat(stored: dict[str, Any]) -> dict[str, Any]:
    """Options by name, those of the network among them; paths as they are from here."""
    options = {name: value for name, value in stored.items() if name != "model"} | stored.get("model", {})
    return {k: str(Path(v).resolve()) if k in ("data", "start") and v is not None else v for k, v in options.items()}


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def parse(
    argv: list[str] | None = None,
    *,
    prog: str = "matting train",
    description: str = "Train the matting U-Net. Interrupted runs go on from their last checkpoint when started again.",
    examples: str = EXAMPLES,
) -> TrainConfig:
    """Command line -> configuration; every field is an option; `--no-cbam` and the like switch parts off.

    `prog`, `description` and `examples` are of another program that takes the same options.
    """
    parser = Parser(
        prog=prog,
        description=description,
        epilog="scenes:\n" + "".join(f"  {name:10} {told}\n" for name, told in SCENES.items()) + "\n" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = TrainConfig()
    hints = get_type_hints(TrainConfig, include_extras=True)
    for f in fields(TrainConfig):
        if f.name == "model":
            continue
        value: Any = getattr(default, f.name)
        option = "--" + f.name.replace("_", "-")
        told = hints[f.name].__metadata__[0].replace("%", "%%")
        if isinstance(value, bool):
            shown = "on" if value else "off"
            parser.add_argument(
                option, action=argparse.BooleanOptionalAction, default=value, help=f"{told} (default: {shown})"
            )
        elif isinstance(value, tuple):
            kind = type(value[0]) if value else str
            shown = " ".join(map(str, value)) or "none"
            several = "+" if value else "*"
            parser.add_argument(option, type=kind, nargs=several, default=value, help=f"{told} (default: {shown})")
        else:
            kind = Path if f.name in {"data", "run", "cache", "start"} else type(value)
            parser.add_argument(
                option, type=kind, default=value, help=f"{told} (default: {'none' if value is None else value})"
            )
    model = ModelConfig()
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--cbam", action=switch, default=model.cbam, help="attention in the skips (default: on)")
    parser.add_argument(
        "--deep-supervision", action=switch, default=model.deep_supervision, help="side alphas (default: on)"
    )
    parser.add_argument(
        "--transformer", type=int, default=model.transformer, help="blocks; 0 switches it off (default: %(default)s)"
    )
    given = vars(parser.parse_args(argv))
    model = ModelConfig(**{name: given.pop(name) for name in ("cbam", "deep_supervision", "transformer")})
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    try:
        return TrainConfig(**given, model=model)
    except ValueError as error:
        parser.error(str(error))
