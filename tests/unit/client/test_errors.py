"""Errors have fields, one line of text, and travel between processes; every public name can be had."""

from __future__ import annotations

import doctest
import pickle
from collections.abc import Callable
from pathlib import Path

import matting_client
import pytest
from matting_client import (
    InputError,
    Limits,
    MattingError,
    OptionError,
    Options,
    OutputError,
    ServerUnavailable,
    TooLarge,
)
from matting_client import errors as errors_module
from matting_client.imaging.decode import decode, read
from matting_client.imaging.encode import write

from tests.unit.client.pictures import astronaut, file_of


@pytest.mark.parametrize("name", matting_client.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(matting_client, name).__name__ == name


def test_the_examples() -> None:
    assert doctest.testmod(errors_module).failed == 0


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MattingError("a", "b", "c", "d"), "a: got b, expected c; d"),
        (MattingError("a", "b"), "a: got b"),
        (MattingError("", "b", "c"), "got b, expected c"),
        (MattingError("a", "b", remedy="d"), "a: got b; d"),
        (MattingError("a", problem="is wrong", remedy="d"), "a: is wrong; d"),
        (MattingError("a", problem="is wrong"), "a: is wrong"),
    ],
)
def test_the_line_of_the_fields(error: MattingError, text: str) -> None:
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), text, vars(error))


def test_replaced_fields() -> None:
    error = OptionError("--port 80", "x", "y")
    error = error.replace(remedy="z")
    assert (str(error), error.option) == ("--port 80: got x, expected y; z", "port")
    assert str(error.about("a.jpg")) == "a.jpg: --port 80: got x, expected y; z"
    named = InputError("a.jpg", "x")
    assert named.about("a.jpg") is named
    gone = ServerUnavailable("u:1", problem="x")
    gone.answered = True
    assert pickle.loads(pickle.dumps(gone)).answered and gone.about("a.jpg").answered


@pytest.mark.parametrize(
    ("values", "got"),
    [
        ({"format": "bmp"}, "'bmp'"),
        ({"quality": 0}, "0"),
        ({"alpha_threshold": 51}, "51"),
        ({"erode": 9.0}, "9.0"),
        ({"crop_margin": "much"}, "'much'"),
        ({"roi": "all"}, "'all'"),
        ({"scale": "2"}, "'2'"),
        ({"position": "left"}, "'left'"),
        ({"size": "huge"}, "'huge'"),
        ({"background": "greenish"}, "'greenish'"),
    ],
    ids=str,
)
def test_an_options_error_says_which_option(values: dict[str, str], got: str) -> None:
    with pytest.raises(OptionError) as caught:
        Options(**values)  # type: ignore[arg-type]
    error = caught.value
    assert (error.option, error.subject, error.got) == (next(iter(values)),) * 2 + (got,)
    assert error.expected


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(OptionError) as caught:
        Options.from_preset("product", feathers=True)
    assert caught.value.option == "feathers"


PNG = file_of(astronaut(20, 30), "PNG")


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (lambda folder: decode(PNG, "a", Limits(max_pixels=10)), TooLarge),
        (lambda folder: decode(PNG, "a", Limits(max_bytes=10)), TooLarge),
        (lambda folder: decode(b"", "a"), InputError),
        (lambda folder: decode(b"text", "a"), InputError),
        (lambda folder: decode(PNG[:200], "a"), InputError),
        (lambda folder: read(folder / "none.png"), InputError),
        (lambda folder: write(folder / ("x" * 300), b""), OutputError),
    ],
)
def test_kinds_and_fields(fail: Callable[[Path], object], kind: type[MattingError], tmp_path: Path) -> None:
    with pytest.raises(MattingError) as caught:
        fail(tmp_path)
    error = caught.value
    assert type(error) is kind
    assert error.subject.startswith(("a", str(tmp_path)))
    assert error.remedy
    assert error.problem or (error.got and error.expected)
