"""The int8 model: made, measured on photos it has not seen, and published only when it passes."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import onnx
import openvino as ov
import pytest
from matting_client.runtime.cpu import CpuModel, openvino_core
from matting_client.runtime.precision import cpu_flags, gated_int8, int8_digest, int8_kind
from matting_export.int8 import (
    CHECKED,
    LARGEST_MEAN,
    Gated,
    _behind_convolutions,
    calibration_split,
    check_int8,
    publish_int8,
)
from matting_export.main import ROOT, main
from matting_export.metadata import SIZES
from matting_export.tolerances import ParityError
from matting_training.data.pairs import DataError
from skimage import data

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
SIDE = 512
HEAD = cv2.resize(data.astronaut()[:260, 80:340], (SIDE, SIDE))


def make_set(folder: Path, count: int) -> Path:
    """Views of the astronaut's head, with an alpha that has an edge. Of her black helmet int8 is not sure."""
    for name in ("images", "alpha"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        photo = np.roll((HEAD * (1 - 0.03 * index)).astype(np.uint8), 2 * index, 1)
        cv2.imwrite(str(folder / "images" / f"{index:02}.png"), photo[..., ::-1])
        alpha = cv2.circle(np.zeros(photo.shape[:2], np.uint8), (256, 256), 150 + index, 255, -1, cv2.LINE_AA)
        cv2.imwrite(str(folder / "alpha" / f"{index:02}.png"), alpha)
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the published model."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "matting_512" / "1").mkdir(parents=True)
    shutil.copy(ROOT / "model_repository" / "matting_512" / "1" / "model.onnx", folder / "matting_512" / "1")
    (folder / "matting_512" / "contract.json").write_text(json.dumps({"model": "matting_512"}))
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("photos") / "set", 5)


def test_one_set_is_split_and_several_go_by_name(photos: Path, tmp_path: Path) -> None:
    learn, check = calibration_split(photos)
    assert not {pair.image for pair in learn} & {pair.image for pair in check}
    assert (len(learn), len(check)) == (3, 2)
    make_set(tmp_path / "portraits", 3)
    with pytest.raises(DataError, match="3 pairs to calibrate with and 0 to check on"):
        calibration_split(tmp_path)
    val = make_set(tmp_path / "val_portraits", 1)
    for index in range(CHECKED + 2):
        for folder in ("images", "alpha"):
            shutil.copy(val / folder / "00.png", val / folder / f"{index:03}.png")
    (tmp_path / "backgrounds" / "images").mkdir(parents=True)  # no alphas: of no use here
    learn, check = calibration_split(tmp_path)
    assert {pair.image.parents[1].name for pair in learn} == {"portraits"}
    assert {pair.image.parents[1].name for pair in check} == {"val_portraits"}
    assert len(check) == CHECKED


def _weights(node: ov.Node) -> ov.Node:
    """The constant behind a convolution's scales."""
    node = node.input_value(1).get_node()
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return node


def test_published_file_is_int8_close_and_vouched_for(
    repository: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Views of one portrait are too few to calibrate with: a wider gate, so that what follows it can be seen.
    monkeypatch.setattr("matting_export.int8.LARGEST_MEAN", 0.03)
    monkeypatch.setattr("matting_export.int8.LARGEST_LOSS", 1.0)
    model = repository / "matting_512" / "1" / "model.onnx"
    found = publish_int8(model, photos)
    int8 = model.with_name("model.int8.xml")
    assert sorted(path.name for path in model.parent.iterdir()) == ["model.int8.bin", "model.int8.xml", "model.onnx"]
    graph = openvino_core().read_model(int8)
    weights = [_weights(node) for node in graph.get_ops() if node.get_type_name() == "Convolution"]  # none depthwise
    assert sum(node.get_element_type() == ov.Type.i8 for node in weights) > 0.8 * len(weights) > 50
    assert [(v.any_name, v.element_type) for v in (*graph.inputs, *graph.outputs)] == [
        ("image", ov.Type.u8),
        ("alpha", ov.Type.u8),
    ]
    contract = json.loads((repository / "matting_512" / "contract.json").read_text())
    assert contract["model"] == "matting_512"
    assert list(contract["int8"]["cpus"]) == [int8_kind(cpu_flags())]
    assert contract["int8"]["cpus"][int8_kind(cpu_flags())]["mean"] == found.mean <= 0.03
    assert gated_int8(model) == int8
    image = HEAD[None]
    quick, full = CpuModel(model, precision="int8", threads=1), CpuModel(model, precision="f32", threads=1)
    difference = np.abs(quick.run(image).astype(int) - full.run(image))
    assert 0 < difference.mean() < 0.03 * 255 * 2  # another computation, and nearly the same alpha


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (Gated(5e-3, 0.04, 0.04, 0.01, 0.01, 1), "mean difference of 0.005 to fp32, expected at most 0.004"),
        (
            Gated(1e-3, 0.04, 0.0421, 0.01, 0.01, 1),
            r"0.0421 \(edge alpha\), expected at most 5% above the 0.0400",
        ),
        (
            Gated(1e-3, 0.04, 0.04, 0.01, 0.0106, 1),
            r"0.0106 \(whole alpha\), expected at most 5% above the 0.0100",
        ),
    ],
)
def test_gates(found: Gated, what: str) -> None:
    with pytest.raises(ParityError, match=what):
        found.check("model.int8.onnx")
    Gated(4e-3, 0.04, 0.042, 0.01, 0.0105, 1).check("model.int8.onnx")


@pytest.mark.parametrize("name", SIZES)
def test_nothing_between_the_last_convolution_and_the_alpha_is_quantised(name: str) -> None:
    proto = onnx.load(ROOT / "model_repository" / name / "1" / "model.onnx")
    found = {node.name: node.op_type for node in proto.graph.node if node.name in _behind_convolutions(proto)}
    assert {"Sigmoid", "Round", "Cast"} <= set(found.values()) and "Conv" not in found.values()
    assert len(found) < 20


def test_a_file_that_does_not_pass_leaves_everything_as_it_was(
    repository: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(repository, copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    monkeypatch.setattr("matting_export.int8.LARGEST_MEAN", 0.0)
    with pytest.raises(ParityError, match="not published"):
        publish_int8(copy / "matting_512" / "1" / "model.onnx", photos)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_the_file_that_is_there_is_vouched_for_on_this_cpu_as_long_as_it_passes(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "matting_512"
    shutil.copytree(ROOT / "model_repository" / "matting_512", folder)
    model, contract = folder / "1" / "model.onnx", folder / "contract.json"
    written = json.loads(contract.read_text())
    kind = int8_kind(cpu_flags())
    elsewhere = {cpu: row for cpu, row in written["int8"]["cpus"].items() if cpu != kind}
    contract.write_text(json.dumps({**written, "int8": {**written["int8"], "cpus": elsewhere}}))
    assert elsewhere
    assert gated_int8(model) is None
    with monkeypatch.context() as wider:  # of her helmet int8 is not sure
        wider.setattr("matting_export.int8.LARGEST_MEAN", 0.03)
        wider.setattr("matting_export.int8.LARGEST_LOSS", 1.0)
        found = check_int8(model, photos)
    assert json.loads(contract.read_text())["int8"]["cpus"] == {**elsewhere, kind: asdict(found)}
    assert gated_int8(model) is not None
    with monkeypatch.context() as narrower:
        narrower.setattr("matting_export.int8.LARGEST_MEAN", 0.0)
        with pytest.raises(ParityError, match="mean difference"):
            check_int8(model, photos)
    assert json.loads(contract.read_text()) == {**written, "int8": {**written["int8"], "cpus": elsewhere}}
    model.with_name("model.int8.bin").write_bytes(b"another")
    with pytest.raises(DataError, match=r"no int8 model that the contract knows"):
        check_int8(model, photos)


@pytest.mark.parametrize("name", SIZES)
def test_int8_of_the_repository_is_what_passed(name: str) -> None:
    folder = ROOT / "model_repository" / name
    promise = json.loads((folder / "contract.json").read_text())["int8"]
    assert int8_digest(folder / "1" / "model.onnx") == promise["sha256"]
    assert promise["cpus"]
    document = (ROOT / "docs" / "decisions" / "precision.md").read_text(encoding="utf-8")
    for cpu, told in promise["cpus"].items():
        found = Gated(**told)
        found.check(name)
        row = f"| {SIZES[name]} px, {cpu.upper()} | {found.mean:.5f} | {found.edge_fp32:.4f} / {found.edge_int8:.4f} |"
        assert f"{row} {found.whole_fp32:.5f} / {found.whole_int8:.5f} |" in document


def test_int8_of_the_repository_is_close_to_fp32_here() -> None:
    model = ROOT / "model_repository" / "matting_512" / "1" / "model.onnx"
    if gated_int8(model) is None:
        pytest.skip("not taken on this kind of CPU")
    alphas = [CpuModel(model, precision=precision).run(HEAD[None]).astype(int) for precision in ("int8", "f32")]
    assert 0 < np.abs(alphas[0] - alphas[1]).mean() <= LARGEST_MEAN * 255


def test_int8_without_photos_is_an_error_not_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["int8"]) == 1
    assert "--photos" in capsys.readouterr().err


def test_several_folders_are_one(tmp_path: Path) -> None:
    """As a box beside a folder that has only sets to measure on."""
    make_set(tmp_path / "samples" / "learn", 2)
    make_set(tmp_path / "samples" / "val_box", 1)
    make_set(tmp_path / "data" / "val_portraits", 2)
    with pytest.raises(DataError, match="got 0 pairs to calibrate with"):
        calibration_split(tmp_path / "data")
    learn, check = calibration_split(tmp_path / "samples", tmp_path / "data")
    assert (len(learn), len(check)) == (2, 3)
