"""The command line's manners: wrong usage is one line, an interruption has an exit code of its own."""

from __future__ import annotations

import argparse
from typing import NoReturn

INTERRUPTED = 130  # exit code, as a shell gives it to what Ctrl-C has ended


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that does not print its whole usage with every error."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and exit with 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")
