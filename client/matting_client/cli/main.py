"""The `matting` command: `cutout` here, further commands from whatever registers under `matting_client.commands`.

A command's module is imported when it is called, with Ctrl-C seen to: NumPy and others take a second, and an exception
out of a signal's handler may come out of their imports as any other one.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import matting_client
from matting_client.cli.parser import INTERRUPTED, Parser, error_line, say
from matting_client.errors import MattingError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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
COMMANDS = ("cutout", "idphoto", "scene", "video", "watch")  # each the `main` of a module beside this one
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
    from importlib.metadata import entry_points  # as slow as Python's own start

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
    _fill_closed_streams()
    with _ending_at_once():
        plugins = _plugins()
        parser = _parser(plugins)
        given = parser.parse_args(argv)
        command = _command(given.command, plugins, parser)
    try:
        return command(given.arguments)
    except MattingError as error:
        say(given.command, str(_as_typed(error, given.command)))
        return USAGE
    except OSError as error:
        if error.filename is None:  # no path that was given
            raise
        say(given.command, error_line(error))
        return USAGE
    except KeyboardInterrupt:
        say(given.command, "interrupted")
        return INTERRUPTED


def _fill_closed_streams() -> None:
    """A stream that the caller has closed, as services do, is empty or swallows all; no other file gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            setattr(sys, name, open(nothing, mode, closefd=False))  # noqa: SIM115


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process without a word of Python's, for as long as nothing is begun; an own handler stays."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, _end)
    except ValueError:  # not the main thread, which alone may, and gets the signal
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, b"matting: interrupted\n")
    os._exit(INTERRUPTED)


def _as_typed(error: MattingError, command: str) -> MattingError:
    if command not in COMMANDS:  # one of the application's, which speaks of its own options
        return error
    typed: MattingError = import_module(f"matting_client.cli.{command}").parser().as_typed(error)
    return typed


def _remedy(name: str) -> str:
    extra = {"bench": ".venv/bin/pip install -c constraints.txt -e '.[bench]'"}  # what ./run.sh does not install
    return f"run {extra.get(name, './run.sh --setup-only')}"


def _command(name: str, plugins: dict[str, EntryPoint], parser: argparse.ArgumentParser) -> Callable[[list[str]], int]:
    loaded: Callable[[list[str]], int]
    if name in COMMANDS:
        loaded = import_module(f"matting_client.cli.{name}").main
        return loaded
    if name in plugins:
        try:
            loaded = plugins[name].load()
        except ImportError as error:
            parser.error(f"{name} lacks {error.name or error}: {_remedy(name)} in the application's folder")
        return loaded
    if name in APPLICATION:
        parser.error(f"{name} comes with the application: run ./run.sh --setup-only in its folder")
    return parser.error(f"got the command {name!r}, expected one of {', '.join([*COMMANDS, *sorted(plugins)])}")


if __name__ == "__main__":
    sys.exit(main())
