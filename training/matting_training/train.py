"""Train the matting U-Net: `matting train --data DATA --run RUN`.

The run folder gets `config.json`, `log.jsonl` (a line each validation), `losses.png`, `validation.png` (photo, truth,
alpha, on green), `last.pt` (to resume) and `best.safetensors` (EMA weights of the best validation).
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from matting_training.checkpoint import NotFiniteError, read_metadata, save_weights
from matting_training.config import TrainConfig, parse, split_entry
from matting_training.data.cache import cache_pairs, cache_pictures, check, check_uncached
from matting_training.data.pairs import DataError, Pair, find_pairs, pictures, raise_problems, read_rgb, say_passed_over
from matting_training.data.stream import MattingStream, Source
from matting_training.model.unet import MattingUNet, model_cost
from matting_training.plots import plot_losses
from matting_training.process import fork_server, pick_device, run_program, start_worker
from matting_training.trainer import LAST, Trainer
from matting_training.validation import sheet, torch_predictor, validate_pairs

VALIDATION = "val_"  # sets that are measured on and never learnt from
EMPTY_PREFIXES = ("bg_states_", "bg_hdri_")  # backgrounds known to show no subject; others are used when there are none
SAVE_EVERY = 60.0  # seconds
ENDLESS = 10**12  # samples, where only the clock ends a run

Data = tuple[list[Source], list[Path], list[Path]]  # training sets, backgrounds, backgrounds without a subject


def find_learnt(config: TrainConfig) -> list[Pair]:
    """All pairs of the sets that are trained on; errors as of `find_pairs`."""
    return [pair for entry in config.sets for pair in find_pairs(config.data / split_entry(entry)[0])]


def load_training_data(config: TrainConfig) -> Data:
    """Check and cache what is trained on.

    Raises
    ------
    DataError
        A picture cannot be read, an alpha is missing, or a set is one to measure on (val_...); before any training.
    """
    sources = []
    known = []
    for entry in config.sets:
        where, shares = split_entry(entry)
        if Path(where).name.startswith(VALIDATION):
            raise DataError(f"{config.data / where}: got a set to measure on, expected one to train on; leave it out")
        say_passed_over(config.data / where)
        known.append((Path(where).name, find_pairs(config.data / where), shares))
    for name, pairs, _ in known:  # all of them, before minutes are spent on the first
        check_uncached(pairs, config.cache / name, config.max_side, quick=config.quick)
    for name, pairs, shares in known:
        paths = cache_pairs(pairs, config.cache / name, config.max_side, quick=config.quick)
        sources.append(Source(name, tuple(paths), *shares))
    if not (config.negatives or config.scenes or any(source.composite for source in sources)):
        return sources, [], []  # every subject stays in its photo
    found = pictures(config.data / "backgrounds")
    empty = [p for p in found if p.name.startswith(EMPTY_PREFIXES)] or found
    backgrounds, negatives = (cache_pictures(list_, config.cache / "backgrounds", 768) for list_ in (found, empty))
    return sources, backgrounds, negatives


def origin(config: TrainConfig, sources: list[Source]) -> dict[str, Any]:
    """What weights tell of what they learnt from, for their contract: sets with their photos, and what came before.

    "scratch" says that they began with ImageNet's; without it the published ones are among their ancestors.
    """
    start = config.start
    before: dict[str, Any] = {"scratch": True} if start is None else read_metadata(start)
    own = {source.name: len(source.paths) for source in sources if source.weight}
    return {"learnt": {**before.get("learnt", {}), **own}, "scratch": before.get("scratch", False)}


def load_validation(config: TrainConfig) -> dict[str, list[Pair]]:
    """Check what is measured on, of which nothing may be learnt; as `load_training_data`."""
    validation = {Path(where).name: find_pairs(config.data / where) for where in config.validate}
    learnt = {pair.image.resolve() for pair in find_learnt(config)}
    both = [pair.image for pairs in validation.values() for pair in pairs if pair.image.resolve() in learnt]
    raise_problems([f"{path}: got a photo of --sets in --validate, expected others to measure on" for path in both])
    for pairs in validation.values():
        check(pairs)
    return validation


def batches(config: TrainConfig, data: Data, first: int) -> DataLoader[dict[str, Tensor]]:
    """Loader of the samples from `first` to the end of the epoch that holds it."""
    last = config.samples or ENDLESS
    if config.epoch:
        last = min(last, (first // config.epoch + 1) * config.epoch)
    stream = MattingStream(
        *data, sizes=config.size, batch=config.batch, seed=config.seed, first=first, last=last,
        recipe=config.recipe(),
    )  # fmt: skip
    pinned = torch.cuda.is_available() and config.device != "cpu"
    return DataLoader(
        stream,
        config.batch,
        num_workers=config.workers,
        pin_memory=pinned,
        prefetch_factor=4 if config.workers else None,
        multiprocessing_context=fork_server() if config.workers else None,
        worker_init_fn=start_worker if config.workers else None,
    )


def timed_batches(loader: DataLoader[dict[str, Tensor]], waited: list[float]) -> Generator[dict[str, Tensor]]:
    """Iterate, adding the seconds spent waiting for data to `waited[0]`."""
    iterator = iter(loader)
    while True:
        start = time.perf_counter()
        batch = next(iterator, None)
        waited[0] += time.perf_counter() - start
        if batch is None:
            return
        yield batch


def open_bar(trainer: Trainer) -> tqdm[Any]:
    """A bar of samples; of seconds of training where the clock may end the run, so that the time left is right."""
    c = trainer.config
    if not c.minutes:
        return tqdm(total=c.samples, initial=trainer.seen, unit="img", smoothing=0.02, mininterval=5)
    total = max(1, round(c.minutes * 60))
    return tqdm(
        total=total, initial=min(total, round(trainer.spent)), smoothing=0.02, mininterval=5,
        bar_format="{percentage:3.0f}%|{bar}| {n:.0f}/{total_fmt} s [{elapsed}<{remaining}{postfix}]",
    )  # fmt: skip


def advance(bar: tqdm[Any], trainer: Trainer) -> None:
    """Show how far the training is, in the unit of `open_bar`, and no further than its end."""
    done = trainer.spent if trainer.config.minutes else trainer.seen
    bar.update(min(done, bar.total) - bar.n)


def train_epoch(trainer: Trainer, loader: DataLoader[dict[str, Tensor]], bar: tqdm[Any]) -> dict[str, float]:
    """Train to the end of the epoch or of the run; mean losses, images/s and the share of time waiting for data.

    Raises
    ------
    NotFiniteError
        The loss is no number any more.
    """
    sums: dict[str, Tensor] = {}
    counts = Counter[str]()
    waited = [0.0]
    first = trainer.seen
    start = last = saved = time.perf_counter()
    with contextlib.closing(timed_batches(loader, waited)) as stream:
        for count, raw in enumerate(stream, 1):
            losses = trainer.step(raw)
            for name, value in losses.items():  # not every step has every loss
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value
            counts.update(losses.keys())
            now = time.perf_counter()
            trainer.spent += now - last
            last = now
            advance(bar, trainer)
            if count == 1 or count % 10 == 0:
                spent = time.perf_counter() - start
                loss = float(sums["total"]) / count
                if not math.isfinite(loss):
                    raise NotFiniteError(
                        f"{trainer.config.run}: got a loss of {loss} before {trainer.seen} samples, expected a number; "
                        "train at a lower --lr. last.pt is of before, best.safetensors, too"
                    )
                shown = {"loss": f"{loss:.4f}", "waiting": f"{waited[0] / spent:.0%}"}
                if trainer.config.minutes:
                    shown |= {"img": str(trainer.seen), "img/s": f"{(trainer.seen - first) / spent:.1f}"}
                bar.set_postfix(shown, refresh=False)
            if now - saved > SAVE_EVERY:
                trainer.save()
                saved = now
            if trainer.over():
                break
    spent = time.perf_counter() - start
    means = {name: float(value) / counts[name] for name, value in sums.items()}
    return {**means, "images_per_second": (trainer.seen - first) / spent, "waiting": waited[0] / spent}


def validate(trainer: Trainer, validation: dict[str, list[Pair]], losses: dict[str, float]) -> None:
    """Score the EMA weights, keep them when they are the best, and write log, plot and sheet."""
    c = trainer.config
    model = trainer.ema.module.eval()
    assert isinstance(model, MattingUNet)
    predict = torch_predictor(model, c.validation_size)
    scores = {name: validate_pairs(predict, pairs) for name, pairs in validation.items()}
    row = {"seen": trainer.seen, **losses, **{f"{n}/{m}": v for n, s in scores.items() for m, v in s.items()}}
    trainer.history.append(row)
    total = sum(s["MAD"] for s in scores.values())
    tqdm.write(
        f"{trainer.seen:>7}  "
        + "  ".join(f"{n} SAD {s['SAD']:.2f} MAD {s['MAD']:.4f} Grad {s['Grad']:.2f}" for n, s in scores.items())
    )
    if total < trainer.best:
        trainer.best = total
        told = {"seen": trainer.seen, "scores": scores, **trainer.origin}
        save_weights(c.run / "best.safetensors", model.state_dict(), c.model, told)
    (c.run / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in trainer.history), encoding="utf-8")
    plot_losses(trainer.history, c.run / "losses.png")
    shown = [pair for pairs in validation.values() for pair in pairs[:: max(1, len(pairs) // 3)][:3]]
    if shown:
        sheet([(pair, predict(read_rgb(pair.image))) for pair in shown], c.run / "validation.png")


def validate_missing(trainer: Trainer, validation: dict[str, list[Pair]], losses: dict[str, float]) -> None:
    """Make up for the validation of the state at hand, where there was none."""
    if not trainer.history or trainer.history[-1]["seen"] < trainer.seen:
        validate(trainer, validation, losses)
        trainer.save()


def run(config: TrainConfig) -> None:
    """Train from the start or the last checkpoint to the end of the run, or to its time limit."""
    stored = config.run / "config.json"
    if (config.run / LAST).exists() and stored.exists():
        config.check_goes_on(stored)
    pick_device(config.device)  # what is not there is said before minutes are spent on the data
    if config.start is not None and not config.start.is_file():
        raise DataError(f"{config.start}: got no file of weights to start from; check the path")
    validation = load_validation(config)  # first: it costs no foregrounds
    config.run.mkdir(parents=True, exist_ok=True)
    data = load_training_data(config)
    trainer = Trainer(config)
    trainer.origin = origin(config, data[0])
    config.write(stored)
    if trainer.over():
        print(
            f"{config.run}: nothing left to do, {trainer.seen} samples and {trainer.spent / 60:.1f} minutes are done; "
            "go on with more --samples or --minutes, or give another --run"
        )
    figures = model_cost(trainer.model)
    print(f"{figures['parameters_m']:.2f} M parameters, {figures['gflop']:.2f} GFLOP at 512x512, on {trainer.device}")
    losses: dict[str, float] = {}
    with open_bar(trainer) as bar:
        if trainer.seen and config.epoch and trainer.seen % config.epoch == 0:
            validate_missing(trainer, validation, losses)  # it was ended between an epoch and its validation
        while not trainer.over():
            losses = train_epoch(trainer, batches(config, data, trainer.seen), bar)
            trainer.save()
            validate(trainer, validation, losses)
            trainer.save()
        validate_missing(trainer, validation, losses)


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 done, 1 bad data, a full disk or a diverged training, 130 interrupted (it can go on)."""
    config = parse(argv)
    return run_program(lambda: run(config), ValueError, OSError)


if __name__ == "__main__":
    sys.exit(main())
