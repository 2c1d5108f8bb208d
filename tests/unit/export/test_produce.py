"""The whole way, on a few small pictures: what is no better is refused, and then no file changes."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch
from matting_export import finetune, produce
from matting_export.int8 import calibration_split
from matting_export.main import ROOT, WEIGHTS
from matting_export.publish import _in_own_process, _take_over, publish_all, publish_models
from matting_export.scores import find_validation
from matting_export.tolerances import ParityError
from matting_training.checkpoint import load_model, save_weights
from matting_training.config import split_entry
from matting_training.data.pairs import DataError, find_pairs, read_rgb
from matting_training.validation import torch_predictor

from tests.unit.export.test_box import make_box
from tests.unit.export.test_export import PORTRAIT
from tests.unit.export.test_int8 import make_set

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
SIZE = 128  # at which weights are compared here
SMALL = ["--size", "64", "--batch", "4", "--max-side", "96", "--workers", "0", "--device", "cpu"]
RUINOUS = ["--lr", "0.01", "--warmup", "4", "--ema", "0"]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with weights and a repository of one model, as in a clone."""
    folder = tmp_path / "published"
    shutil.copytree(ROOT / "model_repository" / "matting_512", folder / "repository" / "matting_512")
    shutil.copy(WEIGHTS, folder / "matting.safetensors")
    return folder


@pytest.fixture
def unharmed(published: Path) -> Iterator[None]:
    """Asserts that none of the published files has changed, gone or come."""

    def digests() -> dict[str, str]:
        files = [path for path in sorted(published.rglob("*")) if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = digests()
    yield
    assert digests() == before


def where(published: Path) -> list[str]:
    weights = published / "matting.safetensors"
    return ["--weights", str(weights), "--start", str(weights), "--repository", str(published / "repository")]


def call_right(alpha: Path, photo: Path, size: int) -> None:
    """Write what the published weights say as the truth, so that all others are worse."""
    cv2.imwrite(str(alpha), torch_predictor(load_model(WEIGHTS), size)(read_rgb(photo)))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Sets to learn from and one to measure on, on which the published weights are right by definition."""
    root = tmp_path / "data"
    for name, count in (("portraits", 2), ("goods_exact", 1), ("val_portraits", 1)):
        make_set(root / name, count)
    shutil.copytree(root / "portraits" / "images", root / "backgrounds")
    call_right(root / "val_portraits/alpha/00.png", root / "val_portraits/images/00.png", SIZE)
    return root


@pytest.mark.usefixtures("unharmed")
def test_worse_weights_are_not_published(
    published: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(produce, "SIZE", SIZE)
    recipe = produce.recipe_parts()
    monkeypatch.setattr(produce, "recipe_parts", lambda: recipe[1:])
    place = ["--data", str(photos), "--run", str(tmp_path / "run"), *where(published)]
    assert produce.main([*place, "--minutes", "0.0001", *SMALL, *RUINOUS]) == 1
    said = capsys.readouterr()
    assert "not published, what was there stays" in said.err
    assert f"{photos / 'mixed'}: not there, left out" in said.out
    written = {path.name for path in (tmp_path / "run" / "fine").iterdir()}
    assert {"best.safetensors", "chosen.safetensors", "last.pt"} <= written


def test_the_recipe_takes_what_the_folder_holds(photos: Path) -> None:
    for part in produce.recipe_parts():
        argv = part.argv(photos)
        names = [word.split(":")[0] for word in argv if word.count(":") >= 2]
        assert names == ["portraits", "goods_exact"] and "--scenes" in argv
    shutil.rmtree(photos / "goods_exact")
    assert all("--scenes" not in part.argv(photos) for part in produce.recipe_parts())
    shutil.rmtree(photos / "portraits")
    with pytest.raises(DataError, match="got none of studio_clean"):
        produce.recipe_parts()[0].argv(photos)
    with pytest.raises(DataError, match="got no set named val_"):
        find_validation(photos / "backgrounds")


@pytest.mark.usefixtures("unharmed")
def test_without_pictures_to_check_int8_on_nothing_is_begun(published: Path, photos: Path) -> None:
    shutil.rmtree(photos / "val_portraits")
    weights, repository = published / "matting.safetensors", published / "repository"
    with pytest.raises(DataError, match="0 to check on"):
        publish_all(WEIGHTS, repository, photos=[PORTRAIT], data=[photos], published=weights)


def test_a_crash_of_the_exporter_is_a_refusal() -> None:
    with pytest.raises(ParityError, match="crashed"):
        _in_own_process(os.abort)
    with pytest.raises(DataError, match="as it is"):
        _in_own_process(complain)
    _in_own_process(check_quiet)


def check_quiet() -> None:
    assert os.environ["TORCH_LOGS"] == "-all"


def complain() -> None:
    raise DataError("as it is")


def test_what_is_of_other_weights_goes(published: Path, tmp_path: Path) -> None:
    place, new = published / "repository" / "matting_512", tmp_path / "matting_512"
    (new / "1").mkdir(parents=True)
    for file in (new / "1" / "model.onnx", new / "contract.json"):
        file.write_text("new")
    _take_over(new, place)
    assert [path.name for path in (place / "1").iterdir()] == ["model.onnx"]
    assert (place / "contract.json").read_text() == (place / "1" / "model.onnx").read_text() == "new"
    assert (place / "config.pbtxt").exists() and (place / "configs").is_dir()


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Samples on which the published weights are right by definition."""
    monkeypatch.setattr(finetune, "SIZE", SIZE)
    made = make_box(tmp_path / "box")
    for sample in made.iterdir():
        call_right(sample / "correction.png", sample / "photo", SIZE)
    return made


@pytest.mark.usefixtures("unharmed")
def test_a_box_that_teaches_nothing_changes_nothing(
    published: Path, box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--finetune", str(box), "--run", str(tmp_path / "run"), "--minutes", "0.0001", *where(published)]
    assert finetune.main([*argv, *SMALL, *RUINOUS]) == 1
    assert "not published, what was there stays" in capsys.readouterr().err
    assert (tmp_path / "run" / "last.pt").exists() and not (tmp_path / "run" / "chosen.safetensors").exists()


@pytest.mark.usefixtures("unharmed")
def test_a_folder_with_sets_to_measure_on_alone_is_enough_beside_a_box(
    published: Path, box: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("portraits", "goods_exact", "backgrounds"):
        shutil.rmtree(photos / name)
    asked: list[Path] = []
    monkeypatch.setattr(finetune, "choose", lambda *_: 1.0)
    monkeypatch.setattr(finetune, "publish_all", lambda *_, data, **__: asked.extend(data))
    place = ["--run", str(tmp_path / "run"), "--data", str(photos), "--minutes", "0.0001", *where(published)]
    assert finetune.main(["--finetune", str(box), *place, *SMALL]) == 0
    assert set(find_validation(*asked)) == {"val_box", "val_portraits"}
    assert all(calibration_split(*asked))


@pytest.mark.usefixtures("unharmed")
def test_a_bad_photo_to_measure_on_is_named_before_the_training(
    published: Path, box: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alpha = photos / "val_portraits" / "alpha" / "00.png"
    cv2.imwrite(str(alpha), read_rgb(alpha)[:-1])
    place = ["--run", str(tmp_path / "run"), "--data", str(photos), *where(published)]
    assert finetune.main(["--finetune", str(box), *place, *SMALL]) == 1
    assert capsys.readouterr().err.startswith(f"{alpha}: got ")
    assert not (tmp_path / "run" / "cache").exists()


@pytest.mark.usefixtures("unharmed")
def test_what_was_chosen_earlier_is_measured_against_what_is_published_now(
    published: Path, box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = load_model(WEIGHTS)
    with torch.no_grad():
        next(model.head.parameters()).zero_()
    (tmp_path / "run").mkdir()
    save_weights(tmp_path / "run" / "chosen.safetensors", model.state_dict(), model.config, {"seen": 0, "scores": {}})
    assert finetune.main(["--finetune", str(box), "--run", str(tmp_path / "run"), *where(published)]) == 1
    assert "not published, what was there stays" in capsys.readouterr().err


def test_new_weights_may_lie_beside_those_in_use(box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of their own, to be tried by some: nothing lies where they go, and nothing has to be beaten there."""
    made: list[tuple[Path, Path]] = []
    monkeypatch.setattr(finetune, "choose", lambda *_: 1.0)
    monkeypatch.setattr(finetune, "publish_all", lambda *given, published, **_: made.append((given[1], published)))
    weights, repository = tmp_path / "new" / "mine.safetensors", tmp_path / "new" / "models"
    place = ["--run", str(tmp_path / "run"), "--weights", str(weights), "--repository", str(repository)]
    assert finetune.main(["--finetune", str(box), *place, "--minutes", "0.0001", *SMALL]) == 0
    assert made == [(repository, weights)]


@pytest.mark.usefixtures("unharmed")
def test_one_model_that_fails_publishes_none(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ParityError("another one")

    monkeypatch.setattr("matting_export.publish.verify", fail)
    repository, weights = published / "repository", published / "matting.safetensors"
    with pytest.raises(ParityError, match="another one"):
        publish_models(WEIGHTS, repository, ["matting_512"], [PORTRAIT], half=False, published=weights)


@pytest.mark.usefixtures("unharmed")
def test_an_empty_box_is_named(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "box").mkdir()
    assert finetune.main(["--finetune", str(tmp_path / "box"), "--run", str(tmp_path / "run"), *where(published)]) == 1
    assert "got 0 corrected photos" in capsys.readouterr().err


@pytest.mark.usefixtures("unharmed")
def test_a_run_stays_out_of_the_box(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = make_box(tmp_path / "box")
    before = sorted(box.iterdir())
    for run in (box, box / "run"):
        assert finetune.main(["--finetune", str(box), "--run", str(run), *where(published)]) == 1
        assert "got a run within the box" in capsys.readouterr().err
    assert sorted(box.iterdir()) == before


def test_the_share_is_chosen_that_is_best_on_what_was_held_out(tmp_path: Path) -> None:
    """The published weights are right by definition here, and what they began with is spoilt."""
    pairs = find_pairs(make_set(tmp_path / finetune.HELD_OUT, 1))
    call_right(pairs[0].alpha, pairs[0].image, 512)
    model = load_model(WEIGHTS)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.stages.parameters():
            parameter += parameter.std() * torch.randn_like(parameter) if parameter.numel() > 1 else 0
    spoilt = tmp_path / "spoilt.safetensors"
    save_weights(spoilt, model.state_dict(), model.config, {"seen": 0, "scores": {}})
    assert finetune.choose(spoilt, WEIGHTS, {finetune.HELD_OUT: pairs}) == 1.0


def test_the_command_trains_where_no_box_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, code, says in (
        (["--finetune", "--help"], 0, "--finetune BOX"),
        (["--size", "100"], 2, "multiples of 32"),
    ):
        with pytest.raises(SystemExit, match=str(code)):
            finetune.main(argv)
        said = capsys.readouterr()
        assert says in said.out + said.err


def test_the_box_is_no_other_set_and_no_set_takes_the_place_of_its_held_out_photos(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, _ = finetune._parser().parse_known_args(
        ["--finetune", str(photos / "link"), "--data", str(photos), "--run", str(tmp_path / "run:1")]
    )
    (photos / "link").symlink_to(photos / "portraits")
    (photos / "goods_exact").rename(photos / "goods:2")
    config = finetune.configure(given, SMALL)  # a colon in a path is no number
    corrected = str(tmp_path / "run:1/samples/corrected")
    assert [split_entry(entry)[0] for entry in config.sets] == [corrected, "goods:2"]
    assert "portraits: is the box, left out" in capsys.readouterr().out
    make_set(photos / finetune.HELD_OUT, 1)
    with pytest.raises(DataError, match="val_box: got a set of the name"):
        finetune.configure(given, SMALL)
