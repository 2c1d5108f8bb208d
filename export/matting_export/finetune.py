"""Learn from photos that went wrong: `matting train --finetune BOX`.

BOX is the sample box that the API's `improve` fills (`--samples FOLDER`), with a `correction.png` beside each `photo`:
the right alpha, or the right cutout. A quarter of the photos is held out. The published weights learn from the others,
and the mean of old and new goes on that is best on the held-out ones among those that keep what was known: no
set named val_... of DATA, where there is one, errs more than before. It is published only if it is better in
both models; otherwise nothing changes. Started again, it goes on where it was. Further options are those of
`matting train`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from matting_client.cli.parser import Parser, one_line
from matting_training import gate
from matting_training import train as training
from matting_training.average import mean_of_weights, measure_shares, write_mean
from matting_training.checkpoint import load_model
from matting_training.config import TrainConfig, parse
from matting_training.data.cache import check
from matting_training.data.pairs import DataError, Pair, find_pairs, read_rgb
from matting_training.process import run_program
from matting_training.validation import sheet, torch_predictor

from matting_export.box import HELD_OUT, LEARN, check_not_held_out, split_box
from matting_export.metadata import SIZES, sha256
from matting_export.produce import PARITY_PHOTOS, REFUSALS, add_publishing
from matting_export.publish import check_place, publish_all
from matting_export.scores import find_validation

EXAMPLES = """examples:
  matting ui --samples box                          improve keeps photos in box/<id>/photo
  matting train --finetune box                      once box/<id>/correction.png lies beside them
  matting train --finetune box --data ~/matting-data --minutes 30     and keeps what its val_... sets measure
  matting train --finetune box --train-only         to look at runs/finetune/held-out.png first
"""
OPTIONS = (
    "--size 512 --batch 4 --warmup 40 --lr 3e-4 --ema 0.98 --zoom 1.6 --turns 0.15 "
    "--no-statistics --quick --samples 0 --epoch 0"
)
BOX_SHARE = 0.5  # of the samples, where DATA holds others
COMPOSITES = 0.3  # how often a subject of the box goes onto another background, where DATA holds some
SHARES = (0.25, 0.5, 1.0)  # of the new weights
SIZE, LARGE = SIZES["matting_512"], SIZES["matting_1024"]  # at which weights are compared
MEASURED = 8  # photos of each validation set


def find_sets(data: Path | None, box: Path) -> list[str]:
    """Names of the sets that `data` holds to learn from, without the box itself.

    Raises
    ------
    DataError
        One of the sets is called as the held-out photos are, and would take their place.
    """
    if data is None:
        return []
    if (data / HELD_OUT).is_dir():
        raise DataError(f"{data / HELD_OUT}: got a set of the name of the box's held-out photos; rename it")
    names = []
    for path in sorted(data.iterdir()):
        if not ((path / "images").is_dir() and (path / "alpha").is_dir()):
            continue
        if path.resolve() == box.resolve():
            print(one_line(f"{path}: is the box, left out of the other sets"))
        elif not path.name.startswith((training.VALIDATION, ".")):
            names.append(path.name)
    return names


def configure(given: argparse.Namespace, more: Sequence[str]) -> TrainConfig:
    """The training: half of it the box, half what `data` holds; without that the box alone, in its own scenes."""
    sets = find_sets(given.data, given.finetune)
    box = given.run.resolve() / "samples"
    backgrounds = given.data is not None and (given.data / "backgrounds").is_dir()
    entries = [f"{box / LEARN}:{BOX_SHARE if sets else 1}:{COMPOSITES if backgrounds else 0}:0"]
    entries += [f"{name}:{(1 - BOX_SHARE) / len(sets)}:{COMPOSITES if backgrounds else 0}:0" for name in sets]
    place = ["--data", given.data or box, "--run", given.run, "--cache", given.run / "cache", "--start", given.start]
    others = ["--minutes", given.minutes, "--negatives", 0.04 if backgrounds else 0]
    options = [*map(str, place + others), *OPTIONS.split(), "--sets", *entries, "--validate", str(box / HELD_OUT)]
    return parse([*options, *more])


def validation_of(given: argparse.Namespace) -> dict[str, list[Pair]]:
    """The held-out photos of the box, and some of each validation set."""
    known = find_validation(given.data) if given.data else {}
    check([pair for pairs in known.values() for pair in pairs])  # before minutes are spent on what is measured
    some = {name: pairs[:: max(1, len(pairs) // MEASURED)][:MEASURED] for name, pairs in known.items()}
    return {HELD_OUT: find_pairs(given.run / "samples" / HELD_OUT), **some}


def choose(start: Path, new: Path, validation: dict[str, list[Pair]]) -> float:
    """The share of the new weights that is best on the held-out photos and loses nothing elsewhere, in both models.

    Raises
    ------
    NotBetterError
        There is none; the last reason is told.
    """
    found = measure_shares(start, new, validation, shares=(0.0, *SHARES), size=SIZE)
    refused: gate.NotBetterError | None = None
    for share in sorted(SHARES, key=lambda each: found[each][HELD_OUT]):
        try:
            gate.check(found[0.0], found[share], HELD_OUT)
            _check_large(start, new, share, validation)
        except gate.NotBetterError as error:
            refused = error
        else:
            return share
    assert refused is not None
    raise refused


def _check_against(published: Path, chosen: Path, validation: dict[str, list[Pair]]) -> None:
    """Refuse weights that are no better than those that they would replace, in either model."""
    for size in (SIZE, LARGE):
        before, after = (gate.measure(load_model(path), validation, size, head=False) for path in (published, chosen))
        gate.check(before, after, HELD_OUT)


def _check_large(start: Path, new: Path, share: float, validation: dict[str, list[Pair]]) -> None:
    """The same for the larger model, upright."""
    before, after = (
        gate.measure(model, validation, LARGE, head=False)
        for model in (load_model(start), mean_of_weights(start, new, share))
    )
    print(f"{share:4.0%} at {LARGE} px: {HELD_OUT} {before[HELD_OUT]:.5f} -> {after[HELD_OUT]:.5f}", flush=True)
    gate.check(before, after, HELD_OUT)


def finetune(given: argparse.Namespace, more: Sequence[str]) -> None:
    """Learn, compare, publish.

    Raises
    ------
    DataError, NotBetterError, ParityError, MattingError
        Nothing was published.
    """
    samples = given.run / "samples"
    chosen = given.run / "chosen.safetensors"
    published = sha256(given.weights) if given.weights.exists() else None  # None: they are to lie beside others
    if chosen.exists() and sha256(chosen) == published:
        print(f"{chosen}: published already; give another --run to learn from new photos")
        return
    if given.run.resolve().is_relative_to(given.finetune.resolve()):  # its folders would be taken for samples
        raise DataError(f"{given.run}: got a run within the box, expected a folder of its own; give another --run")
    config = configure(given, more)
    split_box(given.finetune, samples)
    data = [samples, *([given.data] if given.data else [])]
    if not given.train_only:
        check_place(given.repository, given.weights, data)
    validation = validation_of(given)
    earlier = chosen.exists()
    if not earlier:
        check_not_held_out(training.find_learnt(config), validation[HELD_OUT])
        training.run(config)
        new = given.run / "best.safetensors"
        share = choose(given.start, new, validation)
        write_mean(given.start, new, share, chosen, validation=validation, size=SIZE)
    if published and (earlier or sha256(given.start) != published):  # others may have been published since
        _check_against(given.weights, chosen, validation)
    _draw(given.start, chosen, validation[HELD_OUT], given.run / "held-out.png")
    if given.train_only:
        print(f"{chosen}: better, not published; look at {given.run / 'held-out.png'}")
        return
    pairs = [pair for found in validation.values() for pair in found]
    photos = [read_rgb(pair.image) for pair in pairs[:PARITY_PHOTOS]]
    publish_all(chosen, given.repository, photos=photos, data=data, published=given.weights)
    print(f"{chosen}: published as {given.weights} and in {given.repository}; start the server again to use it")


def _draw(start: Path, chosen: Path, pairs: list[Pair], to: Path) -> None:
    """Write the held-out photos twice each: by the weights before, and by the chosen ones."""
    before, after = (torch_predictor(load_model(path), SIZE) for path in (start, chosen))
    sheet([(pair, predict(read_rgb(pair.image))) for pair in pairs for predict in (before, after)], to)


def main(argv: list[str] | None = None) -> int:
    """`matting train`; with --finetune 0 published, 1 bad box or no better, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    if not any(word.split("=")[0] == "--finetune" for word in words):
        return training.main(words)
    given, more = _parser().parse_known_args(["--help"] if {"-h", "--help"} & set(words) else words)
    return run_program(lambda: finetune(given, more), *REFUSALS)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="matting train",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--finetune", type=Path, required=True, metavar="BOX", help="the samples")
    parser.add_argument("--data", type=Path, help="sets to learn from besides, and val_... to keep (default: none)")
    parser.add_argument("--run", type=Path, default=Path("runs/finetune"), help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training (default: %(default)s)")
    add_publishing(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
