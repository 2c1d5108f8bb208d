"""What shops ask of the pictures of goods: options that make one, and rules that tell whether a result is one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from matting_client.cutout import WHITE, Cutout
from matting_client.errors import OptionError
from matting_client.files import Encoded
from matting_client.options import Options, parse_colour
from matting_client.processing import subject_box
from matting_client.types import Alpha, Image

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

    def make(self, **overrides: Any) -> Options:
        """Its options, some of them replaced.

        Raises
        ------
        OptionError
            No such option, or a value out of range.
        """
        return Options.of({**self.options, **overrides})


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


def broken_rules(template: Template, cutout: Cutout, result: Encoded) -> tuple[str, ...]:
    """What a shop would object to, a sentence each; nothing where all is well.

    Parameters
    ----------
    cutout : what the result was made of.
    result : `cutout.encode()`.
    """
    rules = template.rules
    width, height = result.size
    pha = _shown_alpha(cutout)
    found = [
        _outside("the longer side", max(width, height), rules.least_side, rules.most_side, "px"),
        _outside("the file", len(result.data) / 1000, None, rules.most_kb, "kB"),
        _fill(pha, rules),
        _enlarged(cutout),
    ]
    if rules.square and width != height:
        found.append(f"got {width}x{height} pixels, expected a square")
    if rules.formats and cutout.options.format not in rules.formats:
        found.append(f"got {cutout.options.format}, expected {' or '.join(rules.formats)}")
    if rules.white and not _is_on_white(cutout, pha):
        found.append("got a background that is not pure white, expected #ffffff all around")
    return tuple(each for each in found if each)


def _outside(what: str, value: float, least: float | None, most: float | None, unit: str) -> str:
    if least is not None and value < least:
        return f"{what}: got {value:.0f} {unit}, expected at least {least:.0f}"
    if most is not None and value > most:
        return f"{what}: got {value:.0f} {unit}, expected at most {most:.0f}"
    return ""


def _shown_alpha(cutout: Cutout) -> Alpha:
    """Alpha (h, w) of what the result shows, without a shadow; no colour is made for it."""
    return cutout.with_options(cutout.options.with_changes(alpha_only=True, format="png", max_kb=None)).render()


def _fill(pha: Alpha, rules: Rules) -> str:
    """The subject alone counts, without its shadow."""
    box = subject_box(pha)
    if box is None:
        return "got a picture without a subject"
    share = 100 * max(box.width / pha.shape[1], box.height / pha.shape[0])
    least, most = (None if each is None else 100 * each for each in (rules.least_fill, rules.most_fill))
    return _outside("the subject fills", round(share), least, most, "%")


def _enlarged(cutout: Cutout) -> str:
    times = cutout.enlargement
    return f"the subject was enlarged {times:.1f} times; take a larger photo" if times > ENLARGED else ""


def _is_on_white(cutout: Cutout, pha: Alpha) -> bool:
    options = cutout.options
    if options.background is None:
        return options.format == "jpeg"
    if isinstance(options.background, str) and options.shadow == "none" and not _border(pha).any():
        return parse_colour(options.background) == WHITE  # nothing else is at the border
    return bool((_border(cutout.render()[..., :3]) == 255).all())


def _border(picture: Image) -> Image:
    """The outermost pixels of an alpha (h, w) or a picture (h, w, n), one after the other."""
    border: Image = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return border
