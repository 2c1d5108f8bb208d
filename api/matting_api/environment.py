"""What the environment says in place of arguments."""

from __future__ import annotations

import os
from typing import Any

from matting_client import OptionError

_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


def number_or_text(name: str, default: object, prefix: str = "MATTING_API") -> Any:
    """What a variable says, else the default. Raises OptionError where that is a number and the variable is none."""
    value = os.environ.get(f"{prefix}_{name}") or default
    if not isinstance(default, int):
        return value
    try:
        return int(str(value))
    except ValueError:
        raise OptionError(f"${prefix}_{name}", f"{value!r:.100}", "a whole number") from None


def switch(name: str, prefix: str = "MATTING_API") -> bool:
    """Whether a variable switches something on. Raises OptionError where it says neither yes nor no."""
    value = os.environ.get(f"{prefix}_{name}", "")
    if value.lower() in _YES:
        return True
    if not value or value.lower() in _NO:
        return False
    raise OptionError(f"${prefix}_{name}", f"{value!r:.100}", "1 or 0")
