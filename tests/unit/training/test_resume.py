"""What a run is started again with, and what its files are written as."""

from __future__ import annotations

import contextlib
import hashlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from matting_training.checkpoint import load_model, load_weights, save_state, save_weights
from matting_training.model.unet import MattingUNet, ModelConfig
from matting_training.train import open_bar, run
from matting_training.trainer import LAST, Trainer
from safetensors.torch import load_file

from tests.unit.training.test_train import config


def test_a_run_goes_on_with_its_own_options_alone(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    run(config(dataset, folder, samples=8))
    before = (folder / "config.json").read_bytes()
    with pytest.raises(ValueError, match=r"lr: got 0\.5, was 0\.001; cbam: got False, was True"):
        run(config(dataset, folder, samples=8, lr=0.5, model=ModelConfig(cbam=False)))
    assert (folder / "config.json").read_bytes() == before
    assert "nothing left to do" not in capsys.readouterr().out
    run(config(dataset, folder, samples=8))
    assert "nothing left to do, 8 samples" in capsys.readouterr().out
    run(config(dataset, folder, samples=12, cache=tmp_path / "cache"))
    assert "nothing left to do" not in capsys.readouterr().out
    (folder / LAST).write_bytes((folder / LAST).read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"last\.pt: got a damaged state"):
        run(config(dataset, folder, samples=12))
    (folder / LAST).write_bytes(b"")
    with pytest.raises(ValueError, match=r"last\.pt: got a damaged state"):
        run(config(dataset, folder, samples=12))


def test_the_bar_counts_what_ends_the_run(dataset: Path, tmp_path: Path) -> None:
    for changes, unit in ({"samples": 8}, "img"), ({"samples": 0, "minutes": 60.0}, " s ["):
        trainer = Trainer(config(dataset, tmp_path / unit.strip(" ["), **changes))
        trainer.spent, trainer.seen = 1800.0, 4
        with open_bar(trainer) as bar:
            assert bar.n == 4 if unit == "img" else bar.n / bar.total == 0.5
            assert unit in str(bar)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """For no longer than the writes in question: reports of the test itself may go to a file."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    model = MattingUNet(pretrained=False)
    with pytest.raises(OSError, match=LAST), full_disk():
        save_state(tmp_path / LAST, {"model": model.state_dict()})
    with pytest.raises(OSError, match="File too large"), full_disk():
        save_weights(tmp_path / "w.safetensors", model.state_dict(), model.config, {})
    assert not list(tmp_path.iterdir())


def test_equal_weights_are_equal_files(tmp_path: Path, start: Path) -> None:
    model = load_model(start)
    more = dict.fromkeys("abcdefgh", 1)
    digests = set()
    for _ in range(4):
        save_weights(tmp_path / "w.safetensors", model.state_dict(), model.config, more)
        digests.add(hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).digest())
    assert len(digests) == 1
    again, before = (load_file(path) for path in (tmp_path / "w.safetensors", start))
    assert all(torch.equal(again[name], value) for name, value in before.items())


def test_what_are_no_fitting_weights_is_named(tmp_path: Path, start: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no weights")
    for read in (load_model, lambda path: load_weights(MattingUNet(pretrained=False), path)):
        with pytest.raises(ValueError, match=r"text\.safetensors: got no weights"):
            read(tmp_path / "text.safetensors")
    weights = {name: value[:1] if value.ndim else value for name, value in load_model(start).state_dict().items()}
    save_weights(tmp_path / "other.safetensors", weights, ModelConfig(), {})
    with pytest.raises(ValueError, match=r"other\.safetensors: got other shapes"):
        load_model(tmp_path / "other.safetensors")
