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
from collections import defaultdict
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from matting_training.checkpoint import load_state, load_weights, save_state, save_weights
from matting_training.config import TrainConfig, parse
from matting_training.data.augment import finish
from matting_training.data.cache import cache_pairs, cache_pictures, check
from matting_training.data.pairs import DataError, Pair, find_pairs, pictures, read_rgb
from matting_training.data.stream import MattingStream, Source
from matting_training.losses import matting_loss
from matting_training.model.crops import Window, choose
from matting_training.model.unet import MattingUNet, cost
from matting_training.plots import plot_losses
from matting_training.process import autocast, fork_server, keep_memory, start_worker
from matting_training.validation import sheet, torch_predictor, validate_pairs

EMPTY_PREFIXES = ("bg_states_", "bg_hdri_")  # backgrounds known to show no subject; others are used when there are none
SAVE_EVERY = 250  # steps


def ema_with_warmup(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential moving average with a short memory at first: early checkpoints are not mostly the first weights."""

    @torch.no_grad()
    def update(averaged: Any, current: Any, steps: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + int(steps)) / (10 + int(steps)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, weight)
        else:  # batch counters come in a list of their own
            torch._foreach_copy_(averaged, current)

    return update


def keep_statistics(model: nn.Module) -> None:
    """Leave the statistics of batch norms as they are; everything else trains."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


class Trainer:
    """State of one run and its loop."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(auto if config.device == "auto" else config.device)
        torch.manual_seed(config.seed)
        torch.backends.cudnn.benchmark = True  # of a few sizes, thousands of steps each
        self.model = MattingUNet(config.model, pretrained=config.start is None)
        if config.start is not None:
            load_weights(self.model, config.start)
        self.model.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        if not config.statistics:
            keep_statistics(self.model)
        self.ema = torch.optim.swa_utils.AveragedModel(
            self.model, multi_avg_fn=ema_with_warmup(config.ema), use_buffers=True
        )
        self.forward: nn.Module = torch.compile(self.model) if config.compile else self.model  # type: ignore[assignment]
        self.optimizer = torch.optim.AdamW(self._groups(), weight_decay=config.weight_decay)
        self.seen = 0  # samples
        self.best = math.inf
        self.history: list[dict[str, Any]] = []
        self.last = config.run / "last.pt"
        if self.last.exists():
            self._resume()

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters by learning rate and weight decay: no decay for norms, biases and scales."""
        groups: dict[tuple[str, bool], list[nn.Parameter]] = defaultdict(list)
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                groups[name.split(".")[0], parameter.ndim > 1].append(parameter)
        return [
            {
                "params": parameters,
                "share": self.config.encoder_lr if part == "encoder" else 1.0,
                **({} if decays else {"weight_decay": 0.0}),
            }
            for (part, decays), parameters in groups.items()
        ]

    def _resume(self) -> None:
        state = load_state(self.last, self.device)
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.seen, self.best, self.history = state["seen"], state["best"], state["history"]
        print(f"resuming {self.last} at {self.seen} of {self.config.samples} samples")

    def save(self) -> None:
        """Write the resumable state."""
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "seen": self.seen,
            "best": self.best,
            "history": self.history,
        }
        save_state(self.last, state)

    def _losses(self, batch: dict[str, Tensor], window: Window | None) -> dict[str, Tensor]:
        """Losses by name, with their `total`."""
        with autocast(self.device):
            out = self.forward(batch["src"].contiguous(memory_format=torch.channels_last), window)
        pha, sides = out if isinstance(out, tuple) else (out, [])
        if window is not None:
            pha = window.inner(pha)
            sides = [window.inner(side, window.side // side.shape[-1]) for side in sides]
            batch = batch | {name: window.inner(window.crop(batch[name])) for name in ("pha", "fgr", "bgr")}
        return matting_loss(pha, sides, batch)

    def _window(self, pha: Tensor) -> Window | None:
        """Where a batch's fine levels learn; None where all of it learns. Depends on the seed and the step alone."""
        side = self.config.window
        if not 0 < side < pha.shape[-1]:
            return None
        return choose(pha, side, torch.Generator(pha.device).manual_seed(self.config.seed * 1_000_003 + self.seen))

    def set_lr(self) -> None:
        """Linear warm-up, then a cosine down to 1 % of the top."""
        c = self.config
        if self.seen < c.warmup:
            factor = (self.seen + c.batch) / c.warmup
        else:
            progress = (self.seen - c.warmup) / max(1, c.samples - c.warmup)
            factor = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = c.lr * factor * group["share"]

    def step(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """One update; returns the losses as device scalars."""
        on_device = {k: v.to(self.device, non_blocking=True) if k != "index" else v for k, v in raw.items()}
        batch = finish(on_device, self.config.seed)
        losses = self._losses(batch, self._window(batch["pha"]))
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["total"])
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], self.config.clip)
        self.set_lr()
        self.optimizer.step()
        self.ema.update_parameters(self.model)
        self.seen += self.config.batch
        return {name: value.detach() for name, value in losses.items()}


def load_data(config: TrainConfig) -> tuple[list[Source], list[Path], list[Path], dict[str, list[Pair]]]:
    """Check and cache all data: training sets, backgrounds, backgrounds without a subject, validation sets.

    Raises
    ------
    DataError
        A picture cannot be read or an alpha is missing, before any training starts.
    """
    sources = []
    for entry in config.sets:
        name, *numbers = entry.split(":")
        pairs = find_pairs(config.data / name)
        paths = cache_pairs(pairs, config.cache / name, config.max_side)
        sources.append(Source(name, tuple(paths), *map(float, numbers)))
    found = pictures(config.data / "backgrounds")
    empty = [p for p in found if p.name.startswith(EMPTY_PREFIXES)] or found
    backgrounds, negatives = (cache_pictures(list_, config.cache / "backgrounds", 768) for list_ in (found, empty))
    validation = {name: find_pairs(config.data / name) for name in config.validate}
    for pairs in validation.values():
        check(pairs)
    return sources, backgrounds, negatives, validation


def batches(
    config: TrainConfig, data: tuple[list[Source], list[Path], list[Path]], first: int
) -> DataLoader[dict[str, Tensor]]:
    """Loader of the samples from `first` to the end of the epoch that holds it."""
    last = min(config.samples, (first // config.epoch + 1) * config.epoch)
    stream = MattingStream(
        *data, sizes=config.size, batch=config.batch, seed=config.seed, first=first, last=last,
        negatives=config.negatives, zoom=config.zoom,
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


def timed(loader: DataLoader[dict[str, Tensor]], waited: list[float]) -> Generator[dict[str, Tensor]]:
    """Iterate, adding the seconds spent waiting for data to `waited[0]`."""
    iterator = iter(loader)
    while True:
        start = time.perf_counter()
        batch = next(iterator, None)
        waited[0] += time.perf_counter() - start
        if batch is None:
            return
        yield batch


def train_epoch(
    trainer: Trainer, loader: DataLoader[dict[str, Tensor]], bar: tqdm[Any], deadline: float
) -> dict[str, float]:
    """Train to the end of the epoch or the deadline; mean losses, images/s and the share of time waiting for data."""
    sums: dict[str, Tensor] = {}
    waited, start, first = [0.0], time.perf_counter(), trainer.seen
    with contextlib.closing(timed(loader, waited)) as stream:
        for count, raw in enumerate(stream, 1):
            losses = trainer.step(raw)
            sums = {
                name: sums.get(name, torch.zeros((), device=value.device)) + value for name, value in losses.items()
            }
            bar.update(trainer.config.batch)
            if count % 10 == 0:
                spent = time.perf_counter() - start
                bar.set_postfix(
                    loss=f"{float(sums['total']) / count:.4f}", waiting=f"{waited[0] / spent:.0%}", refresh=False
                )
            if count % SAVE_EVERY == 0:
                trainer.save()
            if time.perf_counter() > deadline:
                break
    spent = time.perf_counter() - start
    means = {name: float(value) / count for name, value in sums.items()}
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
        save_weights(c.run / "best.safetensors", model.state_dict(), c.model, {"seen": trainer.seen, "scores": scores})
    (c.run / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in trainer.history), encoding="utf-8")
    plot_losses(trainer.history, c.run / "losses.png")
    shown = [pair for pairs in validation.values() for pair in pairs[:: max(1, len(pairs) // 3)][:3]]
    if shown:
        sheet([(pair, predict(read_rgb(pair.image))) for pair in shown], c.run / "validation.png")


def run(config: TrainConfig) -> None:
    """Train from the start or the last checkpoint to the end of the run, or to its time limit."""
    config.run.mkdir(parents=True, exist_ok=True)
    *data, validation = load_data(config)
    trainer = Trainer(config)
    config.write(config.run / "config.json")
    figures = cost(trainer.model)
    print(f"{figures['parameters_m']:.2f} M parameters, {figures['gflop']:.2f} GFLOP at 512x512, on {trainer.device}")
    deadline = time.perf_counter() + config.minutes * 60 if config.minutes else math.inf
    with tqdm(total=config.samples, initial=trainer.seen, unit="img", smoothing=0.02, mininterval=5) as bar:
        while trainer.seen < config.samples:
            losses = train_epoch(trainer, batches(config, tuple(data), trainer.seen), bar, deadline)  # type: ignore[arg-type]
            if trainer.seen % config.epoch == 0 or trainer.seen >= config.samples:
                validate(trainer, validation, losses)
            trainer.save()
            if time.perf_counter() > deadline:
                break


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 done, 1 bad data, 130 interrupted (resumable from the last checkpoint)."""
    config = parse(argv)
    keep_memory()
    try:
        run(config)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; start it again to go on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
