"""What a photo's file tells beside its pixels, and a result as the bytes of a file."""

from __future__ import annotations

from dataclasses import dataclass

from matting_client.notes import Note
from matting_client.timing import Timings


@dataclass(frozen=True)
class Origin:
    """What a photo's file told beside its pixels.

    Attributes
    ----------
    notes : what was repaired or left out when it was read; each is a sentence as a text.
    dpi : pixels an inch across and down, when the file says so.
    exif : the file's EXIF block.
    """

    notes: tuple[Note, ...] = ()
    dpi: tuple[float, float] | None = None
    exif: bytes = b""


@dataclass(frozen=True, eq=False, repr=False)
class Encoded:
    """A result as the bytes of a file.

    Attributes
    ----------
    data : the file.
    media_type : such as "image/png".
    size : (width, height) in pixels.
    timings : seconds of each step from the photo on.
    """

    data: bytes
    media_type: str
    size: tuple[int, int]
    timings: Timings

    def __repr__(self) -> str:
        width, height = self.size
        return f"<Encoded {width}x{height} {self.media_type}, {len(self.data)} bytes>"
