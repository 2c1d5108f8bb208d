"""The command line's manners: wrong usage is one line, an interruption has an exit code of its own."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from errno import EDQUOT, ENOSPC
from functools import partial
from typing import Any, NoReturn, TypeVar

from matting_client.errors import MattingError, OptionError

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
INTERRUPTED = 130  # exit code, as a shell gives it to what Ctrl-C has ended


def error_line(error: BaseException) -> str:
    """What to say of an error; the system's own ones are given their path and a remedy."""
    if not isinstance(error, OSError) or error.filename is None or error.strerror is None:
        return str(error)
    if error.errno in (ENOSPC, EDQUOT):  # it is missing where the second of two files is, the copy
        return f"{error.filename2 or error.filename}: cannot be written ({error.strerror}); free space there"
    return f"{error.filename}: cannot be used ({error.strerror}); check the path"


def one_line(text: str) -> str:
    """A text for a terminal or a program that reads lines, which a file's name in it can neither end nor colour."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


def say(command: str, line: str) -> None:
    """Print a line of a command on standard error."""
    print(one_line(f"matting {command}: {line}"), file=sys.stderr, flush=True)


def run_alone(main: Callable[[], int]) -> NoReturn:
    """End this process with what a program of `python -m` returns; an interruption is a line, as of `matting`."""
    try:
        code = main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


Number = TypeVar("Number", int, float)


def number(kind: type[Number], text: str) -> Number:
    """A number as people write it. Raises ValueError, also of 9_0 and of digits beyond ASCII, which Python takes."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return kind(text)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that does not print its whole usage with every error, and takes no empty file name."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        for kind in (int, float):
            self.register("type", kind, partial(number, kind))

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Refuse what a shell makes of an unset variable: `Path` would take it for the current folder."""
        names_files = action.nargs != argparse.REMAINDER and {*action.option_strings} <= {"-o", "--output"}
        if names_files and "" in arg_strings:
            raise argparse.ArgumentError(action, "got an empty name, expected one of a file or folder")
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and exit with 2."""
        self.exit(2, one_line(f"{self.prog}: {message}; see {self.prog} --help") + "\n")

    def as_typed(self, error: MattingError) -> MattingError:
        """An error of the library, which calls an option `crop_margin`, with what is typed here: --crop-margin."""
        if not isinstance(error, OptionError) or not error.subject.startswith(error.option):
            return error
        typed = [each for action in self._actions if action.dest == error.option for each in action.option_strings]
        long = next((each for each in typed if each.startswith("--")), error.option)
        return error.replace(subject=long + error.subject.removeprefix(error.option))
