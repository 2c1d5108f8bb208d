"""What the environment says in place of arguments."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from typing import Any

from matting_client import OptionError
from matting_client.cli.parser import number

PREFIX = "MATTING_API"
KEYS = f"{PREFIX}_KEYS"
_asked = {KEYS}  # names of variables that somebody has looked for
# What Kubernetes tells of a Service that is called matting-api.
_OF_SERVICE = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+)")
_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


def number_or_text(name: str, default: object, prefix: str = PREFIX) -> Any:
    """What a variable says, else the default. Raises OptionError where that is a number and the variable is none."""
    value = _of(name, prefix) or default
    if not isinstance(default, int):
        return value
    try:
        return number(int, str(value))
    except ValueError:
        raise OptionError(f"${prefix}_{name}", f"{value!r:.100}", "a whole number") from None


def switch(name: str, prefix: str = PREFIX) -> bool:
    """Whether a variable switches something on. Raises OptionError where it says neither yes nor no."""
    value = _of(name, prefix)
    if value.lower() in _YES:
        return True
    if not value or value.lower() in _NO:
        return False
    raise OptionError(f"${prefix}_{name}", f"{value!r:.100}", "1 or 0")


def unknown_variables() -> list[str]:
    """A line on each variable that looks like one of ours and is none: who misspelt a limit has none."""
    names = [name for name in sorted(os.environ) if name.startswith(f"{PREFIX}_") and name not in _asked]
    return [f"${name} means nothing here{_nearest(name)}" for name in names if not _OF_SERVICE.fullmatch(name)]


def _nearest(name: str) -> str:
    near = get_close_matches(name, _asked, 1)
    return f"; ${near[0]} does" if near else ""


def _of(name: str, prefix: str) -> str:
    variable = f"{prefix}_{name}"
    _asked.add(variable)
    return os.environ.get(variable, "")
