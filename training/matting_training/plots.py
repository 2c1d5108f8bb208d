"""Plots of a training run."""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NO_LOSSES = {"seen", "images_per_second", "waiting"}


def loss_names(history: list[dict[str, Any]]) -> list[str]:
    """What was learnt from, in the order of its appearance, whatever losses there are; scores have a set's name."""
    names = dict.fromkeys(key for row in history for key in row)
    return [name for name in names if name not in NO_LOSSES and "/" not in name]


def plot_losses(history: list[dict[str, Any]], path: Path) -> None:
    """Draw training losses and validation MAD against samples seen; the rows are those of `log.jsonl`."""
    seen = [row["seen"] for row in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for name in loss_names(history):
        left.plot(seen, [row.get(name, nan) for row in history], ".-", label=name)
    for name in (key for key in history[0] if key.endswith("/MAD")):
        right.plot(seen, [row.get(name, nan) for row in history], ".-", label=name.removesuffix("/MAD"))
    left.set(title="training losses", xlabel="samples", yscale="log")
    right.set(title="validation MAD", xlabel="samples", yscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
