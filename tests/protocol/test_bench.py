"""`matting bench --quick` measures everything it promises; how fast is not asked here."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matting_bench.load import call_from_threads
from matting_bench.main import QUICK, _agreement
from matting_bench.report import BARS
from matting_bench.server_process import Server, free_ports
from PIL import Image

from tests.protocol.serving import ROOT

PARTS = {"engines", "gemm", "cold_start", "split", "client", "transports", "sweep", "folder", "instances", "memory"}


def test_quick_bench_is_complete(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "matting_bench.main", "--quick", "-o", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert found.keys() >= PARTS | {"ratios", "machine", "command", "model", "peer", "perf_analyzer"}
    assert found["ratios"].keys() == BARS.keys()
    not_here = {"over_isnet"} | ({"int8_over_fp32"} if "OpenVINO int8" not in found["engines"]["seconds"] else set())
    for name, value in found["ratios"].items():
        assert (value is None) == (name in not_here), name
        assert value is None or math.isfinite(value), name
    assert found["machine"]["versions"]["openvino"] and found["machine"]["cores"] >= 1
    assert found["sweep"][-1]["concurrency"] == 8
    assert all(row["latencies"] and row["p50"] <= row["p95"] <= row["p99"] for row in found["sweep"])
    assert set(found["split"]["ms"]) == {
        "decode", "letterbox", "infer", "refine", "foreground", "compose", "encode", "queue"
    }  # fmt: skip
    assert [row["instances"] for row in found["instances"]] == [1, 2]
    table = (tmp_path / "out" / "bench.md").read_text()
    assert all(f"`{name}`" in table for name in BARS)
    for name in ("load", "split", "memory"):
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            assert np.array(picture.convert("L")).std() > 1


def test_wrong_usage_says_what_to_do(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "matting_client.cli.main",
        "bench",
        "--quick",
        "--peer",
        str(tmp_path / "none.onnx"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "got no such file, expected an ONNX model" in done.stderr


def test_a_perf_analyzer_that_gives_up_costs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "perf_analyzer"
    program.write_text("#!/bin/sh\necho Failed to obtain stable measurement. >&2\nexit 1\n")
    program.chmod(0o755)
    with Server(ROOT / "model_repository", "matting_512") as server:
        assert _agreement(program, server, QUICK) is None
    assert "Failed to obtain stable measurement.; going on without it" in capsys.readouterr().err


def test_a_load_counts_what_was_done() -> None:
    calls: list[int] = []
    load = call_from_threads(lambda number: calls.append(number) or sum(range(20_000)), 3, 0.3)  # type: ignore[func-returns-value]
    assert set(calls) == {0, 1, 2}
    assert len(load.latencies) == len(calls) - 3  # the first round is not measured
    assert load.rate > 0 and load.percentile(50) <= load.percentile(99)


def test_a_caller_that_fails_ends_the_load() -> None:
    def call(number: int) -> None:
        if number == 1:
            raise ValueError("broken")

    try:
        call_from_threads(call, 3, 5.0)
    except ValueError as error:
        assert str(error) == "broken"
    else:
        raise AssertionError("the load went on")


def test_no_connection_takes_a_port_that_was_found_free() -> None:
    ports = free_ports(20) + free_ports(20)
    chosen_by_the_kernel_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == 40
    assert max(ports) < chosen_by_the_kernel_from
