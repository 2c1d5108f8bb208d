"""Files that tools are called with: data: addresses become uploads like any other, and go when their call is over."""

from __future__ import annotations

import base64
import binascii
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from gradio_client import utils

from matting_ui.errors import UploadError
from matting_ui.uploads import Shelf, unwritable
from matting_ui.visitors import COOKIE, Visitors, new_secret

MOST_FILES = 100  # of one call
FILE_ADDRESS = "A file as a data: address, such as data:image/jpeg;base64,/9j/4AAQ..."
_DATA = re.compile(r"data:[^,]{0,200};base64,")
_folders: ContextVar[list[Path]] = ContextVar("folders")  # of the call that is prepared, or waited for


class ToolFiles:
    """Puts the files of tools' calls down as uploads of one visitor, who is nobody else.

    Parameters
    ----------
    visitors, shelf : whose files go where.
    max_bytes : of one file.

    Attributes
    ----------
    cookies : of that visitor.
    """

    def __init__(self, visitors: Visitors, shelf: Shelf, max_bytes: int) -> None:
        secret = new_secret()
        self.cookies = {COOKIE: secret}
        self._caller = ("tools", visitors.named(secret))
        self._shelf = shelf
        self._max_bytes = max_bytes

    def begin(self) -> None:
        """A call is about to be prepared."""
        _folders.set([])

    def taken(self, name: str, value: Any) -> Any:
        """An argument of a call with files for data: addresses.

        Raises
        ------
        ValueError
            One is another address, or none, or cannot be kept; what was is gone again.
        """
        try:
            return self._taken(name, value)
        except UploadError as error:
            self._forget()
            raise ValueError(f"{name}: {error or 'cannot be kept now; try again later'}") from None
        except BaseException:
            self._forget()
            raise

    @contextmanager
    def gone_afterwards(self) -> Iterator[None]:
        """Around the work of a call."""
        try:
            yield
        finally:
            self._forget()

    def _forget(self) -> None:
        for folder in _folders.get([]):
            shutil.rmtree(folder, ignore_errors=True)

    def _taken(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            if len(value) > MOST_FILES:
                raise ValueError(f"{name}: got {len(value)} files, expected at most {MOST_FILES} in one call")
            return [self._taken(name, each) for each in value]
        if not isinstance(value, str):
            return value
        if not _DATA.match(value):
            raise ValueError(f"{name}: got {value[:60]!r}, expected {FILE_ADDRESS[0].lower()}{FILE_ADDRESS[1:]}")
        return {"path": str(self._kept(name, value)), "meta": {"_type": "gradio.FileData"}}

    def _kept(self, name: str, address: str) -> Path:
        encoded = address.partition(",")[2]
        if len(encoded) * 3 // 4 > self._max_bytes + 2:
            raise ValueError(f"{name}: got a larger file, expected at most {self._max_bytes / 2**20:.0f} MB")
        try:
            data = base64.b64decode(encoded)
        except (binascii.Error, ValueError):
            raise ValueError(f"{name}: got no base64; encode it again") from None
        try:
            with self._shelf.place(self._caller, len(data)) as folder:
                file = folder / "tool" / f"file.{utils.get_extension(address) or 'jpg'}"
                file.parent.mkdir()
                file.write_bytes(data)
        except OSError as error:
            raise unwritable(error) from None
        _folders.get().append(folder)
        return file
