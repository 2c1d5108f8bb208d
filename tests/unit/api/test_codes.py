"""Codes of errors: documented, and the same in the client, in the API and on the page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import matting_api
import pytest
from matting_api.errors import translate
from matting_client import MattingError
from matting_ui.context import page_error

from tests.unit.api.test_contract import DOCUMENT


def codes() -> Iterator[str]:
    """Every code of an error that our source spells out whole."""
    for path in Path(matting_api.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                place = {"bad_request": 0, "ApiError": 1}.get(call.func.id)
                if place is not None and len(call.args) > place and isinstance(call.args[place], ast.Constant):
                    yield call.args[place].value


def kinds_of(kind: type[MattingError]) -> Iterator[type[MattingError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from kinds_of(each)


CLIENT_ERRORS = [kind for kind in kinds_of(MattingError) if kind.__module__ == MattingError.__module__]


@pytest.mark.parametrize("kind", CLIENT_ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_of_the_client_has_one_code_everywhere(kind: type[MattingError]) -> None:
    """In the answer and on the page, whose title of an error is its code."""
    answer = translate(kind("a", "b"), 7)
    assert (answer.code, page_error(kind("a", "b"), None).title) == (kind.code, kind.code)
    assert ("Retry-After" in answer.headers) == (answer.status == 503)


def test_every_code_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = {*codes(), *(kind.code for kind in CLIENT_ERRORS)}
    assert len(found) >= 30
    assert [code for code in sorted(found) if f"`{code}`" not in text] == []
