"""JSON, forms and base64 that are small as bytes and large as objects."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from matting_api.errors import ApiError
from matting_api.request import body, texts
from matting_api.request.texts import MAX_FIELDS, MAX_VALUES, fields_of_form, fields_of_json, parse_json

from tests.unit.api.conftest import error
from tests.unit.api.test_removebg import PATH

MB = 2**20
JSON = {"Content-Type": "application/json"}
PACKED = {**JSON, "Content-Encoding": "gzip"}


def peak(work: Callable[[], object]) -> int:
    """Most bytes of Python's memory that something takes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": [' + b"[]," * MAX_VALUES + b"0]}",
        b'{"a": ' + b'{"":' * MAX_VALUES + b"0" + b"}" * MAX_VALUES + b"}",
        b"[" * (MAX_VALUES + 1),
        b'{"a": [' + b"1," * MAX_VALUES + b"0]}",
    ],
    ids=["lists", "objects", "depth", "numbers"],
)
def test_json_of_many_values_is_refused_before_it_is_read(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    monkeypatch.setattr(texts, "json", SimpleNamespace(loads=lambda _: pytest.fail("it was read")))
    answer = api.post(PATH, content=gzip.compress(text), headers=PACKED)
    assert (answer.status_code, error(answer)["code"]) == (400, "invalid_json")
    assert f"more than {MAX_VALUES:,} values" in error(answer)["detail"]


def test_who_reads_json_says_how_many_values() -> None:
    urls = json.dumps({"urls": [f"https://host/{number}.jpg" for number in range(1000)]}).encode()
    assert len(parse_json(urls, 3000)["urls"]) == 1000
    with pytest.raises(ApiError, match="more than 1,000 values"):
        parse_json(urls, 1000)


@pytest.mark.parametrize("kind", ["json", "data"])
def test_fields_are_counted(api: httpx.Client, kind: str) -> None:
    many = {f"a{number}": "0" for number in range(MAX_FIELDS + 1)}
    answer = api.post(PATH, **{kind: many})
    assert (answer.status_code, error(answer)["title"]) == (400, "Too many fields")
    assert error(answer)["code"] == ("invalid_json" if kind == "json" else "invalid_form")
    assert len(fields_of_json(json.dumps(dict(list(many.items())[1:])).encode())) == MAX_FIELDS


@pytest.mark.parametrize("kind", ["json", "data"])
def test_no_text_hides_what_is_read_later(api: httpx.Client, kind: str) -> None:
    """`points` is JSON in itself, whose signs JSON and forms may write in another way."""
    points = "[" + "[]," * 30_000 + "[]]"
    if kind == "json":
        hidden = points.replace(",", "\\u002c").replace("[", "\\u005b")
        answer = api.post(PATH, content=f'{{"points": "{hidden}"}}', headers=JSON)
    else:
        answer = api.post(PATH, data={"points": points})
    assert (answer.status_code, error(answer)["title"]) == (400, "Parameter too long")


def test_as_many_points_as_there_may_be_pass() -> None:
    points = json.dumps([{"x": 1000.5, "y": 1000.5, "keep": False, "radius": 10.5}] * 200)
    assert fields_of_json(json.dumps({"points": points}).encode()) == [("points", points)]


@pytest.mark.parametrize("piece", [3, 4, 5, 2**16])
def test_forms_are_read_as_everybody_reads_them(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(texts, "_PIECE", piece)
    given = [("a", "é+/= %"), ("b", ""), ("日本", "語&=%zz"), ("c", "x" * 20)]
    for text in (urlencode(given), "a=%4&b=%&c&&=x&d=%e9+%2B%41%", "", "=", "a=b=c", "a=é"):
        expected = parse_qsl(text, keep_blank_values=True)
        assert fields_of_form(text.encode()) == expected


@pytest.mark.parametrize("unit", [b"%41", b"a\xff", b"a+"], ids=["escapes", "other bytes", "spaces"])
def test_a_form_takes_little_more_memory_than_its_text(unit: bytes) -> None:
    data = b"image_file_b64=%41" + unit * (MB // len(unit))
    assert peak(lambda: fields_of_form(data)) < 10 * MB


@pytest.mark.parametrize("unit", [b"A ", b"AAA\n"])
def test_base64_takes_little_more_memory_than_its_text(unit: bytes) -> None:
    data = unit * (MB // len(unit))
    assert peak(lambda: body._decode(data)) < 4 * MB


@pytest.mark.parametrize("letter", ["\ud800", "\N{GRINNING FACE}", "é"])
def test_base64_of_other_letters_is_none(api: httpx.Client, letter: str) -> None:
    """In memory one of them makes a text up to four times as long; it is refused before it waits."""
    as_json = api.post(PATH, content=json.dumps({"image_file_b64": "AAAA" + letter}), headers=JSON)
    as_form = api.post(PATH, data={"image_file_b64": "AAAA" + letter.encode(errors="replace").decode()})
    for answer in (as_json, as_form):
        assert (answer.status_code, error(answer)["code"]) == (400, "invalid_image_file_b64")


@pytest.mark.parametrize("fields", [{"\ud800": "a"}, {"format": "\ud800"}, {"bg_color": "\udfff"}])
def test_half_a_surrogate_pair_is_a_callers_fault(api: httpx.Client, fields: dict[str, str]) -> None:
    answer = api.post(PATH, content=json.dumps({"image_file_b64": "AAAA", **fields}), headers=JSON)
    assert answer.status_code == 400 and "?" in error(answer)["detail"]
