"""The command line of `matting cutout`, most of which `matting watch` shares, and the options that it asks for."""

from __future__ import annotations

import argparse
import math
from dataclasses import fields
from pathlib import Path
from typing import get_args

from matting_client.cli.engine import add_engine
from matting_client.cli.finishing import add_finishing
from matting_client.cli.inputs import output_format
from matting_client.cli.marks import add_marks
from matting_client.cli.parser import Parser
from matting_client.errors import OptionError
from matting_client.imaging.decode import read
from matting_client.options import BACKGROUNDS, MAX_ERODE, MAX_THRESHOLD, Options, parse_colour, presets
from matting_client.processing import BACKDROPS
from matting_client.shop import template
from matting_client.triton.protocol import LbPolicy

BACKGROUND_HELP = f"'#ffffff', a colour name, a picture, or {', '.join(BACKDROPS)} (default: transparent)"
WAIT_SECONDS = 600.0  # for a server that is gone
EXAMPLES = """examples:
  matting cutout photo.jpg -o cutout.png                    transparent PNG of the photo's size
  matting cutout photo.jpg -o white.jpg --background white
  matting cutout photo.jpg -o shop.jpg --background white --crop --crop-margin 5% --size 1080px
  matting cutout goods/ -o shop/ --template amazon          2000 x 2000 on white, and what the shop would object to
  matting cutout photos/ -o cutouts/ --preset product       cutouts/<name>.png for every picture
  matting cutout shop/ -o cutouts/ --recursive              the same with subfolders, which keep their tree
  matting cutout 'shop/*.jpg' --alpha-only                  outputs/<name>.png, the alpha in grey
  matting cutout - < photo.jpg > cutout.png
  matting cutout photo.jpg -o cutout.png --engine local     without a server
  matting cutout photos/ -o out/ --review-above 0.08        and which results to look at first
  matting cutout photo.jpg -o cutout.png --remove 900,400   without the person at x 900, y 400
  matting cutout photo.jpg -o cutout.png --keep 310,620,40  and what a brush of 40 px covers there

exit code: 0 all done; 1 some photos failed, each named, the others written; 2 wrong usage or no server;
130 interrupted, with nothing half-written.
"""


def parser() -> argparse.ArgumentParser:
    """The options of `matting cutout`."""
    result = shared_parser("matting cutout", "Cut the subject out of photos.", EXAMPLES)
    _add_files(result)
    result.add_argument(
        "--skip-existing",
        action="store_true",
        default=False,
        help="leave results that exist; goes on after an interruption",
    )
    result.add_argument(
        "--wait",
        type=float,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help="how long the photos wait for a server that is gone (default: %(default)g)",
    )
    result.add_argument(
        "--manifest",
        type=Path,
        default=None,
        metavar="FILE",
        help="write a CSV with a row for each photo: its result, size, uncertainty, or why it failed",
    )
    add_marks(result)
    return result


def shared_parser(prog: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Options of all commands that cut out photos; unset ones stay out, so that a preset's values hold."""
    result = Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    result.add_argument(
        "-r", "--recursive", action="store_true", default=False, help="subfolders, too; their results keep the tree"
    )
    _add_look(result)
    _add_matting(result)
    _add_placing(result)
    add_finishing(result)
    _add_engine(result)
    _add_work(result)
    return result


def _add_files(parser: argparse.ArgumentParser) -> None:
    """Which photos, and where the results go."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="photo, folder, glob, or - for standard input")
    add("-o", "--output", default=None, metavar="OUT", help="file, folder, or - (default: outputs/)")


def _add_look(parser: argparse.ArgumentParser) -> None:
    """What kind of picture the result is."""
    add = parser.add_argument
    names = "; ".join(f"{preset.name}: {preset.description['en'].rstrip('.')}" for preset in presets().values())
    add("--preset", metavar="NAME", default=None, help=f"a set of options. {names}")
    add("--background", metavar="COLOUR|FILE|NAME", help=BACKGROUND_HELP)
    add("--format", metavar="FORMAT", help="png, jpeg or webp (default: the suffix of -o, else png)")
    add("--quality", type=int, metavar="1..100", help="of JPEG and WebP (default: 92)")
    add("--alpha-only", action="store_true", help="write the alpha as an 8-bit grey PNG")


def _add_matting(parser: argparse.ArgumentParser) -> None:
    """How the subject is told from the rest, and its edge."""
    add = parser.add_argument
    add("--alpha-threshold", type=int, metavar=f"0..{MAX_THRESHOLD}", help="alpha below it becomes 0 (default: 0)")
    add(
        "--erode",
        type=float,
        metavar=f"-{MAX_ERODE}..{MAX_ERODE}",
        help="pull the edge in, in px at a 1024 px short side; negative dilates (default: 0)",
    )
    add("--feather", action=argparse.BooleanOptionalAction, help="soften the edge (default: off)")
    add(
        "--foreground",
        action=argparse.BooleanOptionalAction,
        help="the subject's own colours at the edge (default: on)",
    )
    add("--refine", action=argparse.BooleanOptionalAction, help="follow the edges of large photos (default: on)")
    add("--passes", type=int, metavar="1|2", help="2: a small subject is seen again, up close (default: 2)")
    add(
        "--orientation",
        metavar="auto|given",
        help="auto: a photo that lies on its side or head is turned upright for the model (default: auto)",
    )
    add("--roi", metavar="'X1 Y1 X2 Y2'", help="only this part of the photo counts, in px or %%: '0%% 0%% 50%% 100%%'")


def _add_placing(parser: argparse.ArgumentParser) -> None:
    """How large the result is, and where in it the subject stands."""
    add = parser.add_argument
    add("--crop", action=argparse.BooleanOptionalAction, help="cut the result to the subject (default: off)")
    add("--crop-margin", metavar="M", help="room around it, 1, 2 or 4 of 0..500px or 0..50%% of its size (default: 0)")
    add("--scale", metavar="10%..100%", help="how much of the result the subject fills (default: original)")
    add("--position", metavar="P", help="original, center or 'X%% Y%%' (default: original; center with --scale)")
    add(
        "--size",
        metavar="S",
        help="largest result: a longest side such as 1080px, or an area such as 0.25MP (default: the photo's)",
    )


def _add_engine(parser: argparse.ArgumentParser) -> None:
    """Where the model runs, and how pixels get there."""
    add_engine(parser)
    add = parser.add_argument
    add(
        "--shared-memory",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="pass pixels through memory shared with the server (default: where it is on this machine)",
    )
    add(
        "--lb-policy",
        choices=get_args(LbPolicy),
        default="pick_first",
        help="of gRPC, where --url names several servers (default: %(default)s)",
    )


def _add_work(parser: argparse.ArgumentParser) -> None:
    """How many photos are worked on, and which."""
    add = parser.add_argument
    add("--jobs", type=int, default=None, metavar="N", help="photos at once (default: cores + 2, at most 8)")
    add(
        "--review-above",
        type=float,
        default=None,
        metavar="U",
        help="name the results whose uncertainty is larger, the worst first; 0.08 is a good start",
    )


def check_work(given: argparse.Namespace) -> None:
    """Refuse numbers that no photos can be worked on with.

    Raises
    ------
    OptionError
    """
    if given.jobs is not None and given.jobs < 1:
        raise OptionError("--jobs", given.jobs, "1 or more")
    if given.review_above is not None and math.isnan(given.review_above):
        raise OptionError("--review-above", given.review_above, "a number such as 0.08")


def read_options(given: argparse.Namespace) -> Options:
    """Options from the preset, the suffix of -o and what the command line says, in rising order of weight.

    Raises
    ------
    OptionError
    """
    names = {each.name for each in fields(Options)} - {"background"}
    changes = {name: value for name, value in vars(given).items() if name in names}
    single = len(given.files) == 1 and not Path(given.files[0]).is_dir()
    suffix = output_format(given.output, single)
    if suffix and changes.get("format", suffix) not in (suffix, "jpg" if suffix == "jpeg" else suffix):
        raise OptionError(f"--format {changes['format']}", f"-o {given.output}", "the same format", "leave one out")
    if suffix:
        changes["format"] = suffix
    if hasattr(given, "background"):
        changes["background"] = _background(given.background)
    if changes.get("alpha_only"):
        for name in ("background", "shadow", "template"):
            if changes.get(name) or getattr(given, name, None):
                raise OptionError("--alpha-only", f"--{name} beside it", "an alpha alone, without any colours")
        changes.setdefault("format", "png")
    if given.template and given.preset:
        raise OptionError("--template", "--preset beside it", "one of them", "leave one out")
    if given.template:
        options = template(given.template).make(**changes)
    else:
        options = Options.from_preset(given.preset, **changes) if given.preset else Options(**changes)
    if "crop_margin" in changes and (options.canvas is not None or not options.crop):
        beside = "a canvas beside it" if options.canvas is not None else "no --crop beside it"
        raise OptionError(f"--crop-margin {options.crop_margin}", beside, "room around a cropped subject")
    return options


def _background(text: str) -> str | Path:
    path = Path(text)
    if path.is_file():
        read(path)  # a bad picture is known before any photo is worked on
        return path
    if text not in BACKDROPS:
        parse_colour(text, BACKGROUNDS)
    return text
