"""Options refuse every value they cannot have; presets are data."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matting_client.errors import MattingError, OptionError, shown
from matting_client.options import Options, parse_colour, presets

BAD: list[dict[str, Any]] = [
    {"format": "bmp"},
    {"format": "PNG"},
    {"format": ""},
    {"quality": 0},
    {"quality": 101},
    {"quality": "high"},
    {"quality": None},
    {"alpha_threshold": -1},
    {"alpha_threshold": 51},
    {"alpha_threshold": True},
    {"erode": -5.1},
    {"erode": 5.1},
    {"erode": float("nan")},
    {"erode": float("inf")},
    {"background": "greenish"},
    {"background": "#12"},
    {"background": ""},
    {"background": "#11223344"},
    {"background": "rgba(1,2,3,0.5)"},
    {"alpha_only": True, "format": "jpeg"},
    {"alpha_only": True, "format": "webp"},
    *({"roi": text} for text in ("", "0 0 0 10", "0 0 10", "0% 0% 101% 100%", "50% 0 50% 9", "a b c d", "-1 0 9 9", 7)),
    *({"crop_margin": text} for text in ("", "501px", "51%", "1 2 3", "1 2 3 4 5", "1em", "-1px", "1e2", "nan%", None)),
    *({"scale": text} for text in ("", "9%", "101%", "50", "50px", "50% 50%", "big", 0.5, None)),
    *({"position": text} for text in ("", "101%", "5px", "1% 2% 3%", "middle", 0.5)),
    *({"size": text} for text in ("", "0", "0px", "0.0MP", "0.0000001MP", "10%", "-5px", "large", None, 5)),
    *({name: np.zeros((40, 40, 3))} for name in ("background", "quality", "format", "crop", "size", "shadow")),
    {"background": "a\n" * 999},
    {"quality": 10**5000},
]


@pytest.mark.parametrize("values", BAD, ids=shown)
def test_bad_values(values: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"got .* expected") as caught:
        Options(**values)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250
    assert "expected a text" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, MattingError)
    with pytest.raises(OptionError):
        Options().with_changes(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"quality": 1},
        {"quality": 100},
        {"alpha_threshold": 50},
        {"erode": 5},
        {"erode": 0.5},
        {"erode": -5},
        {"roi": "0 0 1px 100%"},
        {"crop_margin": "500px 50%"},
        {"crop_margin": "0 1px 2% 3"},
        {"scale": "10%"},
        {"scale": "100%"},
        {"position": "0% 100%"},
        {"position": "33.3%"},
        {"position": "center"},
        {"size": "1"},
        {"size": "0.25mp"},
        {"size": "50MP"},
    ],
)
def test_the_ends_of_the_ranges_are_allowed(values: dict[str, Any]) -> None:
    for name, value in values.items():
        assert getattr(Options(**values), name) == value


def test_jpg_means_jpeg() -> None:
    assert Options(format="jpg") == Options(format="jpeg")


def test_the_alpha_of_any_result_is_a_png() -> None:
    made = Options(format="jpeg", max_kb=300, canvas="800x800", background="blur", dpi=72).for_alpha()
    assert (made.alpha_only, made.format, made.max_kb, made.canvas) == (True, "png", None, "800x800")


def test_options_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Options().erode = 3  # type: ignore[misc]


def test_the_text_of_a_path_is_none() -> None:
    with pytest.raises(OptionError, match=r"background: got 'a.JPG', expected a Path .*; use Path\('a.JPG'\)"):
        Options(background="a.JPG")


def test_a_path_is_a_background() -> None:
    assert Options(background=Path("wall.jpg")).background == Path("wall.jpg")


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#ffffff", (255, 255, 255)),
        ("0a0B0c", (10, 11, 12)),
        ("#f80", (255, 136, 0)),
        ("f80", (255, 136, 0)),
        ("white", (255, 255, 255)),
        ("CornflowerBlue", (100, 149, 237)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
    ],
)
def test_colours(text: str, colour: tuple[int, int, int]) -> None:
    assert parse_colour(text) == colour


@pytest.mark.parametrize(
    "text",
    [
        *("", "#", "#ggg", "#1234", "#12345", "#1234567", "no colour", "x" * 500),
        *("rgb(256, 0, 0)", "rgb(120%, 0%, 0%)", "hsl(120, 100%, 150%)", "hsv(10, 300%, 100%)"),
    ],
)
def test_no_colours(text: str) -> None:
    with pytest.raises(OptionError, match=r"^background: got "):
        parse_colour(text)


def test_presets_are_complete_and_valid() -> None:
    assert list(presets()) == ["id-photo", "product", "avatar", "complex-background"]
    for name, preset in presets().items():
        assert preset.name == name
        for text in (preset.title, preset.description):
            assert set(text) == {"en", "zh"}
            assert all(text.values())
        options = Options.from_preset(name)
        assert all(getattr(options, key) == value for key, value in preset.options.items())


PUBLISHED = {  # the settings by purpose that users of this kind of tool are told: format, threshold, erode, feather
    "id-photo": ("jpeg", "#ffffff", (15, 20), (2, 3), None),
    "product": ("png", None, (10, 10), (1, 1), True),
    "avatar": (None, None, (5, 10), (0, 1), True),
    "complex-background": (None, None, (20, 30), (2, 3), None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_are_what_users_know(name: str) -> None:
    options = Options.from_preset(name)
    format, background, threshold, erode, feather = PUBLISHED[name]
    assert format in (None, options.format)
    assert options.background == background
    assert threshold[0] <= options.alpha_threshold <= threshold[1]
    assert erode[0] <= options.erode <= erode[1]
    assert feather in (None, options.feather)


def test_no_two_presets_are_the_same() -> None:
    assert len({Options.from_preset(name) for name in presets()}) == len(presets())


def test_overrides_win_over_a_preset() -> None:
    options = Options.from_preset("id-photo", background="#00ff00", erode=0)
    assert (options.background, options.erode, options.format) == ("#00ff00", 0, "jpeg")


def test_unknown_presets_and_options() -> None:
    with pytest.raises(OptionError, match="got 'passport', expected one of id-photo, product"):
        Options.from_preset("passport")
    with pytest.raises(OptionError, match="unknown option 'feathers'"):
        Options.from_preset("avatar", feathers=True)
