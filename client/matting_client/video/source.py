"""Where frames come from beside video files: an animated GIF or WebP, a folder of pictures, raw pixels on a pipe."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from matting_client.errors import InputError, OptionError
from matting_client.imaging.decode import Limits, read
from matting_client.imaging.formats import STILLS
from matting_client.imaging.reading import DAMAGED
from matting_client.video.animation import ANIMATED
from matting_client.video.reader import DEFAULT_FPS, MAX_VIDEO_PIXELS, Clip, Timed, VideoFile


class Animation:
    """An animated GIF or WebP (or a still one: one frame)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with Image.open(path, formats=("GIF", "WEBP")) as picture:
                count = getattr(picture, "n_frames", 1)
                pixels = picture.width * picture.height
        except UnidentifiedImageError:
            raise InputError(path, "no GIF or WebP", "what its name says", "choose another file") from None
        except (*DAMAGED, MemoryError) as error:
            raise InputError(path, problem=f"cannot be read ({error})", remedy="choose another file") from None
        if pixels > MAX_VIDEO_PIXELS:
            raise InputError(path, f"{pixels} pixels", f"at most {MAX_VIDEO_PIXELS}", "make it smaller")
        self.clip = Clip(str(path), Fraction(1, 1000), Fraction(10), count)

    def frames(self) -> Iterator[Timed]:
        """The frames; what is transparent stands on white. Errors as of a file."""
        tick = 0
        number = 0
        try:
            with Image.open(self.path, formats=("GIF", "WEBP")) as picture:
                for shown in ImageSequence.Iterator(picture):
                    rgba = shown.convert("RGBA")
                    ground = Image.new("RGBA", rgba.size, "white")
                    ground.alpha_composite(rgba)
                    yield Timed(np.asarray(ground.convert("RGB")), tick)
                    number += 1
                    tick += max(10, int(shown.info.get("duration") or 100))
        except (*DAMAGED, MemoryError) as error:
            raise InputError(
                self.path, problem=f"damaged after frame {number} ({error})", remedy="make it anew"
            ) from None


class Folder:
    """Pictures of a folder, by name and number: 2.png before 10.png. What is hidden is none of them.

    Attributes
    ----------
    files : the pictures.
    """

    def __init__(self, path: Path, fps: Fraction | None) -> None:
        found = (each for each in path.iterdir() if each.suffix.lower() in STILLS and not each.name.startswith("."))
        self.files = sorted((each for each in found if each.is_file()), key=_by_number)
        if not self.files:
            raise InputError(path, "a folder without pictures", f"{', '.join(STILLS)} files")
        rate = fps or DEFAULT_FPS
        self.clip = Clip(str(path), 1 / rate, rate, len(self.files))

    def frames(self) -> Iterator[Timed]:
        """The pictures, one a tick.

        Raises
        ------
        InputError
            One cannot be read, or has another size than the first.
        """
        shape: tuple[int, ...] | None = None
        for tick, file in enumerate(self.files):
            rgb = read(file, Limits())
            shape = shape or rgb.shape
            if rgb.shape != shape:
                got, expected = (f"{each[1]}x{each[0]}" for each in (rgb.shape, shape))
                raise InputError(file, f"{got} pixels", f"{expected} as {self.files[0].name}", "scale it first")
            yield Timed(rgb, tick)


def _by_number(file: Path) -> tuple[list[str | int], str]:
    parts = re.split(r"([0-9]+)", file.name)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], file.name


class Raw:
    """Raw RGB24 pixels of a pipe.

    Raises
    ------
    OptionError
        The size is none.
    """

    def __init__(self, pipe: BinaryIO, size: tuple[int, int], fps: Fraction | None) -> None:
        self._pipe, self._width, self._height = pipe, *size
        if not 0 < self._width * self._height <= MAX_VIDEO_PIXELS or min(size) < 1:
            raise OptionError("size", f"{size[0]}x{size[1]}", f"1 to {MAX_VIDEO_PIXELS} pixels")
        rate = fps or DEFAULT_FPS
        self.clip = Clip("standard input", 1 / rate, rate, None)

    def frames(self) -> Iterator[Timed]:
        """The frames until the pipe ends.

        Raises
        ------
        InputError
            It ends within a frame, or before the first.
        """
        length = self._width * self._height * 3
        for tick in itertools.count():
            data = self._pipe.read(length)
            if not data and tick:
                return
            if len(data) < length:
                raise InputError(
                    self.clip.name,
                    problem=f"ended within frame {tick + 1} ({len(data)} of {length} bytes)",
                    remedy="check the size",
                )
            yield Timed(np.frombuffer(data, np.uint8).reshape(self._height, self._width, 3), tick)


Source = VideoFile | Animation | Folder | Raw


def open_source(path: Path, start: Fraction, end: Fraction | None, fps: Fraction | None) -> Source:
    """The source that a path names.

    Raises
    ------
    InputError, OptionError
    """
    cut = start or end is not None
    if path.is_dir():
        source: Source = Folder(path, fps)
    elif fps is not None:
        raise OptionError("fps", f"it with {path}, which has its own", remedy="leave it out")
    elif path.suffix.lower() in ANIMATED:
        source = Animation(path)
    else:
        return VideoFile(path, start, end)
    if cut:
        raise OptionError("start" if start else "end", path, "a video file", "cut it first")
    return source
