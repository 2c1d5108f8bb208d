"""A keys file that changes while the server runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from matting_api.configuration import read_settings
from matting_api.main import parser
from matting_api.middleware import guesses, keys
from matting_api.middleware.keys import Keys, all_keys

from tests.unit.api.conftest import Serve
from tests.unit.api.test_gate import KEY, OTHER
from tests.unit.api.test_removebg import post

NEW = "abcdefghijklmnop"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The file is looked at with every request."""
    monkeypatch.setattr(keys, "CHECK_SECONDS", 0.0)
    caplog.set_level(logging.INFO, "matting")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"{KEY}\n", encoding="utf-8-sig")
    return path


def test_a_key_that_is_taken_out_is_refused(
    serve: Serve, portrait: bytes, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guesses, "DELAY_SECONDS", 0.0)
    monkeypatch.setenv("MATTING_API_KEYS", OTHER)
    settings = read_settings(parser().parse_args(["--keys-file", str(file)]))
    api = serve(keys=settings.keys, keys_file=settings.keys_file)
    statuses = lambda: [post(api, portrait, {"X-Api-Key": each}).status_code for each in (KEY, NEW, OTHER)]  # noqa: E731
    assert statuses() == [200, 403, 200]
    file.write_text(f"{KEY}\n{NEW}\n")
    assert statuses() == [200, 200, 200]
    file.write_text(f"{NEW}\n")
    assert statuses() == [403, 200, 200]
    said = [line for line in caplog.messages if str(file) in line]
    assert said == [f"{file} has changed: {count} keys are valid now" for count in (3, 2)]


def test_a_broken_file_changes_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = Keys(all_keys(file), file)
    for break_it in (lambda: file.write_text("short"), lambda: file.write_text(""), file.unlink):
        break_it()
        for _ in range(3):
            assert found.find(KEY) and not found.find(NEW)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 3  # one for each
    for record in errors:
        assert record.message.startswith(str(file)) and "the keys from before stay valid" in record.message
        assert KEY not in record.message
    other = file.with_name("new")
    other.write_text(NEW)
    other.rename(file)
    assert found.find(NEW) and not found.find(KEY)


def test_what_cannot_be_read_once_is_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the process has no descriptor left: the file looks the same afterwards."""
    found = Keys(all_keys(file), file)
    assert found.find(KEY)
    file.write_text(NEW)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(OSError(24, "Too many open files")))
        assert found.find(KEY)
    assert found.find(NEW) and not found.find(KEY)


def test_a_change_before_the_first_request_counts(file: Path) -> None:
    found = Keys(all_keys(file), file)
    file.write_text(NEW)
    assert found.find(NEW) and not found.find(KEY)


def test_it_is_looked_at_once_in_a_while(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And read only where it looks different."""
    reads: list[object] = []
    monkeypatch.setattr(keys, "all_keys", lambda path: reads.append(path) or all_keys(path))
    found = Keys(all_keys(file), file)
    for _ in range(5):
        assert found.find(KEY)
    assert len(reads) == 1
    os.utime(file, (0, 0))
    monkeypatch.setattr(keys, "CHECK_SECONDS", 600.0)
    for _ in range(5):
        assert found.find(KEY)
    assert len(reads) == 2
    file.write_text(NEW)
    assert found.find(KEY)
