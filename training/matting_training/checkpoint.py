"""Checkpoints of a run: everything a bit-equal resume needs, and the weights that are published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from matting_training.model.unet import MattingUNet, ModelConfig
from matting_training.whole import written_whole

WEIGHTS = Path(__file__).with_name("weights") / "matting.safetensors"  # the published ones
ORIGIN = ("learnt", "scratch")  # in the header: photos by set, and whether no published weights came before


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
    """Write a resumable state whole or not at all.

    Raises
    ------
    OSError
        It cannot be written; the state of before stays.
    """
    with written_whole(path) as part:
        try:
            torch.save(state, part)
        except RuntimeError as error:  # torch's own for a full disk
            raise OSError(f"{path}: cannot be written ({str(error).splitlines()[0]}); make room on the disk") from None


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
    OSError
        The disk is full, or nothing can be written there.
    """
    kept = {}
    for name, value in weights.items():
        if name.endswith("num_batches_tracked"):
            continue
        exact = "running_" in name
        kept[name] = value.detach().cpu().to(torch.float32 if exact else torch.float16).contiguous()
    check_finite(kept, str(path))
    header = {"model": json.dumps(config.to_dict()), **{k: json.dumps(v) for k, v in metadata.items()}}
    with written_whole(path) as part:
        part.write_bytes(_sorted_header(save(kept, metadata=header)))


def _sorted_header(file: bytes) -> bytes:
    """A safetensors file with the keys of its header in order: the library's own order is random, and so the digest."""
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the tensors stay aligned
    return len(header).to_bytes(8, "little") + header + file[start:]


def read_metadata(path: Path) -> dict[str, Any]:
    """What `save_weights` wrote beside the weights, `model` among it.

    Raises
    ------
    ValueError
        No weights.
    OSError
        No such file, or one that cannot be read.
    """
    check_readable(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = {"seen": 0} | {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
    except (SafetensorError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None
    seen = header["seen"]
    if type(seen) is not int or seen < 0 or not isinstance(header.get("learnt", {}), dict):
        raise ValueError(f"{path}: got a wrong `seen` or `learnt` in the header, expected a count and counts by set")
    return header


def _is_like(value: object, own: object) -> bool:
    """Whether a setting of a header is of the kind of our `own`, and not so large that memory would end."""
    if isinstance(own, tuple):
        return isinstance(value, list) and len(value) == len(own) and all(map(_is_like, value, own))
    if not isinstance(value, int) or not isinstance(own, int):
        return False
    return type(value) is type(own) and 0 <= value <= max(64, 8 * own)


def check_readable(path: Path) -> None:
    """Raise an OSError that names the file; safetensors' own does not."""
    with path.open("rb"):
        pass


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: got no weights ({str(error).splitlines()[0]}), expected a .safetensors file of matting")


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
    own = ModelConfig().to_dict()
    known = own.keys()
    if not isinstance(given, dict):
        raise ValueError(
            f"{path}: got {given!r} as the model, expected its configuration; take weights of this version"
        )
    if given.keys() != known:
        raise ValueError(
            f"{path}: got a model with {', '.join(sorted(given))}, expected {', '.join(sorted(known))}; "
            "take weights of this version"
        )
    wrong = [key for key in known if not _is_like(given[key], own[key])]
    if wrong:
        raise ValueError(f"{path}: got a wrong {' and '.join(wrong)} of the model; take weights of this version")
    shape: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    model = MattingUNet(ModelConfig(**shape))
    load_weights(model, path)
    return model.eval()


def load_weights(model: nn.Module, path: Path) -> None:
    """Copy published weights into a network of the same shape.

    Parameters
    ----------
    model : is changed.
    path : the file.

    Raises
    ------
    OSError
        No such file, or one that cannot be read.
    ValueError
        No weights, names that it lacks or has too many, other shapes, or weights that are no numbers.
    """
    check_readable(path)
    try:
        weights = {name: value.float() for name, value in load_file(path).items()}
    except SafetensorError as error:
        raise _unreadable(path, error) from None
    check_finite(weights, str(path))
    own = model.state_dict()
    other = [name for name, value in weights.items() if name in own and own[name].shape != value.shape]
    if other:
        raise ValueError(
            f"{path}: got other shapes than expected in {len(other)} tensors ({', '.join(other[:3])}); "
            "take weights of the same network"
        )
    result = model.load_state_dict(weights, strict=False)
    missing = [k for k in result.missing_keys if not k.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise ValueError(
            f"{path}: got other weights than expected; missing {missing[:3]}, unknown {result.unexpected_keys[:3]}"
        )
