"""`matting scene`: the subject of a photo in another scene, with that scene's light on it and a shadow."""

from __future__ import annotations

import argparse
from pathlib import Path

from matting_client.cli.engine import add_engine, open_client
from matting_client.cli.inputs import file_named, read_named
from matting_client.cli.overwriting import check_target
from matting_client.cli.parser import Parser, say
from matting_client.errors import InputError, OptionError
from matting_client.imaging.decode import read
from matting_client.imaging.encode import FORMAT_OF_SUFFIX, encode, write
from matting_client.processing.scene import MAX_BLUR, Scene, compose_scene, limited, scene_notes

EXAMPLES = """examples:
  matting scene me.jpg --behind beach.jpg -o on-the-beach.jpg
  matting scene me.jpg --behind beach.jpg -o far.jpg --scale 0.4 --x 0.3 --y 0.9 --blur 6
  matting scene me.jpg --behind beach.jpg -o mine.png --light 0 --shadow 0     colours as they are

exit code: 0 done; 2 wrong usage, nothing found in the photo, or no server.
"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    result = Parser(
        prog="matting scene",
        description="Put the subject of a photo into another scene, which keeps its size.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("photo", metavar="FILE", help="a photo, or - for standard input")
    add("--behind", required=True, type=Path, metavar="FILE", help="a picture of the scene")
    add("-o", "--output", type=Path, default=Path("scene.jpg"), metavar="OUT", help="default: %(default)s")
    add("--x", type=float, default=Scene.x, metavar="0..1", help="where the subject's middle is (default: %(default)s)")
    add("--y", type=float, default=Scene.y, metavar="0..1.5", help="where its lowest point is (default: %(default)s)")
    add(
        "--scale",
        type=float,
        default=Scene.scale,
        metavar="0.05..2",
        help="how much of the scene's height or width it fills (default: %(default)s)",
    )
    add(
        "--blur",
        type=float,
        default=Scene.blur,
        metavar=f"0..{MAX_BLUR:g}",
        help="of the scene, in px at a 1024 px short side (default: %(default)g)",
    )
    add("--light", type=float, default=Scene.light, metavar="0..1", help="of the scene on it (default: %(default)s)")
    add("--shadow", type=float, default=Scene.shadow, metavar="0..1", help="its darkness (default: %(default)s)")
    add_engine(result)
    return result


def main(argv: list[str]) -> int:
    """Run `matting scene`; returns its exit code.

    Raises
    ------
    MattingError
        Nothing was written.
    """
    given = parser().parse_args(argv)
    scene = Scene(given.x, given.y, given.scale, given.blur, given.light, given.shadow)
    format = FORMAT_OF_SUFFIX.get(given.output.suffix.lower())
    if format is None:
        raise OptionError("-o", given.output, f"a name that ends with {', '.join(FORMAT_OF_SUFFIX)}", option="output")
    check_target("-o", given.output, [file_named(given.photo), given.behind])
    behind = limited(read(given.behind))
    data = read_named(file_named(given.photo))
    with open_client(given) as client:
        cutout = client.cutout(data, name=given.photo)
    if cutout.is_empty:
        raise InputError(given.photo, "a photo in which nothing was found", "one with a clear foreground")
    fgr, pha = cutout.layers()
    for note in (*cutout.origin.notes, *scene_notes(pha, behind.shape, scene)):
        say("scene", f"{given.photo}: warning: {note}")
    write(given.output, encode(compose_scene(fgr, pha, behind, scene), format))
    return 0
