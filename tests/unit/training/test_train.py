from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from matting_export.metadata import training_data
from matting_training import preview
from matting_training.checkpoint import NotFiniteError, load_model, load_state, read_metadata, save_weights
from matting_training.config import TrainConfig, parse
from matting_training.data.pairs import DataError
from matting_training.data.scenes import SCENES
from matting_training.process import autocast
from matting_training.train import main, run
from safetensors.torch import save_file


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
    header = read_metadata(whole / "best.safetensors")
    assert (header["learnt"], header["scratch"]) == ({"people": 2}, True)
    assert training_data(header) == "people (2 photos)"


def test_bad_data_is_refused_before_training_with_the_file_named(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "people/images/one.png").write_bytes(b"broken")
    code = main(["--data", str(dataset), "--run", str(tmp_path / "r"), "--sets", "people:1:0.5", "--validate", "val"])
    assert code == 1
    assert "people/images/one.png" in capsys.readouterr().err
    assert not (tmp_path / "r" / "last.pt").exists()


def test_what_is_learnt_is_not_measured_on(dataset: Path, tmp_path: Path) -> None:
    (dataset / "clean").symlink_to(dataset / "people")
    for name in ("people", "clean"):
        with pytest.raises(DataError, match=f"{name}/images/one.png: got a photo of --sets in --validate"):
            run(config(dataset, tmp_path / "run", validate=("val", name)))


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


def test_what_was_ended_before_its_validation_gets_it(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("matting_training.train.validate", interrupted)
        run(config(dataset, tmp_path / "run"))
    run(config(dataset, tmp_path / "run"))
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [row["seen"] for row in rows] == [8, 16]


def test_a_diverged_training_ends_and_keeps_no_weights(
    dataset: Path, tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    argv = ["--data", str(dataset), "--run", str(folder), "--cache", str(tmp_path / "c"), "--start", str(start)]
    argv += ["--sets", "people:1:0.5", "--validate", "val", "--max-side", "96", "--size", "64", "--batch", "4"]
    argv += ["--samples", "16", "--epoch", "16", "--warmup", "4", "--lr", "1e8", "--workers", "0", "--device", "cpu"]
    assert main(argv) == 1
    assert "NaN" in capsys.readouterr().err
    assert not (folder / "best.safetensors").exists() and not (folder / "last.pt").exists()


def test_weights_that_are_no_numbers_are_neither_written_nor_read(tmp_path: Path, start: Path) -> None:
    model = load_model(start)
    with torch.no_grad():
        next(model.head.parameters()).fill_(torch.nan)
    with pytest.raises(NotFiniteError, match="head"):
        save_weights(tmp_path / "w.safetensors", model.state_dict(), model.config, {})
    assert not list(tmp_path.glob("w.*"))
    weights = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    save_file(weights, tmp_path / "w.safetensors", metadata={"model": json.dumps(model.config.to_dict())})
    with pytest.raises(NotFiniteError, match=r"w\.safetensors"):
        load_model(tmp_path / "w.safetensors")


def test_every_size_is_taught_as_a_whole() -> None:
    assert parse(["--size", "1024", "512", "512", "--deep", "1"]).deep == 1
    with pytest.raises(SystemExit, match="2"):
        parse(["--size", "1024", "512", "--deep", "3"])


def test_all_sets_are_looked_at_before_the_first_is_cached(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset / "people", dataset / "others")
    (dataset / "others/images/two.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"others/images/two\.png"):
        run(config(dataset, tmp_path / "run", sets=("people:1:0.5", "others:1:0.5")))
    assert not list((dataset / "cache").rglob("*.npy"))
    with pytest.raises(DataError, match="no file of weights"):
        run(config(dataset, tmp_path / "run", start=tmp_path / "nothing.safetensors"))


@pytest.mark.parametrize(
    "argv",
    [
        ["--size", "100"],
        ["--size", "544"],
        ["--samples", "10", "--batch", "4"],
        ["--sets", "people"],
        ["--sets", "people:a:1"],
        ["--scenes", "group:0.1", "--things", "nothing"],
        ["--scenes", "group:-0.1", "--things", "fashion"],
        ["--scenes", "group:nan", "--things", "fashion"],
        ["--validate", "a/val_one", "b/val_one"],
    ],
)
def test_impossible_options_end_with_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(argv)
    assert "expected" in capsys.readouterr().err or argv[0] == "--samples"


@pytest.mark.parametrize(
    "option",
    ["batch 0", "batch -4", "seed -1", "workers -1", "samples -8", "epoch -8", "zoom 0", "sets one:0:0", "sets one:1:2",
     "sets one:nan:0", "validation-size 500", "turns 2", "ema 2", "ema 1", "negatives -1", "minutes -1", "lr 0",
     "lr nan", "max-side 0", "clip -1",
     "transformer -1", "clip inf", "seed 99999999999999999999"],
)  # fmt: skip
def test_numbers_out_of_their_range_end_with_usage(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(["--" + option.split()[0], option.split()[1]])
    said = capsys.readouterr().err
    assert f"{option.split()[0].replace('-', '_')}: got " in said and "expected" in said


@pytest.mark.parametrize("program", [main, preview.main])
def test_the_help_says_what_settings_and_scenes_are(
    program: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        program(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "sides of the training squares" in said and "a cosine falls to 1 % of the top" in said
    assert all(f"{name} {told}" in said for name, told in SCENES.items())
    assert ("matting_training.preview [-h]" in said) == (program is preview.main)


def test_a_device_that_is_not_there_is_said(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--data", str(dataset), "--run", str(tmp_path / "r"), "--sets", "people:1:0.5", "--validate", "val"]
    for device in (f"cuda:{torch.cuda.device_count()}", "gpu"):
        assert main([*argv, "--device", device]) == 1
        assert f"device: got {device}" in capsys.readouterr().err
