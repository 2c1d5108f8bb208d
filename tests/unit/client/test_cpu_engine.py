"""The model on the CPU: OpenVINO or ONNX Runtime, the same bytes, clear refusals."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from matting_client.engines import Engine, LocalEngine
from matting_client.engines.cpu import CpuModel, has_bf16
from matting_client.engines.local import model_repository
from matting_client.errors import ModelError

from tests.unit.client.conftest import SIDE, tiny_model
from tests.unit.client.pictures import U8, astronaut

PHOTOS = np.stack([np.roll(astronaut(SIDE, SIDE), shift, 1) // (1 + shift % 2) for shift in range(8)])


def expected(images: U8) -> U8:
    """The tiny model in numpy."""
    alpha: U8 = np.clip(np.round(2 * images.mean(-1, keepdims=True) - 128), 0, 255).astype(np.uint8)
    return alpha


@pytest.fixture
def file(repository: Path) -> Path:
    return repository / "matting_512" / "1" / "model.onnx"


@pytest.fixture(params=["OpenVINO", "ONNX Runtime"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One of the two engines; importing the other fails, as where it is not installed."""
    monkeypatch.setitem(sys.modules, "openvino" if request.param == "ONNX Runtime" else "onnxruntime", None)
    return str(request.param)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batches(file: Path, engine: str, batch: int) -> None:
    model = CpuModel(file, precision="f32", threads=1)
    alpha = model.run(PHOTOS[:batch])
    assert alpha.shape == (batch, SIDE, SIDE, 1)
    assert alpha.dtype == np.uint8
    assert np.abs(alpha.astype(int) - expected(PHOTOS[:batch])).max() <= 1
    assert 20 < alpha.mean() < 235
    assert model.size == SIDE
    assert model.description.startswith(engine)
    assert model.description.endswith("f32, 1 threads")


def test_results_do_not_change_later(file: Path, engine: str) -> None:
    """An answer is not a view of a buffer that the next run overwrites."""
    model = CpuModel(file, precision="f32")
    first = model.run(PHOTOS[:1])
    before = first.copy()
    model.run(PHOTOS[1:2])
    assert np.array_equal(first, before)


def test_read_only_and_strided_pictures(file: Path, engine: str) -> None:
    model = CpuModel(file, precision="f32")
    frozen = np.frombuffer(PHOTOS[:1].tobytes(), np.uint8).reshape(1, SIDE, SIDE, 3)
    assert np.array_equal(model.run(frozen), model.run(PHOTOS[:1]))
    mirrored = PHOTOS[:2, :, ::-1]
    assert np.array_equal(model.run(mirrored), model.run(np.ascontiguousarray(mirrored)))


def test_several_threads(file: Path, engine: str) -> None:
    model = CpuModel(file, precision="f32", threads=1)
    with ThreadPoolExecutor(4) as pool:
        alphas = list(pool.map(lambda index: model.run(PHOTOS[index % 8][None]), range(64)))
    for index, alpha in enumerate(alphas):
        assert np.abs(alpha.astype(int) - expected(PHOTOS[index % 8][None])).max() <= 1


def test_bfloat16_is_close(file: Path) -> None:
    alpha = CpuModel(file, precision="bf16").run(PHOTOS[:1])
    assert np.abs(alpha.astype(int) - expected(PHOTOS[:1])).max() <= 4  # 8 bits of mantissa, times two


def test_bfloat16_needs_openvino(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match="bf16 needs OpenVINO"):
        CpuModel(file, precision="bf16")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match="no engine is installed; pip install openvino or onnxruntime"):
        CpuModel(file)


def test_files_that_are_no_such_model(tmp_path: Path, file: Path, engine: str) -> None:
    bad = {
        name: tmp_path / f"{name}.onnx" for name in ("missing", "empty", "garbage", "truncated", "renamed", "oblong")
    }
    bad["empty"].write_bytes(b"")
    bad["garbage"].write_bytes(b"not a model" * 100)
    bad["truncated"].write_bytes(file.read_bytes()[:200])
    onnx.save(tiny_model(input_name="picture"), bad["renamed"])
    oblong = tiny_model()
    for value in (oblong.graph.input[0], oblong.graph.output[0]):
        value.type.tensor_type.shape.dim[1].dim_value = SIDE // 2
    onnx.save(oblong, bad["oblong"])
    for path in (*bad.values(), tmp_path):
        with pytest.raises(ModelError) as caught:
            CpuModel(path).run(PHOTOS[:1])
        assert str(caught.value).startswith(f"{path}: "), path
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, SIDE, SIDE, 3), np.float32),
        np.zeros((SIDE, SIDE, 3), np.uint8),
        np.zeros((1, SIDE, SIDE + 1, 3), np.uint8),
        np.zeros((1, SIDE, SIDE, 4), np.uint8),
        np.zeros((0, SIDE, SIDE, 3), np.uint8),
    ],
    ids=lambda image: f"{image.dtype} {image.shape}",
)
def test_batches_that_do_not_fit(local: Path, image: U8) -> None:
    with LocalEngine() as engine, pytest.raises(ModelError, match=r"expected uint8 \(N, 128, 128, 3\)"):
        engine.infer(image)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16\n", True),
        ("processor: 0\nflags : fpu amx_bf16 x\n", True),
        ("flags : fpu avx512f avx512_bf16x\n", False),
        ("Features : fp asimd bf16\n", False),
        ("", False),
    ],
)
def test_bf16_is_read_from_the_cpus_flags(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert has_bf16(tmp_path / "cpuinfo") is expected
    assert has_bf16(tmp_path / "none") is False


def test_where_the_models_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MATTING_MODEL_REPOSITORY", raising=False)
    assert model_repository().name == "model_repository"  # the clone's
    (tmp_path / "model_repository").mkdir()
    assert model_repository() == Path("model_repository")
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    assert model_repository() == repository
    assert model_repository(tmp_path) == tmp_path
    with pytest.raises(ModelError, match="none: got no model repository"):
        model_repository(tmp_path / "none")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/etc", "-x", "a\n", "matting_2048"])
def test_names_that_are_no_models(local: Path, name: str) -> None:
    with pytest.raises(ModelError, match="got"):
        LocalEngine(name)


def test_a_local_engine_is_an_engine(local: Path) -> None:
    with LocalEngine() as engine:
        assert isinstance(engine, Engine)
        assert (engine.model, engine.size) == ("matting_512", SIDE)
