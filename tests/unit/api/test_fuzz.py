"""Requests that schemathesis makes up from /openapi.json, valid and broken, are answered as it says, never by a 500.

A longer run:  MATTING_FUZZ_CASES=2000 .venv/bin/python -m pytest tests/unit/api/test_fuzz.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.api.conftest import Serve

ROOT = Path(__file__).resolve().parents[3]
CASES = int(os.environ.get("MATTING_FUZZ_CASES", "200"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
PHOTO_ENDPOINTS = 3  # the others have nothing to make up
SYSTEMATIC = 1000 if CASES >= 2000 else 0  # about as many cases has schemathesis' systematic part, for long runs only


def test_made_up_requests(serve: Serve, tmp_path: Path) -> None:
    api = serve(max_upload_mb=4, max_pixels=2_000_000)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{api.base_url}/openapi.json"]
    phases = "examples,coverage,fuzzing" if SYSTEMATIC else "examples,fuzzing"
    options = ["--checks", f"{CHECKS},unsupported_method", "--phases", phases, "--continue-on-failure"]
    amount = [
        "--max-examples",
        str((CASES - SYSTEMATIC) // PHOTO_ENDPOINTS),
        "--seed",
        "1",
        "--generation-database",
        "none",
    ]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.unit.api.fuzz_hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *options, *amount, "--no-color"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60 + CASES,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"Test cases:\s+(\d+) generated", done.stdout)
    assert found and int(found[1]) >= CASES, done.stdout
    # They reached the model, and did not all end at the first check.
    told = api.get("/metrics").text
    assert (
        re.search(r"matting_photos_total [1-9]\d", told) and 'matting_failures_total{code="invalid_parameter"}' in told
    )
