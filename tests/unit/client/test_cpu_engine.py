"""The model on the CPU: OpenVINO or ONNX Runtime, the same bytes, clear refusals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import pytest
from matting_client.engines import Engine, LocalEngine
from matting_client.errors import ModelError
from matting_client.repository import model_repository
from matting_client.runtime.cpu import CpuModel, openvino_core
from matting_client.runtime.cuda import CudaModel, portions
from matting_client.runtime.gpus import has_cuda, visible_gpus
from matting_client.runtime.loader import open_model
from matting_client.runtime.precision import best_precision, cpu_flags, gated_int8, int8_digest, int8_kind

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


def alone(code: str, model: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, which can open the model."""
    begin = "import pathlib, resource, sys\nfrom matting_client.runtime.cpu import CpuModel\n"
    begin += "def open_it(): CpuModel(pathlib.Path(sys.argv[1]), precision='f32', threads=1)\n"
    command = [sys.executable, "-c", begin + code, str(model)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def test_openvino_tells_nobody(file: Path, tmp_path: Path) -> None:
    code = """open_it()
print(*(name for name in sys.modules if name.startswith("openvino_telemetry.")))"""
    assert alone(code, file, HOME=str(tmp_path), CI="").stdout == "\n"


def test_a_model_that_memory_does_not_suffice_for_is_not_called_broken() -> None:
    code = """open_it()  # the libraries are there
most = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 2**23
resource.setrlimit(resource.RLIMIT_AS, (most, most))
open_it()"""
    done = alone(code, model_repository() / "matting_512" / "1" / "model.onnx")
    assert "cannot be loaded for want of memory" in done.stderr


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


def test_flags_are_read_from_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor: 0\nflags\t\t: fpu avx512f amx_bf16\nbugs : x\n")
    assert cpu_flags(tmp_path / "cpuinfo") == {"fpu", "avx512f", "amx_bf16"}
    (tmp_path / "arm").write_text("Features : fp asimd bf16\n")
    assert cpu_flags(tmp_path / "arm") == cpu_flags(tmp_path / "none") == frozenset()


@pytest.mark.parametrize(
    ("flags", "has_int8", "expected"),
    [
        ("avx512f avx512_vnni avx512_bf16 amx_bf16 amx_int8", True, "bf16"),
        ("avx512f avx512_vnni avx512_bf16", True, "int8"),
        ("avx512f avx512_vnni avx512_bf16", False, "f32"),
        ("avx2 avx_vnni", True, "int8"),
        ("avx2", True, "int8"),
        ("avx2", False, "f32"),
        ("", False, "f32"),
    ],
)
def test_the_precision_follows_the_cpu(flags: str, has_int8: bool, expected: str) -> None:
    assert best_precision(frozenset(flags.split()), has_int8) == expected


def test_int8_counts_only_when_the_contract_names_just_that_file(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "matting_512" / "1" / "model.onnx"
    model.parent.mkdir(parents=True)
    shutil.copy(file, model)
    int8, contract = model.with_name("model.int8.xml"), model.parents[1] / "contract.json"
    assert gated_int8(model) is None
    ov.save_model(openvino_core().read_model(file), int8)
    for text in ("", "[]", "{}", '{"int8": null}', '{"int8": {"sha256": "0"}}', '{"int8": {"sha256": 7}}'):
        contract.write_text(text)
        assert gated_int8(model) is None, text
        with pytest.raises(ModelError, match=r"no model\.int8\.xml beside it that has passed"):
            CpuModel(model, precision="int8")
    kind = int8_kind(cpu_flags())
    promise = {"sha256": int8_digest(model), "cpus": {"amx" if kind == "other" else "other": {}}}
    contract.write_text(json.dumps({"int8": promise}))
    assert gated_int8(model) is None  # vouched for on another kind of CPU
    contract.write_text(json.dumps({"int8": {**promise, "cpus": {**promise["cpus"], kind: {}}}}))
    assert gated_int8(model) == int8
    assert " int8, " in CpuModel(model, precision="int8").description
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "openvino", None)
        without.setattr("matting_client.runtime.cpu.best_precision", lambda flags, has_int8: "int8")
        assert CpuModel(model).description.startswith("ONNX Runtime")  # cannot read it, and takes the fp32 model
        with pytest.raises(ModelError, match="int8 needs OpenVINO"):
            CpuModel(model, precision="int8")
    (model.parents[1] / "2").mkdir()  # another version brings its own
    second = Path(shutil.copytree(model.parent, model.parents[1] / "2", dirs_exist_ok=True)) / "model.onnx"
    (second.parent / "contract.json").write_text("{}")
    assert gated_int8(second) is None
    shutil.move(contract, second.with_name("contract.json"))
    assert (gated_int8(model), gated_int8(second)) == (None, second.with_name("model.int8.xml"))
    shutil.move(second.with_name("contract.json"), contract)
    # As the server sees it: through links, with the contract beside the real file.
    seen = tmp_path / "view" / "model.onnx"
    seen.parent.mkdir()
    seen.symlink_to(model)
    for part in (int8, int8.with_suffix(".bin")):
        seen.with_name(part.name).symlink_to(part)
    assert gated_int8(seen) == seen.with_name("model.int8.xml")
    assert " int8, " in CpuModel(seen, precision="int8").description
    for part in (model, int8, int8.with_suffix(".bin")):  # an ONNX file put there by hand has no int8 form
        whole = part.read_bytes()
        part.write_bytes(whole + b"\0")
        assert gated_int8(model) is None
        part.write_bytes(whole)
        assert gated_int8(model) == int8
    int8.with_suffix(".bin").unlink()
    assert gated_int8(model) is None


@pytest.mark.parametrize(
    ("flags", "kind"), [("avx2", "avx2"), ("avx2 avx_vnni", "vnni"), ("avx512_vnni amx_int8", "amx"), ("", "other")]
)
def test_kinds_of_cpu_that_int8_passes_on_apart(flags: str, kind: str) -> None:
    assert int8_kind(frozenset(flags.split())) == kind


def test_company_gives_the_same_bytes_in_order(file: Path, engine: str) -> None:
    """Alone all threads, together in streams: one, two and three photos to a request, as Triton hands them over."""
    model = CpuModel(file, precision="f32", threads=3)
    requests = [PHOTOS[:1], PHOTOS[1:3], PHOTOS[3:6], PHOTOS[6:7]]
    given = [request.copy() for request in requests]
    futures = model.start(given)
    for image in given:
        image[:] = 0  # Triton takes its memory back
    alphas = [future.result() for future in futures]
    for request, alpha in zip(requests, alphas, strict=True):
        assert np.array_equal(alpha, np.concatenate([model.run(photo[None]) for photo in request]))
    with pytest.raises(ModelError):
        model.start([PHOTOS[:1], PHOTOS[:1, 1:]])
    assert np.array_equal(model.run(PHOTOS), np.concatenate([*alphas, model.run(PHOTOS[7:8])]))


def test_a_signal_after_a_model_that_ended_in_another_thread(file: Path) -> None:
    """OpenVINO's signal stack of the first thread was freed with the last model, and the next signal struck there."""
    script = """
import signal, sys, threading
from pathlib import Path
from matting_client.runtime.cpu import CpuModel

models = [CpuModel(Path(sys.argv[1]))]
assert models[0].description.startswith("OpenVINO")
thread = threading.Thread(target=models.clear)
thread.start()
thread.join()
noted = []
signal.signal(signal.SIGINT, lambda *_: noted.append(True))
signal.raise_signal(signal.SIGINT)
assert noted
"""
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, timeout=120)


def test_without_a_gpu_the_cpu_is_chosen(file: Path, tmp_path: Path) -> None:
    assert has_cuda(tmp_path / "none") is False
    assert has_cuda(tmp_path) is False  # a driver without a device
    chosen = open_model(file)
    assert isinstance(chosen, CpuModel) and chosen.device == "CPU"
    with pytest.raises(ModelError, match=r"no CUDA device that ONNX Runtime can use|no usable ONNX model"):
        CudaModel(file)


def test_which_gpus_are_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus(tmp_path / "none") == []
    for bus in ("0000:1b:00.0", "0000:9d:00.0"):
        (tmp_path / bus).mkdir()
    assert visible_gpus(tmp_path) == ["0", "1"]
    for listed, expected in (("", []), ("3", ["3"]), ("GPU-8f, 1", ["GPU-8f", "1"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
        assert visible_gpus(tmp_path) == expected


def test_photos_in_portions() -> None:
    wanted = {0: [], 1: [1], 2: [2], 3: [4], 5: [8], 8: [8], 9: [8, 1], 13: [8, 8], 16: [8, 8]}
    assert {n: portions(n, 8) for n in wanted} == wanted
    assert portions(3, 1) == [1, 1, 1]


class Watched:
    """A session that remembers which batch sizes it was given."""

    def __init__(self, session: Any) -> None:
        self.session, self.given = session, set[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, outputs: None, inputs: dict[str, Any]) -> Any:
        self.given.add(len(inputs["image"]))
        return self.session.run(outputs, inputs)


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """`CudaModel` by the same runtime's other provider."""
    monkeypatch.setattr("matting_client.runtime.cuda.PROVIDER", "CPUExecutionProvider")
    monkeypatch.setattr("matting_client.runtime.cuda.OPTIONS", {})


@pytest.mark.usefixtures("without_gpu")
def test_every_batch_size_has_a_session_of_its_own(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime plans anew when a CUDA session gets another size."""
    opened: list[Watched] = []
    plain = CudaModel._open

    def watched(cuda: CudaModel) -> Watched:
        opened.append(Watched(plain(cuda)))
        return opened[-1]

    monkeypatch.setattr(CudaModel, "_open", watched)
    cuda = CudaModel(file)
    cuda.warm_up()
    assert sorted([session.given for session in opened], key=max) == [{1}, {2}, {4}, {8}]
    alphas = [future.result() for future in cuda.start([PHOTOS[:1], PHOTOS[1:4], PHOTOS[4:7]])]
    assert [len(alpha) for alpha in alphas] == [1, 3, 3]
    assert sorted([session.given for session in opened], key=max) == [{1}, {2}, {4}, {8}]
    cpu = CpuModel(file, precision="f32").run(PHOTOS[:7])
    assert np.abs(np.concatenate(alphas).astype(int) - cpu.astype(int)).max() <= 1
    for refuse in (cuda.run, lambda image: cuda.start([PHOTOS[:1], image])):
        with pytest.raises(ModelError):
            refuse(PHOTOS[:1, 1:])


@pytest.mark.usefixtures("without_gpu")
def test_a_gpu_computes_one_batch_while_the_next_is_handed_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed over may change at once; a run that fails tells everyone in it, and nobody else."""
    cuda, gate, plain = CudaModel(file), threading.Event(), CudaModel.run

    def slow(self: CudaModel, image: U8) -> U8:
        if len(image) == 5:
            raise RuntimeError("out of memory")
        assert len(image) != 3 or gate.wait(20)
        return plain(self, image)

    monkeypatch.setattr(CudaModel, "run", slow)
    photos = PHOTOS[:3].copy()
    first = cuda.start([photos[:1], photos[1:]])
    photos[:] = 0
    second = cuda.start([PHOTOS[3:4]])
    failed = cuda.start([PHOTOS[:4], PHOTOS[:1]])
    assert np.abs(second[0].result(20).astype(int) - expected(PHOTOS[3:4])).max() <= 1
    assert [str(future.exception(20)) for future in failed] == ["out of memory"] * 2
    assert not any(future.done() for future in first)
    assert cuda.refill_below(3) == 4  # the next when these three alone are left
    gate.set()
    alphas = np.concatenate([future.result(20) for future in first])
    assert np.abs(alphas.astype(int) - expected(PHOTOS[:3])).max() <= 1


def test_a_gpu_that_does_not_work_is_named_and_the_cpu_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matting_client.runtime.loader.has_cuda", lambda: True)
    model = open_model(file)
    assert isinstance(model, CpuModel)
    assert "not the GPU" in model.description


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
