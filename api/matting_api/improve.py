"""`matting improve`: put photos that went wrong into the box of samples, for `matting train --finetune`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from matting_client import Limits, MattingError, OptionError
from matting_client.cli.parser import Parser, say
from matting_client.imaging.decode import read_bytes

from matting_api.errors import ApiError
from matting_api.samples import BoxUnusable, Sample, SampleBox, unusable_folder

VARIABLE = "MATTING_API_SAMPLES"  # the server's, whose box it is
EXAMPLES = """\
examples:
  matting improve photo.jpg --samples box                                 a correction can be put beside it later
  matting improve photo.jpg --samples box --correction right.png --tag hair
  matting train --finetune box                                            with eight corrected photos or more

exit code: 0 all are in the box, 1 some cannot be used, each named; 2 wrong usage
"""


def parser() -> argparse.ArgumentParser:
    """Arguments of `matting improve`."""
    result = Parser(
        prog="matting improve",
        description="Keep photos that went wrong in a box of samples, a folder of your own on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("photos", nargs="+", type=Path, metavar="PHOTO")
    add(
        "--samples",
        type=Path,
        default=os.environ.get(VARIABLE) or None,
        metavar="FOLDER",
        help=f"the box, as of matting ui (default: ${VARIABLE})",
    )
    add("--result", type=Path, metavar="FILE", help="what came of the photo")
    add(
        "--correction",
        type=Path,
        metavar="FILE",
        help="what should have come: the right alpha in grey, or the right cutout, of the photo's size",
    )
    add("--tag", default="", metavar="WORD", help="a word of your own")
    return result


def main(argv: list[str]) -> int:
    """Run `matting improve` with `argv` (without the command's name); returns the exit code.

    Raises
    ------
    OptionError
        Wrong usage; the folder of the box cannot be written to.
    InputError
        A result or a correction cannot be read.
    """
    given = parser().parse_args(argv)
    if given.samples is None:
        raise OptionError("--samples", "no folder", "the box of samples", f"name it, or set {VARIABLE}")
    if len(given.photos) > 1 and (given.result or given.correction):
        raise OptionError("--result, --correction", f"{len(given.photos)} photos", "one, which they belong to")
    box = SampleBox(given.samples, Limits())
    beside = {name: read_bytes(path) for name in ("result", "correction") if (path := getattr(given, name))}
    failed = 0
    for photo in given.photos:
        try:
            print(given.samples / box.keep(Sample(read_bytes(photo), photo.name, given.tag, **beside)))
        except BoxUnusable as error:
            reason = getattr(error.__cause__, "strerror", None) or "cannot be written to"
            raise unusable_folder(given.samples, reason) from None
        except ApiError as error:
            say("improve", f"{photo}: {error.detail}")
            failed += 1
        except MattingError as error:
            is_photo = error.subject == photo.name  # else what came beside it
            say("improve", str(error.replace(subject=str(photo)) if is_photo else error.about(str(photo))))
            failed += 1
    return 1 if failed else 0
