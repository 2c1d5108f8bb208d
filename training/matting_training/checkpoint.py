"""Checkpoints of a run: everything a bit-equal resume needs, and the weights that are published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from matting_training.model.unet import MattingUNet, ModelConfig


class NotFiniteError(ValueError):
    """Weights or alphas are not numbers any more; the message says where."""


def check_finite(weights: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not numbers.

    Raises
    ------
    NotFiniteError
        Some are NaN or infinite; `where` and the first ones are named.
    """
    lost = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if lost:
        raise NotFiniteError(
            f"{where}: got NaN or infinity in {len(lost)} tensors ({', '.join(lost[:3])}), expected numbers; "
            "train again at a lower --lr"
        )


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a resumable state whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def load_state(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a resumable state; nothing but tensors and plain values is accepted (no pickled code)."""
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state


def save_weights(path: Path, weights: dict[str, Tensor], config: ModelConfig, metadata: dict[str, Any]) -> None:
    """Write weights as fp16 safetensors with the model's configuration in the header.

    Batch-norm counters are left out; the statistics stay in fp32, whose range they need.

    Raises
    ------
    NotFiniteError
        A weight is no number, or too large for fp16; nothing is written.
    """
    kept = {}
    for name, value in weights.items():
        if name.endswith("num_batches_tracked"):
            continue
        exact = "running_" in name
        kept[name] = value.detach().cpu().to(torch.float32 if exact else torch.float16).contiguous()
    check_finite(kept, str(path))
    part = path.with_suffix(".part")
    header = {"model": json.dumps(config.to_dict()), **{k: json.dumps(v) for k, v in metadata.items()}}
    save_file(kept, part, metadata=header)
    part.replace(path)


def read_metadata(path: Path) -> dict[str, Any]:
    """What `save_weights` wrote beside the weights, `model` among it."""
    with safe_open(path, framework="pt") as file:
        return {key: json.loads(value) for key, value in (file.metadata() or {}).items()}


def load_model(path: Path) -> MattingUNet:
    """Network in evaluation mode, fp32, from published weights.

    Raises
    ------
    ValueError
        The file holds no configuration or does not fit it.
    """
    given = read_metadata(path).get("model")
    if given is None:
        raise ValueError(
            f"{path}: got no model configuration in the header, expected weights written by training.train"
        )
    known = ModelConfig().to_dict().keys()
    if given.keys() != known:
        raise ValueError(
            f"{path}: got a model with {', '.join(sorted(given))}, expected {', '.join(sorted(known))}; "
            "take weights of this version"
        )
    shape: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    model = MattingUNet(ModelConfig(**shape))
    load_weights(model, path)
    return model.eval()


def load_weights(model: MattingUNet, path: Path) -> None:
    """Copy published weights into a network of the same shape.

    Parameters
    ----------
    model : is changed.
    path : the file.

    Raises
    ------
    ValueError
        Names that the file lacks or has too many, or weights that are no numbers.
    """
    weights = {name: value.float() for name, value in load_file(path).items()}
    check_finite(weights, str(path))
    result = model.load_state_dict(weights, strict=False)
    missing = [k for k in result.missing_keys if not k.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise ValueError(
            f"{path}: got other weights than expected; missing {missing[:3]}, unknown {result.unexpected_keys[:3]}"
        )
