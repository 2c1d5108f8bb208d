"""ID photos: the head upright and where an office wants it, on its background, and a sheet of them to print."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from matting_client.cutout import Cutout
from matting_client.errors import OptionError
from matting_client.idperson import upright
from matting_client.idsizes import Frame, Size, frame_for
from matting_client.imaging.tags import srgb_profile
from matting_client.notes import Note
from matting_client.options import parse_colour
from matting_client.types import Picture

DPI = 300  # of prints
MM_PER_INCH = 25.4
MAX_ZOOM = 1.5
PAPERS: dict[str, tuple[float, float]] = {"4x6": (101.6, 152.4), "5x7": (127.0, 177.8), "a4": (210.0, 297.0)}  # mm
MARGIN_MM = 4.0
GAP_MM = 1.0
ENLARGED = 2.5  # from which the photo was too small: of the 300 dpi of a print, 120 are the photo's own
CUT_GREY = 170  # of the lines to cut along


@dataclass(frozen=True, eq=False, repr=False)
class IdPhoto:
    """A finished photo.

    Attributes
    ----------
    picture : (h, w, 3) of the size's pixels.
    size : what it is.
    complete : whether the body reaches the lower edge and nothing of it is cut off; if not, background fills the rest.
    enlarged : how many times as large as in the photo a side of the person is drawn.
    has_whole_head : whether the photo shows the head from crown to chin, and nothing of it is cut off.
    is_aside : whether the head is turned aside.
    """

    picture: Picture
    size: Size
    complete: bool
    enlarged: float = 1.0
    has_whole_head: bool = True
    is_aside: bool = False

    def __repr__(self) -> str:
        height, width = self.picture.shape[:2]
        return f"<IdPhoto {width}x{height} {self.size.name}>"

    @property
    def warnings(self) -> tuple[Note, ...]:
        """What to know before it is handed in; each is a sentence as a text."""
        told = (
            (Note("id_aside"), self.is_aside),
            (Note("id_head_cut"), not self.has_whole_head),
            (Note("id_incomplete"), self.has_whole_head and not self.complete),
            (Note("id_soft", {"times": self.enlarged}), self.is_soft),
            (Note("id_unedited"), self.size.unedited),
        )
        return tuple(warning for warning, applies in told if applies)

    @property
    def is_soft(self) -> bool:
        """Whether the photo had too few pixels for the size."""
        return self.enlarged >= ENLARGED

    def to_image(self) -> Image.Image:
        """The photo as a picture of Pillow's."""
        return Image.fromarray(self.picture)

    def to_jpeg(self, quality: int = 95) -> bytes:
        """A JPEG that says how large it is to be printed."""
        return _saved(self.picture, "JPEG", self.size.px[0] / self.size.mm[0] * MM_PER_INCH, quality)


@dataclass(frozen=True)
class IdAsked:
    """An ID photo as somebody asks for it.

    Attributes
    ----------
    size, background, zoom, shift : as of `id_photo`.
    paper : the paper of a sheet to print, one of `PAPERS`; None for the photo alone.
    format : "jpeg", or "pdf" for a sheet.
    """

    size: Size
    background: str | None = None
    zoom: float = 1.0
    shift: float = 0.0
    paper: str | None = None
    format: str = "jpeg"

    def __post_init__(self) -> None:
        _check_place(self.zoom, self.shift)

    def make(self, cutout: Cutout) -> tuple[bytes, IdPhoto, tuple[int, int]]:
        """The file, the photo that is on it, and width and height of the file's picture, the photo's or the sheet's.

        Errors as of `id_photo` and `print_sheet`.
        """
        photo = id_photo(cutout, self.size, self.background, self.zoom, self.shift)
        if self.paper is None:
            return photo.to_jpeg(), photo, self.size.px
        sheet = print_sheet(photo, self.paper)[0]
        return sheet_file(sheet, self.format), photo, (sheet.shape[1], sheet.shape[0])


def _check_place(zoom: float, shift: float) -> None:
    if not 1 / MAX_ZOOM - 1e-6 <= zoom <= MAX_ZOOM:
        raise OptionError("zoom", zoom, f"{1 / MAX_ZOOM:.2f} to {MAX_ZOOM}")
    if not -0.2 <= shift <= 0.2:
        raise OptionError("shift", shift, "-0.2 to 0.2")


def id_photo(
    cutout: Cutout, size: Size, background: str | None = None, zoom: float = 1.0, shift: float = 0.0
) -> IdPhoto:
    """Cut and scale a cutout to an ID photo.

    Parameters
    ----------
    cutout : of one person; of its options those about the edge and the region count.
    size : what is wanted.
    background : a colour instead of the size's own.
    zoom : 1/1.5..1.5 of the head's size.
    shift : -0.2..0.2 of the height, downwards.

    Raises
    ------
    NoFace
        Nobody faces the camera.
    SeveralFaces
        More than one person does.
    OptionError
        A value is out of range.
    """
    _check_place(zoom, shift)
    colour = background or size.background
    options = cutout.options.in_place().with_changes(background=colour, format="png", max_kb=None, alpha_only=False)
    plain = cutout.with_options(options)
    ground = parse_colour(colour)
    person = upright(plain, ground)
    frame = frame_for(person.head, size, zoom, shift)
    picture = _window(person.picture, frame, size.px, ground)
    enlarged = size.px[1] / (frame.bottom - frame.top)
    is_complete = person.is_complete_in(frame)
    has_whole_head = person.has_whole_head_in(frame)
    return IdPhoto(picture, size, is_complete, enlarged, has_whole_head, person.head.is_aside)


def _window(picture: Picture, frame: Frame, size: tuple[int, int], colour: tuple[int, int, int]) -> Picture:
    """What a frame on the plane of a picture shows, drawn with `size`; `colour` beyond the picture."""
    left, top, right, bottom = (round(each) for each in frame)
    height, width = picture.shape[:2]
    out = np.empty((size[1], size[0], 3), np.uint8)
    out[:] = colour
    y0, y1, x0, x1 = max(0, top), min(height, bottom), max(0, left), min(width, right)
    # What there is of the picture is drawn alone: around a near face the frame is many times as large.
    zoom_x, zoom_y = size[0] / max(1, right - left), size[1] / max(1, bottom - top)
    columns, rows = (
        (round((x0 - left) * zoom_x), round((x1 - left) * zoom_x)),
        (round((y0 - top) * zoom_y), round((y1 - top) * zoom_y)),
    )
    if columns[0] < columns[1] and rows[0] < rows[1]:
        how = cv2.INTER_AREA if zoom_x < 1 else cv2.INTER_CUBIC
        drawn = cv2.resize(picture[y0:y1, x0:x1], (columns[1] - columns[0], rows[1] - rows[0]), interpolation=how)
        out[slice(*rows), slice(*columns)] = drawn
    return out


def print_sheet(photo: IdPhoto, paper: str = "4x6") -> tuple[Picture, int]:
    """As many copies as a sheet of paper holds, at 300 dpi, with thin lines to cut along.

    Returns
    -------
    (h, w, 3) sheet and the number of copies.

    Raises
    ------
    OptionError
        No such paper.
    """
    if paper not in PAPERS:
        raise OptionError("paper", f"{paper!r}", f"one of {', '.join(PAPERS)}")
    copy = cv2.resize(photo.picture, tuple(_px(each) for each in photo.size.mm), interpolation=cv2.INTER_AREA)
    upright = PAPERS[paper]
    (width, height), (columns, rows) = max(
        ((turned, _fit(turned, photo.size.mm)) for turned in (upright, upright[::-1])),
        key=lambda each: np.prod(each[1]),
    )
    sheet = np.full((_px(height), _px(width), 3), 255, np.uint8)
    step_x, step_y = copy.shape[1] + _px(GAP_MM), copy.shape[0] + _px(GAP_MM)
    left = (sheet.shape[1] - columns * step_x + _px(GAP_MM)) // 2
    top = (sheet.shape[0] - rows * step_y + _px(GAP_MM)) // 2
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * step_x, top + row * step_y
            sheet[y - 1 : y + copy.shape[0] + 1, x - 1 : x + copy.shape[1] + 1] = CUT_GREY
            sheet[y : y + copy.shape[0], x : x + copy.shape[1]] = copy
    return sheet, rows * columns


def sheet_file(sheet: Picture, format: str) -> bytes:
    """A sheet as "jpeg" or "pdf", which print at their true size.

    Raises
    ------
    OptionError
        Another format.
    """
    if format not in ("jpeg", "pdf"):
        raise OptionError("format", f"{format!r}", "jpeg or pdf")
    return _saved(sheet, format.upper(), DPI, 95)


def _saved(picture: Picture, format: str, dpi: float, quality: int) -> bytes:
    buffer = io.BytesIO()
    how: dict[str, Any] = {"resolution": dpi}
    if format == "JPEG":
        how = {"dpi": (dpi, dpi), "subsampling": "4:4:4", "icc_profile": srgb_profile()}
    Image.fromarray(picture).save(buffer, format, quality=quality, **how)
    return buffer.getvalue()


def _px(mm: float) -> int:
    return round(mm / MM_PER_INCH * DPI)


def _fit(paper: tuple[float, ...], photo: tuple[float, float]) -> tuple[int, int]:
    """Columns and rows of photos on a paper, both in mm."""
    across, down = (
        int((whole - 2 * MARGIN_MM + GAP_MM) // (one + GAP_MM)) for whole, one in zip(paper, photo, strict=True)
    )
    return across, down
