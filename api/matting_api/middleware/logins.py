"""Who may use the page: names and passwords from a file."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from matting_client import OptionError
from starlette.exceptions import HTTPException

from matting_api.errors import ApiError
from matting_api.middleware.guesses import Guesses
from matting_api.middleware.proxies import ADDRESS

FEWEST = 10  # characters of a password


def load_logins(path: Path) -> dict[str, str]:
    """Passwords by name from a file of lines "name:password"; a line that begins with # is a remark.

    Raises
    ------
    OptionError
        The file cannot be read or holds no login; a password is too short. It names the line, never the password.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(path, problem=f"cannot be read as text ({error})", remedy="check the path") from None
    logins: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.partition(":")
        if not colon or not name.strip() or len(password) < FEWEST:
            raise OptionError(
                f"{path}, line {number}", problem=f"expected name:password, the password of {FEWEST} characters or more"
            )
        logins[name.strip()] = password
    if not logins:
        raise OptionError(path, "no login", "name:password, one a line")
    return logins


class Logins:
    """Tells whether a name and a password belong together, in a time that says nothing of how near a guess came.

    Parameters
    ----------
    logins : passwords by name.
    guesses : refuses who tries passwords.
    """

    def __init__(self, logins: Mapping[str, str], guesses: Guesses) -> None:
        self._digests = [_digest(name, password) for name, password in logins.items()]
        self._guesses = guesses

    async def check(self, name: str, password: str) -> bool:
        """Whether they do; called within the request, whose address counts.

        Raises
        ------
        HTTPException
            429: there were too many wrong ones.
        """
        name = name.strip()
        given = _digest(name, password)
        is_right = any([hmac.compare_digest(given, known) for known in self._digests])  # noqa: C419 - all of them, always
        try:
            return await self._guesses.judge(ADDRESS.get(), name, is_right)
        except ApiError as error:
            raise HTTPException(error.status, error.detail, dict(error.headers)) from None


def _digest(name: str, password: str) -> bytes:
    return sha256(f"{name}:{password}".encode()).digest()
