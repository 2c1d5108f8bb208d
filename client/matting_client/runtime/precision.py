"""Which precision a model is computed in on this CPU, and whether an int8 model may stand in for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from matting_client.repository import INT8_FILE, contract_file

Precision = Literal["auto", "int8", "bf16", "f32"]
CPUINFO = Path("/proc/cpuinfo")
VNNI = {"avx512_vnni", "avx_vnni"}


def cpu_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """What the CPU calls its features; empty where that cannot be told."""
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as lines:
            line = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return frozenset()
    return frozenset(line.partition(":")[2].split())


def best_precision(flags: frozenset[str], has_int8: bool) -> Literal["int8", "bf16", "f32"]:
    """The precision for a CPU with these flags, by measurement (docs/decisions/precision.md).

    On AMX, bf16 and int8 are both 2.5 to 2.8 times as fast as fp32, but bf16 costs nothing of the alpha and int8 one to
    two per cent of the edge's precision. Without AMX, bf16 is slower than fp32, and int8 is 2.3 times as fast with VNNI
    and 1.5 to 1.8 times with AVX2 alone.
    """
    if "amx_bf16" in flags:
        return "bf16"
    return "int8" if has_int8 else "f32"


def int8_kind(flags: frozenset[str]) -> Literal["amx", "vnni", "avx2", "other"]:
    """The kind of CPU that an int8 model has passed on: OpenVINO has other code for each."""
    if "amx_int8" in flags:
        return "amx"
    if flags & VNNI:
        return "vnni"
    return "avx2" if "avx2" in flags else "other"


def int8_digest(model: Path) -> str:
    """Hexadecimal SHA-256 of an ONNX file, then its int8 form beside it (.xml) and the weights of that (.bin).

    All three, so that int8 of other weights never stands in for an ONNX file that somebody has put there by hand.

    Raises
    ------
    OSError
        One of them cannot be read.
    """
    int8 = model.with_name(INT8_FILE)
    digest = hashlib.sha256()
    for part in (model, int8, int8.with_suffix(".bin")):
        digest.update(part.read_bytes())
    return digest.hexdigest()


def gated_int8(path: Path) -> Path | None:
    """The int8 model beside an ONNX file where the contract vouches for it on this kind of CPU; else None.

    `matting export int8` writes both once the model has passed its gates; publishing other weights ends the promise.
    """
    file = path.with_name(INT8_FILE)
    try:
        contract = json.loads(contract_file(path.resolve().parent).read_text(encoding="utf-8"))
        promise = contract["int8"]
        same = int8_kind(cpu_flags()) in promise["cpus"] and int8_digest(path) == promise["sha256"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return file if same else None
