"""Keys of the API: how they are written down, and whether one that is given is among them."""

from __future__ import annotations

import hmac
import logging
import os
import re
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from matting_client import OptionError
from starlette.datastructures import Headers

from matting_api.environment import KEYS

CHECK_SECONDS = 1.0  # between looks at the file, whether it has changed
_KEY = re.compile(r"[\x21-\x7e]{16,200}")
log = logging.getLogger("matting")


def read_keys(text: str, source: str) -> frozenset[str]:
    """Keys from lines or words; a # begins a remark.

    Raises
    ------
    OptionError
        A key is shorter than 16 characters or has strange ones. It names `source` and the line, never the key.
    """
    keys = set()
    for number, line in enumerate(text.splitlines(), 1):
        for word in line.partition("#")[0].replace(",", " ").split():
            if not _KEY.fullmatch(word):
                raise OptionError(
                    f"{source}, line {number}",
                    f"a key of {len(word)} characters",
                    "16 to 200 of ASCII",
                    "make one with: openssl rand -hex 24",
                )
            keys.add(word)
    if not keys:
        raise OptionError(source, "no key", "one a line")
    return frozenset(keys)


def load_keys(path: Path) -> frozenset[str]:
    """Keys from a file.

    Raises
    ------
    OptionError
        It cannot be read, or as of `read_keys`.
    """
    try:
        return read_keys(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(path, problem=f"cannot be read as text ({error})", remedy="check the path") from None


def all_keys(file: Path | None) -> frozenset[str]:
    """Keys from a file, if there is one, and from the environment; none for an open API.

    Raises
    ------
    OptionError
        As of `load_keys`.
    """
    keys = load_keys(file) if file else frozenset()
    if listed := os.environ.get(KEYS, ""):
        keys |= read_keys(listed, f"${KEYS}")
    return keys


class Keys:
    """Finds the key of a request, in a time that says nothing of how near a guess came.

    Parameters
    ----------
    keys : those that are valid at first.
    file : where they are from, beside the environment. With a request, once in `CHECK_SECONDS`, it is looked at, and
        read again where it has changed. One that cannot be used is logged as an error, and changes nothing.
    """

    def __init__(self, keys: Iterable[str], file: Path | None = None) -> None:
        self._digests = _digests(keys)
        self._file = file
        self._stamp: tuple[int, ...] | None = None  # of the file as it was read last; None: not yet by us
        self._complaint = ""  # what was logged of the file as it is
        self._next_look = 0.0

    @staticmethod
    def given(headers: Headers) -> str:
        """The key of a request, which comes as X-Api-Key or as a Bearer token; empty without one."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")

    def find(self, given: str) -> str | None:
        """What stands for a key; None for one that is not known."""
        if self._file is not None and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + CHECK_SECONDS
            self._look(self._file)
        digest = sha256(given.encode("latin-1")).digest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]  # all of them, always
        return digest.hex() if any(matches) else None

    def _look(self, file: Path) -> None:
        stamp = _stamp(file)
        if stamp == self._stamp:
            self._complaint = ""
            return
        try:
            digests = _digests(all_keys(file))
        except OptionError as error:  # read again at the next look, for it may have been half written
            if str(error) != self._complaint:
                log.error("%s; until then the keys from before stay valid", error)
            self._complaint = str(error)
            return
        self._stamp = stamp
        self._complaint = ""
        if digests != self._digests:
            self._digests = digests
            log.info("%s has changed: %d keys are valid now", file, len(digests))


def _digests(keys: Iterable[str]) -> frozenset[bytes]:
    return frozenset(sha256(key.encode()).digest() for key in keys)


def _stamp(file: Path) -> tuple[int, ...]:
    """What changes with a file; of one that cannot be looked at, the error's number."""
    try:
        status = file.stat()
    except OSError as error:
        return (error.errno or 0,)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
