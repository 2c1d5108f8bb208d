"""`matting idphoto`: a photo of one person in, an ID photo or a sheet of them out."""

from __future__ import annotations

import argparse
from pathlib import Path

from matting_client.cli.engine import add_engine, open_client
from matting_client.cli.inputs import file_named, read_named
from matting_client.cli.overwriting import check_target
from matting_client.cli.parser import Parser, say
from matting_client.errors import InputError, OptionError
from matting_client.idphoto import PAPERS, IdAsked
from matting_client.idsizes import sizes
from matting_client.imaging.encode import write
from matting_client.options import Options, parse_colour

SUFFIXES = {".jpg": "jpeg", ".jpeg": "jpeg", ".pdf": "pdf"}
EXAMPLES = """examples:
  matting idphoto me.jpg -o passport.jpg --kind schengen
  matting idphoto me.jpg -o one-inch.jpg --kind one-inch --background red
  matting idphoto me.jpg -o sheet.pdf --kind china-passport --paper 4x6
  matting idphoto --kinds                                   their sizes and backgrounds

exit code: 0 done; 2 wrong usage, no face or several in the photo, or no server.
"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    p = Parser(
        prog="matting idphoto",
        description="Make an ID photo of the size and background that an office asks for.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "photo", nargs="?", metavar="FILE", help="a photo of one person who faces the camera, or - for standard input"
    )
    p.add_argument(
        "-o", "--output", metavar="OUT", default="idphoto.jpg", help=".jpg, or .pdf for a sheet (default: %(default)s)"
    )
    p.add_argument("--kind", metavar="NAME", default=next(iter(sizes())), help="see --kinds (default: %(default)s)")
    p.add_argument("--background", metavar="COLOUR", help="instead of the office's own")
    p.add_argument("--zoom", type=float, default=1.0, metavar="0.67..1.5", help="of the head's size (default: 1)")
    p.add_argument("--shift", type=float, default=0.0, metavar="-0.2..0.2", help="of the height, down (default: 0)")
    p.add_argument("--paper", metavar="|".join(PAPERS), help="a sheet to print instead of the photo")
    p.add_argument("--kinds", action="store_true", help="list what offices ask for, and end")
    add_engine(p)
    return p


def main(argv: list[str]) -> int:
    """Run `matting idphoto`; returns its exit code.

    Raises
    ------
    MattingError
        Nothing was written.
    """
    given = parser().parse_args(argv)
    if given.kinds:
        for size in sizes().values():
            wide, high = size.mm
            width, height = size.px
            print(
                f"{size.name:18} {wide:g} x {high:g} mm  {width} x {height} px  {size.background}  {size.title['en']}"
            )
        return 0
    if given.photo is None:
        raise OptionError("FILE", "no photo", "one", "or --kinds")
    asked = _asked(given)
    check_target("-o", given.output, [file_named(given.photo)])
    data = read_named(file_named(given.photo))
    with open_client(given) as client:
        cutout = client.cutout(data, Options.from_preset("id-photo"), given.photo)
    try:
        made, photo, _ = asked.make(cutout)
    except InputError as error:
        raise error.about(given.photo) from None
    write(Path(given.output), made)
    for warning in (*cutout.origin.notes, *photo.warnings):
        say("idphoto", f"{given.photo}: warning: {warning}")
    return 0


def _asked(given: argparse.Namespace) -> IdAsked:
    if given.kind not in sizes():
        raise OptionError("--kind", f"{given.kind!r}", f"one of {', '.join(sizes())}")
    if given.paper is not None and given.paper not in PAPERS:
        raise OptionError("--paper", f"{given.paper!r}", f"one of {', '.join(PAPERS)}")
    format = SUFFIXES.get(Path(given.output).suffix.lower())
    if format is None or (format == "pdf" and given.paper is None):
        expected = "a name that ends with .jpg, or with .pdf for a sheet (--paper)"
        raise OptionError("-o", given.output, expected, option="output")
    if given.background:
        parse_colour(given.background)
    return IdAsked(sizes()[given.kind], given.background, given.zoom, given.shift, given.paper, format)
