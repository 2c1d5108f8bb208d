"""Largest accepted picture, and how one that cannot be used is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass


def megabytes(count: int) -> str:
    """Bytes for a message, rounded up to a tenth of a MB, so that what is too large never looks as if it were not."""
    return f"{math.ceil(count * 10 / 2**20) / 10:g} MB"


class Unusable(Exception):
    """A picture cannot be used; whoever knows its name makes an `InputError` of it.

    Attributes
    ----------
    got, expected, remedy : the parts of the sentence "got ..., expected ...; ...".
    """

    def __init__(self, got: str, expected: str, remedy: str) -> None:
        super().__init__(f"got {got}, expected {expected}; {remedy}")
        self.got = got
        self.expected = expected
        self.remedy = remedy


class BeyondLimits(Unusable):
    """A picture is larger than accepted; it becomes `TooLarge`."""


@dataclass(frozen=True)
class Limits:
    """Largest photo that is accepted.

    Attributes
    ----------
    max_bytes : of the file.
    max_pixels : width x height.
    max_side : width or height. A picture of one row of millions of pixels costs far more than its pixels say.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 60_000_000
    max_side: int = 32_768

    @property
    def millions(self) -> str:
        """`max_pixels` for messages."""
        return f"{self.max_pixels / 1e6:.3g}"

    def check_bytes(self, count: int) -> None:
        """Refuse a file by its length.

        Raises
        ------
        Unusable
            Too long, or empty.
        """
        if count == 0:
            raise Unusable("an empty file", "a picture", "choose another file")
        if count > self.max_bytes:
            raise BeyondLimits(
                megabytes(count), f"at most {self.max_bytes / 2**20:.4g} MB", "save it smaller or as JPEG"
            )

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture by the size that its header tells.

        Raises
        ------
        Unusable
            Too large, or nothing.
        """
        size = f"{width}x{height} pixels"
        if width < 1 or height < 1:
            raise Unusable(size, "at least one", "choose another picture")
        if width * height > self.max_pixels:
            raise BeyondLimits(size, f"at most {self.millions} million", "make it smaller")
        if max(width, height) > self.max_side:
            raise BeyondLimits(size, f"no side above {self.max_side}", "cut it into parts or make it smaller")

    def check_deep(self, width: int, height: int) -> None:
        """Refuse a picture of four samples of 16 bits a pixel, which takes a third longer than any other of its size.

        Raises
        ------
        Unusable
            Too large.
        """
        most = self.max_pixels * 3 // 4
        if width * height > most:
            got = f"{width}x{height} pixels of 16 bits with transparency"
            raise BeyondLimits(got, f"at most {most / 1e6:.3g} million", "save it with 8 bits or make it smaller")
