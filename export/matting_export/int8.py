"""The int8 model for CPUs: NNCF's post-training quantisation with real photos, published only when it passes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import onnx
from matting_client.processing import edge_band, letterbox
from matting_client.processing.letterbox import without_padding
from matting_client.repository import CONTRACT_FILE, INT8_FILE
from matting_client.runtime.cpu import CpuModel, openvino_core
from matting_client.runtime.precision import cpu_flags, int8_digest, int8_kind
from matting_client.types import U8
from matting_training.data.pairs import DataError, Pair, find_pairs, read_pair, read_rgb

from matting_export.metadata import INPUT, OUTPUT, write_contract
from matting_export.staging import staging_folder
from matting_export.tolerances import ParityError

if TYPE_CHECKING:
    import openvino as ov

CALIBRATION, CHECKED = 64, 64  # photos
LARGEST_MEAN = 4e-3  # absolute difference to fp32, in 0..1
LARGEST_LOSS = 0.05  # relative growth of the error, in the edge band and of the whole alpha
EDGE = 5  # radius of the band, in pixels of the model
VALIDATION = "val_"  # sets that are measured on and never learnt from


@dataclass(frozen=True)
class Gated:
    """What an int8 file was measured at: means of absolute differences in 0..1, to fp32 and to the true alpha."""

    mean: float  # int8 to fp32
    edge_fp32: float  # to the truth, in the band along the edge
    edge_int8: float
    whole_fp32: float  # to the truth, everywhere: a haze shows here and not in the band
    whole_int8: float
    checked: int  # photos

    def check(self, name: str) -> None:
        """Refuse what does not pass.

        Raises
        ------
        ParityError
        """
        if self.mean > LARGEST_MEAN:
            raise ParityError(
                f"{name}: got a mean difference of {self.mean:.2g} to fp32, expected at most {LARGEST_MEAN:.2g}; "
                "not published, the CPU goes on with the other precisions"
            )
        for part, fp32, int8 in (
            ("edge", self.edge_fp32, self.edge_int8),
            ("whole", self.whole_fp32, self.whole_int8),
        ):
            if int8 > fp32 * (1 + LARGEST_LOSS):
                raise ParityError(
                    f"{name}: got an error of {int8:.4f} ({part} alpha), expected at most {LARGEST_LOSS:.0%} above the "
                    f"{fp32:.4f} of fp32; not published, the CPU goes on with the other precisions"
                )


def calibration_split(*folders: Path) -> tuple[list[Pair], list[Pair]]:
    """Pairs to calibrate with and pairs to check on, none in both, of all folders together.

    A folder is one set (`images/`, `alpha/`), every fourth pair of which is for checking, or holds several, of which
    those named val_... are.

    Raises
    ------
    DataError
        No pairs for one of the two.
    """
    learn: list[Pair] = []
    check: list[Pair] = []
    for folder in folders:
        if (folder / "images").is_dir():
            pairs = find_pairs(folder)
            learn += [p for i, p in enumerate(pairs) if i % 4]
            check += pairs[::4]
            continue
        for path in sorted(folder.glob("*")):
            if (path / "images").is_dir() and (path / "alpha").is_dir():
                (check if path.name.startswith(VALIDATION) else learn).extend(find_pairs(path))
    if not learn or not check:
        where = ", ".join(map(str, folders))
        raise DataError(
            f"{where}: got {len(learn)} pairs to calibrate with and {len(check)} to check on, expected some of both; "
            "give a set (images/ and alpha/), or a folder of sets with some named val_..."
        )
    return _spread(learn, CALIBRATION), _spread(check, CHECKED)


def _spread(pairs: list[Pair], count: int) -> list[Pair]:
    chosen = np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int)
    return [pairs[i] for i in chosen]


def quantise(path: Path, photos: list[U8]) -> ov.Model:
    """The served graph with fake quantisers, its interface unchanged, calibrated with inputs (1, S, S, 3).

    Made on OpenVINO's own graph: as ONNX with Q/DQ nodes OpenVINO 2026.4 rounds some products and concatenations to
    whole numbers, up to 0.03 from fp32 with a file that ONNX Runtime computes well. Activations are symmetric (NNCF's
    "performance" preset): with asymmetric ones every convolution behind a concatenation stays in fp32 on AMX. Weights
    take half the range, so that no sum of two products overflows 16 bits where there is no VNNI. What follows the last
    convolutions stays in fp32: an alpha in steps of 1/127 would be a haze over the whole picture.
    """
    os.environ.setdefault("NNCF_CI", "1")  # switches off its telemetry
    import nncf

    model = openvino_core().read_model(path)
    model.reshape({INPUT: [*photos[0].shape]})
    # The reader keeps the names of ONNX's nodes.
    kept = {node.get_friendly_name() for node in model.get_ops()} & set(_behind_convolutions(onnx.load(path)))
    quantised: ov.Model = nncf.quantize(
        model,
        nncf.Dataset(photos, lambda photo: {INPUT: photo}),
        subset_size=len(photos),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        ignored_scope=nncf.IgnoredScope(names=sorted(kept)),
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
    )
    return quantised


def _behind_convolutions(proto: onnx.ModelProto) -> list[str]:
    """Names of the nodes between the last convolutions and the output."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    found: dict[str, onnx.NodeProto] = {}
    todo = [value.name for value in proto.graph.output]
    while todo:
        node = makers.get(todo.pop())
        if node is not None and node.op_type != "Conv" and node.name not in found:
            found[node.name] = node
            todo += node.input
    return list(found)


def measure(fp32: CpuModel, int8: CpuModel, pairs: list[Pair]) -> Gated:
    """Both models on photos whose alpha is known, at the model's size and without its padding."""
    means = []
    edges = []
    wholes = []
    for pair in pairs:
        rgb, alpha = read_pair(pair)
        square, box = letterbox(rgb, fp32.size)
        true = without_padding(letterbox(np.dstack([alpha] * 3), fp32.size)[0], box)[..., 0]
        full, quick = (without_padding(model.run(square[None])[0, ..., 0], box) for model in (fp32, int8))
        band = edge_band(true, EDGE)
        means.append(_mean(quick, full))
        wholes.append([_mean(full, true), _mean(quick, true)])
        if band.any():
            edges.append([_mean(full[band], true[band]), _mean(quick[band], true[band])])
    if not edges:
        raise DataError(f"{pairs[0].alpha.parent}: got no alpha with an edge, expected subjects; choose other photos")
    edge, whole = (np.mean(found, axis=0).tolist() for found in (edges, wholes))
    return Gated(float(np.mean(means)), edge[0], edge[1], whole[0], whole[1], len(pairs))


def _mean(a: U8, b: U8) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean() / 255)


def publish_int8(model: Path, *folders: Path) -> Gated:
    """Put `model.int8.xml`, `.bin` beside `model` (<name>/1/model.onnx), and a promise into the contract, if it passes.

    The promise holds for this kind of CPU; `check_int8` extends it to others. `folders` are
    those of `calibration_split`.

    Raises
    ------
    ParityError
        It does not; what was published before stays as it is.
    DataError
        The photos cannot be used.
    """
    import openvino as ov  # after `matting_client.runtime`, which silences it

    learn, check = calibration_split(*folders)
    fp32 = CpuModel(model, precision="f32")
    quantised = quantise(model, [letterbox(read_rgb(pair.image), fp32.size)[0][None] for pair in learn])
    with staging_folder(model.parent, ".int8-") as trial_folder:
        trial = trial_folder / INT8_FILE
        ov.save_model(quantised, trial, compress_to_fp16=False)
        _compact(trial)
        found = measure(fp32, CpuModel(trial, precision="f32"), check)
        found.check(str(model.with_name(INT8_FILE)))
        for file in (trial.with_suffix(".bin"), trial):
            file.replace(model.with_name(file.name))
    _promise(model, {int8_kind(cpu_flags()): asdict(found)}, len(learn))
    return found


def _compact(file: Path) -> None:
    """Write an XML file again without the white space of its tags and the inner tensors' names: a fifth is saved."""
    tree = ElementTree.parse(file)
    for element in tree.iter():
        element.text, element.tail = (text if text and text.strip() else None for text in (element.text, element.tail))
        if element.get("names") not in (None, INPUT, OUTPUT):
            del element.attrib["names"]
    # ElementTree escapes ">" within texts: what is found here ends a tag.
    file.write_bytes(ElementTree.tostring(tree.getroot(), "utf-8", xml_declaration=True).replace(b" />", b"/>"))


def check_int8(model: Path, folder: Path) -> Gated:
    """Measure the int8 file that lies beside `model` on this CPU, and have the contract vouch for it here if it passes.

    Raises
    ------
    ParityError
        It does not: the contract vouches for it on this kind of CPU no longer.
    DataError
        The photos cannot be used, or there is no such file that the contract knows.
    """
    file = model.with_name(INT8_FILE)
    kind = int8_kind(cpu_flags())
    promise = json.loads((model.parents[1] / CONTRACT_FILE).read_text(encoding="utf-8")).get("int8", {})
    if not file.is_file() or promise.get("sha256") != int8_digest(model):
        raise DataError(f"{file}: got no int8 model that the contract knows; run matting export int8 without --check")
    found = measure(CpuModel(model, precision="f32"), CpuModel(file, precision="f32"), calibration_split(folder)[1])
    cpus = {cpu: row for cpu, row in promise.get("cpus", {}).items() if cpu != kind}
    try:
        found.check(str(file))
        cpus[kind] = asdict(found)
    finally:
        _promise(model, cpus, promise["calibrated"])
    return found


def _promise(model: Path, cpus: dict[str, Any], calibrated: int) -> None:
    file = model.parents[1] / CONTRACT_FILE
    contract = json.loads(file.read_text(encoding="utf-8"))
    contract["int8"] = {"sha256": int8_digest(model), "calibrated": calibrated, "cpus": cpus}
    write_contract(file, contract)
