"""The state of a training run, its schedule and its step."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from matting_training.checkpoint import check_finite, load_state, load_weights, save_state
from matting_training.config import TrainConfig
from matting_training.data.augment import finish_batch
from matting_training.losses import deep_loss, matting_loss
from matting_training.model.crops import Window, choose
from matting_training.model.unet import MattingUNet
from matting_training.process import autocast, pick_device

LAST = "last.pt"  # the resumable state in a run's folder


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
        self.device = pick_device(config.device)
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
        self.spent = 0.0  # seconds of training, over all interruptions
        self.best = math.inf
        self.history: list[dict[str, Any]] = []
        self.origin: dict[str, Any] = {}  # what the weights tell of where they come from
        self.last = config.run / LAST
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
        try:
            state = load_state(self.last, self.device)
            self.model.load_state_dict(state["model"])
            self.ema.load_state_dict(state["ema"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.seen = state["seen"]
            self.best = state["best"]
            self.history = state["history"]
            self.spent = state.get("spent", 0.0)  # states of before have none
        except (RuntimeError, UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
            reason = str(error).split("\n")[0]
            raise ValueError(
                f"{self.last}: got a damaged state or one of another network ({reason[:200]}), expected one of "
                "this run; remove it to begin again"
            ) from None
        print(f"resuming {self.last} at {self.seen} samples, {self.spent / 60:.1f} minutes")

    def save(self) -> None:
        """Write the resumable state.

        Raises
        ------
        NotFiniteError
            The weights are no numbers any more; the state of before stays.
        """
        check_finite(self.model.state_dict(), f"{self.config.run} after {self.seen} samples")
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "seen": self.seen,
            "spent": self.spent,
            "best": self.best,
            "history": self.history,
        }
        save_state(self.last, state)

    def _deep_alone(self) -> bool:
        """Whether this step teaches the deep levels alone."""
        return self.seen // self.config.batch % (1 + self.config.deep) != self.config.deep

    def _deep_losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses by name of the deep levels alone; the encoder's fine levels stay."""
        early = self.model.early()
        for parameter in early:
            parameter.requires_grad_(False)
        try:
            with autocast(self.device):
                sides = self.model.deep(batch["src"].contiguous(memory_format=torch.channels_last))
        finally:
            for parameter in early:
                parameter.requires_grad_(True)
        return deep_loss(sides, batch["pha"])

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

    def progress(self) -> float:
        """Share of the run behind the warm-up that is done: by samples, or by time where that is further."""
        c = self.config
        by_samples = (self.seen - c.warmup) / max(1, c.samples - c.warmup) if c.samples else 0.0
        return max(by_samples, self.spent / (c.minutes * 60)) if c.minutes else by_samples

    def over(self) -> bool:
        """Whether the run is at its end, by samples or by time."""
        c = self.config
        return 0 < c.samples <= self.seen or (c.minutes > 0 and self.spent >= c.minutes * 60)

    def set_lr(self) -> None:
        """Linear warm-up, then a cosine down to 1 % of the top."""
        c = self.config
        if self.seen < c.warmup:
            factor = (self.seen + c.batch) / c.warmup
        else:
            factor = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress())))
        for group in self.optimizer.param_groups:
            group["lr"] = c.lr * factor * group["share"]

    def step(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """One update; returns the losses as device scalars."""
        on_device = {k: v.to(self.device, non_blocking=True) if k != "index" else v for k, v in raw.items()}
        batch = finish_batch(on_device, self.config.seed)
        losses = self._deep_losses(batch) if self._deep_alone() else self._losses(batch, self._window(batch["pha"]))
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["total"])
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], self.config.clip)
        self.set_lr()
        self.optimizer.step()
        self.ema.update_parameters(self.model)
        self.seen += self.config.batch
        return {name: value.detach() for name, value in losses.items()}
