"""Packages that only some options need."""

from __future__ import annotations

from importlib.util import find_spec

from matting_client import OptionError


def check_extra(option: str, package: str, extra: str) -> None:
    """Refuse an option whose package is not installed.

    Parameters
    ----------
    package : as it is imported.
    extra : of ours, which installs it.

    Raises
    ------
    OptionError
    """
    try:
        found = find_spec(package)
    except ModuleNotFoundError:  # not even the package around it
        found = None
    if found is None:
        remedy = f"install it with: pip install -c constraints.txt -e '.[{extra}]'"
        raise OptionError(option, f"no package {package}", remedy=remedy)
