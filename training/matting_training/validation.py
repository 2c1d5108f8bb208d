"""Validation during training: the EMA weights on whole photos, through the client's own pre- and post-processing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from matting_client.processing import letterbox, unletterbox

from matting_training.checkpoint import NotFiniteError
from matting_training.data.pairs import Pair, read_pair, write_png
from matting_training.metrics import score
from matting_training.model.unet import MattingUNet
from matting_training.process import autocast
from matting_training.types import Array

METRICS = ("SAD", "MAD", "MSE", "Grad")
SHEET_HEIGHT, SHEET_WIDTH = 256, 4096  # of a row, at most
Predict = Callable[[Array], Array]


def torch_predictor(model: MattingUNet, size: int) -> Predict:
    """(H, W, 3) photo -> (H, W) alpha by a model in evaluation mode at one input size, bf16 where training uses it.

    It raises `NotFiniteError` where the alpha is no number: rounded to bytes it would look like an empty one.
    """
    device = next(model.parameters()).device

    def predict(rgb: Array) -> Array:
        square, box = letterbox(rgb, size)
        batch = (
            torch.from_numpy(square)
            .to(device)
            .float()
            .permute(2, 0, 1)[None]
            .contiguous(memory_format=torch.channels_last)
        )
        with torch.no_grad(), autocast(device):
            pha = model(batch)
        if not torch.isfinite(pha).all():
            raise NotFiniteError(f"got NaN in an alpha of {size} px, expected numbers; the weights are of no use")
        alpha = (pha[0, 0] * 255).round().to(torch.uint8).cpu().numpy()
        return unletterbox(alpha, box)

    return predict


def validate_pairs(predict: Predict, pairs: list[Pair]) -> dict[str, float]:
    """Mean of the metrics over a set, at each photo's own size."""
    rows = []
    for pair in pairs:
        rgb, truth = read_pair(pair)
        rows.append(score(predict(rgb) / 255.0, truth / 255.0, METRICS))
    return {name: float(np.mean([row[name] for row in rows])) for name in METRICS}


def sheet(found: list[tuple[Pair, Array]], path: Path) -> None:
    """Write a row for each photo and its predicted alpha: photo, truth, prediction and prediction on green.

    Raises
    ------
    OSError
        It cannot be written.
    """
    rows = []
    for pair, pred in found:
        rgb, truth = read_pair(pair)
        grey = [np.repeat(a[..., None], 3, 2) for a in (truth, pred)]
        weight = pred[..., None] / 255.0
        green = (rgb * weight + np.array([40, 200, 90]) * (1 - weight)).astype(np.uint8)
        row = np.hstack([rgb, *grey, green])
        height, width = row.shape[:2]
        scale = min(SHEET_HEIGHT / height, SHEET_WIDTH / width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        rows.append(cv2.resize(row, size, interpolation=cv2.INTER_AREA))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    write_png(path, np.vstack(rows))
