"""The `matting` command: `cutout` here, further commands from whatever registers under `matting_client.commands`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

import matting_client
from matting_client.cli import cutout, idphoto, scene, video, watch
from matting_client.cli.interruption import EXIT_CODE
from matting_client.cli.parser import Parser
from matting_client.errors import MattingError

GROUP = "matting_client.commands"
APPLICATION = (
    "serve",
    "ui",
    "migrate",
    "improve",
    "bench",
    "train",
    "evaluate",
    "clean",
    "export",
    "produce",
)  # named here so that a bare client can say so
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "cutout": cutout.main,
    "idphoto": idphoto.main,
    "scene": scene.main,
    "video": video.main,
    "watch": watch.main,
}
USAGE = 2
EXAMPLES = """examples:
  matting cutout photo.jpg -o cutout.png
  matting cutout photos/ -o cutouts/ --preset product
  matting idphoto me.jpg -o passport.jpg --kind schengen
  matting scene me.jpg --behind beach.jpg -o on-the-beach.jpg
  matting video clip.mp4 -o clip.webm
  matting watch inbox/ -o cutouts/
  matting serve
  matting cutout --help
"""


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _parser(plugins: dict[str, EntryPoint]) -> argparse.ArgumentParser:
    names = ", ".join([*COMMANDS, *sorted(plugins)])
    parser = Parser(
        prog="matting",
        description="Cut people and products out of photos.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"matting {matting_client.__version__}")
    parser.add_argument("command", help=f"one of: {names}")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see matting COMMAND --help")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command line.

    Returns
    -------
    0 all done, 1 some files failed, 2 wrong usage or no server, 130 interrupted.
    """
    plugins = _plugins()
    parser = _parser(plugins)
    given = parser.parse_args(argv)
    try:
        return _command(given.command, plugins, parser)(given.arguments)
    except MattingError as error:
        print(f"matting {given.command}: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        if error.filename is None:  # no path that was given
            raise
        said = f"{error.filename}: cannot be used ({error.strerror}); check the path"
        print(f"matting {given.command}: {said}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(f"matting {given.command}: interrupted", file=sys.stderr)
        return EXIT_CODE


def _remedy(name: str) -> str:
    extra = {"bench": ".venv/bin/pip install -c constraints.txt -e '.[bench]'"}  # what ./run.sh does not install
    return f"run {extra.get(name, './run.sh --setup-only')}"


def _command(name: str, plugins: dict[str, EntryPoint], parser: argparse.ArgumentParser) -> Callable[[list[str]], int]:
    if name in COMMANDS:
        return COMMANDS[name]
    if name in plugins:
        try:
            loaded: Callable[[list[str]], int] = plugins[name].load()
        except ImportError as error:
            parser.error(f"{name} lacks {error.name or error}: {_remedy(name)} in the application's folder")
        return loaded
    if name in APPLICATION:
        parser.error(f"{name} comes with the application: run ./run.sh --setup-only in its folder")
    return parser.error(f"got the command {name!r}, expected one of {', '.join([*COMMANDS, *sorted(plugins)])}")


if __name__ == "__main__":
    sys.exit(main())
