"""What shops ask of the pictures of goods: options that make one, and rules that tell whether a result is one."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from matting_client.cutout import WHITE, Cutout
from matting_client.errors import OptionError
from matting_client.files import Encoded
from matting_client.options import Options, parse_colour
from matting_client.processing import BACKDROPS, subject_box
from matting_client.types import Alpha, Image

Words = dict[str, str]
SENTENCES: dict[str, Words] = {
    "en": {
        "least": "{what}: got {value} {unit}, expected at least {limit}",
        "most": "{what}: got {value} {unit}, expected at most {limit}",
        "side": "the longer side",
        "file": "the file",
        "fill": "the subject fills",
        "empty": "got a picture without a subject",
        "enlarged": "the subject was enlarged {times} times; take a larger photo",
        "square": "got {width}x{height} pixels, expected a square",
        "format": "got {got}, expected {expected}",
        "or": " or ",
        "white": "got a background that is not pure white, expected #ffffff all around",
    },
    "zh": {
        "least": "{what}为 {value} {unit}，要求至少 {limit}",
        "most": "{what}为 {value} {unit}，要求最多 {limit}",
        "side": "长边",
        "file": "文件",
        "fill": "主体占比",
        "empty": "图中没有主体",
        "enlarged": "主体被放大 {times} 倍，请换用更大的照片",
        "square": "尺寸为 {width}x{height}，要求正方形",
        "format": "格式为 {got}，要求 {expected}",
        "or": " 或 ",
        "white": "背景不是纯白，要求四周为 #ffffff",
    },
}
ENLARGED = 1.5  # a subject that is drawn larger than this looks soft


@dataclass(frozen=True)
class Rules:
    """What a shop accepts; None or False asks nothing.

    Attributes
    ----------
    white : every corner and edge of the picture is pure white.
    square : as wide as it is high.
    least_fill, most_fill : 0..1, the share of the picture's width or height, whichever is more, that the subject takes.
    least_side, most_side : pixels along the longer side.
    most_kb : units of 1,000 bytes.
    formats : what the file may be.
    """

    white: bool = False
    square: bool = False
    least_fill: float | None = None
    most_fill: float | None = None
    least_side: int | None = None
    most_side: int | None = None
    most_kb: int | None = None
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Template:
    """A shop's name in English and Chinese, the options that make its pictures, and its rules.

    The rules are those that the shops published when the file was written; a shop may change them at any time.
    """

    name: str
    title: dict[str, str]
    options: dict[str, Any]
    rules: Rules

    def values(self, **overrides: Any) -> dict[str, Any]:
        """Its options by name, some of them replaced; a PNG has one size, of which `broken_rules` may tell."""
        largest = {"max_kb": None} if overrides.get("format") == "png" else {}
        return {**self.options, **largest, **overrides}

    def make(self, **overrides: Any) -> Options:
        """Its options, some of them replaced.

        Raises
        ------
        OptionError
            No such option, or a value out of range.
        """
        return Options.of(self.values(**overrides))


@lru_cache
def templates() -> dict[str, Template]:
    """The templates by name, in the order to show them."""
    found = json.loads(files("matting_client").joinpath("templates.json").read_text(encoding="utf-8"))
    return {
        name: Template(
            name, each["title"], each["options"], Rules(**{**each["rules"], "formats": (*each["rules"]["formats"],)})
        )
        for name, each in found.items()
    }


def template(name: str) -> Template:
    """One of the templates.

    Raises
    ------
    OptionError
        No template has that name.
    """
    if name not in templates():
        raise OptionError("template", f"{name!r}", f"one of {', '.join(templates())}")
    return templates()[name]


def broken_rules(template: Template, cutout: Cutout, result: Encoded, language: str = "en") -> tuple[str, ...]:
    """What a shop would object to, a sentence each; nothing where all is well.

    Parameters
    ----------
    cutout : what the result was made of.
    result : `cutout.encode()`.
    language : "en" or "zh".
    """
    rules = template.rules
    words = SENTENCES[language]
    width, height = result.size
    pha = _shown_alpha(cutout)
    found = [
        _outside(words, "side", max(width, height), rules.least_side, rules.most_side, "px"),
        _outside(words, "file", math.ceil(len(result.data) / 1000), None, rules.most_kb, "kB"),
        _fill(words, pha, rules),
        _enlarged(words, cutout),
    ]
    if rules.square and width != height:
        found.append(words["square"].format(width=width, height=height))
    if rules.formats and cutout.options.format not in rules.formats:
        found.append(words["format"].format(got=cutout.options.format, expected=words["or"].join(rules.formats)))
    if rules.white and not _is_on_white(cutout, pha):
        found.append(words["white"])
    return tuple(each for each in found if each)


def _outside(words: Words, what: str, value: float, least: float | None, most: float | None, unit: str) -> str:
    for name, limit, is_broken in (
        ("least", least, least is not None and value < least),
        ("most", most, most is not None and value > most),
    ):
        if is_broken:
            return words[name].format(what=words[what], value=f"{value:.0f}", unit=unit, limit=f"{limit:.0f}")
    return ""


def _shown_alpha(cutout: Cutout) -> Alpha:
    """Alpha (h, w) of what the result shows, without a shadow; no colour is made for it."""
    return cutout.with_options(cutout.options.for_alpha()).render()


def _fill(words: Words, pha: Alpha, rules: Rules) -> str:
    """The subject alone counts, without its shadow."""
    box = subject_box(pha)
    if box is None:
        return words["empty"]
    share = 100 * max(box.width / pha.shape[1], box.height / pha.shape[0])
    least, most = (None if each is None else 100 * each for each in (rules.least_fill, rules.most_fill))
    return _outside(words, "fill", round(share), least, most, "%")


def _enlarged(words: Words, cutout: Cutout) -> str:
    times = cutout.enlargement
    return words["enlarged"].format(times=f"{times:.1f}") if times > ENLARGED and not cutout.is_empty else ""


def _is_on_white(cutout: Cutout, pha: Alpha) -> bool:
    options = cutout.options
    if options.background is None:
        return options.format == "jpeg"
    colour = isinstance(options.background, str) and options.background not in BACKDROPS
    if colour and options.shadow == "none" and not _border(pha).any():
        return parse_colour(str(options.background)) == WHITE  # nothing else is at the border
    return bool((_border(cutout.render()[..., :3]) == 255).all())


def _border(picture: Image) -> Image:
    """The outermost pixels of an alpha (h, w) or a picture (h, w, n), one after the other."""
    border: Image = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return border
