"""What is told of a program that never became ready."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import Any

import pytest
from matting_server import pulse
from matting_server.errors import ServeError, SetupError
from matting_server.managed_process import Listeners, Program, Service

from tests.unit.server.test_service import SLEEP


def failure_of(code: str, **options: Any) -> Exception:
    """Why a Python program that answers nothing was given up."""
    program = Program("the program", [sys.executable, "-c", code], dict(os.environ), lambda: False, **options)
    service = Service(program, Listeners(lambda line: None, lambda line: None))
    service.start()
    try:
        deadline = time.monotonic() + 30
        while service.failure is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return service.failure
    finally:
        service.stop(5)


def test_first_death_says_why() -> None:
    failure = failure_of("import sys; print('no such model'); sys.exit(3)")
    assert isinstance(failure, ServeError)
    assert str(failure) == "the program ended with exit code 3 before it was ready: no such model"


def test_never_ready_is_a_death(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "HANG_SECONDS", 0.3)
    failure = failure_of(SLEEP, start_seconds=0.2)
    assert re.fullmatch(r"the program was not ready after \d+ s", str(failure))


@pytest.mark.parametrize("usage_code", [2, None])
def test_a_setting_that_cannot_be_is_the_users_to_put_right(usage_code: int | None) -> None:
    """It is told as the program tells it, with its exit code."""
    code = "import sys; print('loading'); print('matting ui: $MATTING_API_RATE: got x'); sys.exit(2)"
    failure = failure_of(code, usage_code=usage_code)
    assert isinstance(failure, SetupError) is (usage_code == 2)
    if usage_code:
        assert str(failure) == "$MATTING_API_RATE: got x"


_NOTE = "I1129 09:00:00.123456 77 server.cc:676] started"
_CUDA = "E1129 09:00:00.123456 77 cuda_driver.cc:12] CudaDriverHelper has not been initialized."
_ERROR = "E1129 09:00:00.123456 77 model.cc:12] no such file"
_STUB = "E1129 09:00:00.123456 77 model.cc:12] Stub process 'matting_512_0_0' is not healthy."
_MEMORY = "perhaps of too little memory; free some, or raise the limit (ulimit -v, the container's)"


@pytest.mark.parametrize(
    ("lines", "ending", "reason"),
    [
        ([_ERROR, _CUDA, _NOTE, "error: creating server"], "sys.exit(1)", _ERROR),
        ([_CUDA, _NOTE, "error: creating server"], "sys.exit(1)", "error: creating server"),
        ([_CUDA, _NOTE], "os.abort()", _MEMORY),
        ([_CUDA], "os.kill(os.getpid(), 9)", _MEMORY),
        ([_NOTE], "os.kill(os.getpid(), 11)", _MEMORY),
        ([_NOTE, "  what():  bad", _CUDA], "os.abort()", _MEMORY.replace("memory;", "memory (what():  bad);")),
        ([_ERROR, "  what():  bad"], "os.abort()", _ERROR),
        ([_STUB], "sys.exit(1)", _MEMORY.replace("memory;", f"memory ({_STUB});")),
    ],
)
def test_the_reason_is_none_of_the_notes(lines: list[str], ending: str, reason: str) -> None:
    code = f"import os, sys; print(*{lines!r}, sep='\\n', flush=True); {ending}"
    failure = failure_of(code)
    assert str(failure).partition(" before it was ready: ")[2] == reason
