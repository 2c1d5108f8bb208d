"""The errors `matting serve` ends with: one line that says what is wrong and what to do."""

from __future__ import annotations


class ServeError(Exception):
    """The server cannot go on. ``exit_code`` is what the command ends with."""

    exit_code = 1


class SetupError(ServeError):
    """Something the user can put right before starting again: an option, a port, a missing file."""

    exit_code = 2
