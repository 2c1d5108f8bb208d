from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from matting_training.checkpoint import load_model, load_state
from matting_training.config import TrainConfig, parse
from matting_training.process import autocast
from matting_training.train import main, run


def config(dataset: Path, folder: Path, **changes: object) -> TrainConfig:
    values: dict[str, object] = {
        "data": dataset,
        "run": folder,
        "cache": dataset / "cache",
        "sets": ("people:1:0.5",),
        "validate": ("val",),
        "max_side": 96,
        "size": (64,),
        "samples": 16,
        "epoch": 8,
        "batch": 4,
        "warmup": 4,
        "workers": 0,
        "device": "cpu",
        "validation_size": 64,
        **changes,
    }
    return TrainConfig(**values)  # type: ignore[arg-type]


def states_are_equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(states_are_equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(states_are_equal, a, b))
    return a == b


def test_an_interrupted_run_resumes_bit_equal_and_writes_its_folder(dataset: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(config(dataset, whole))
    run(config(dataset, parts, minutes=1e-9))  # ends after its first step
    assert load_state(parts / "last.pt", torch.device("cpu"))["seen"] == 4
    run(config(dataset, parts))
    a, b = (load_state(folder / "last.pt", torch.device("cpu")) for folder in (whole, parts))
    assert a["seen"] == b["seen"] == 16
    for name in ("model", "ema", "optimizer"):
        assert states_are_equal(a[name], b[name]), name
    names = {path.name for path in whole.iterdir()}
    assert names == {"config.json", "log.jsonl", "losses.png", "validation.png", "last.pt", "best.safetensors"}
    rows = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [row["seen"] for row in rows] == [8, 16]
    assert {"total", "images_per_second", "waiting", "val/SAD", "val/MAD"} <= rows[0].keys()
    assert json.loads((whole / "config.json").read_text())["model"]["cbam"] is True


def test_bad_data_is_refused_before_training_with_the_file_named(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "people/images/one.png").write_bytes(b"broken")
    code = main(["--data", str(dataset), "--run", str(tmp_path / "r"), "--sets", "people:1:0.5", "--validate", "val"])
    assert code == 1
    assert "people/images/one.png" in capsys.readouterr().err
    assert not (tmp_path / "r" / "last.pt").exists()


def test_sizes_take_turns_and_statistics_stay_when_told(dataset: Path, tmp_path: Path, start: Path) -> None:
    run(config(dataset, tmp_path / "run", start=start, size=(64, 96), samples=8, statistics=False))
    before, after = (load_model(path).state_dict() for path in (start, tmp_path / "run" / "best.safetensors"))
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert not {name for name in changed if "running_" in name}
    assert {"encoder", "stages", "head"} <= {name.split(".")[0] for name in changed}


def test_bf16_is_used_where_the_machine_multiplies_it_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "amx_bf16" in torch.cpu.get_capabilities()
    for found, fast in (({"amx_bf16": True}, True), ({"amx_bf16": False, "avx512_bf16": True}, False)):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda found=found: found)
        with autocast(torch.device("cpu")):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert (product.dtype is torch.bfloat16) is fast


def test_options_reach_the_configuration() -> None:
    got = parse(["--size", "448", "512", "--no-cbam", "--transformer", "0", "--sets", "a:1:0", "b:2:1", "--lr", "0.1"])
    assert (got.size, got.model.cbam, got.model.transformer, got.sets, got.lr) == (
        (448, 512),
        False,
        0,
        ("a:1:0", "b:2:1"),
        0.1,
    )


@pytest.mark.parametrize("argv", [["--size", "100"], ["--size", "544"], ["--samples", "10", "--batch", "4"]])
def test_impossible_options_end_with_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(argv)
    assert "expected" in capsys.readouterr().err or argv[0] == "--samples"
