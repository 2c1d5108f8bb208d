"""The high-level clients: a photo in, a cutout out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import PIL.Image

from matting_client import processing
from matting_client.cutout import Cutout
from matting_client.engine import AsyncEngine, Engine
from matting_client.errors import InputError
from matting_client.files import Origin
from matting_client.imaging import decode
from matting_client.imaging.decode import GREY, Limits
from matting_client.options import Options, given_options
from matting_client.passes import Passes
from matting_client.settled import settled
from matting_client.timing import Stopwatch
from matting_client.types import Alpha, Image
from matting_client.video.stream import Frames, check_clip, cutouts, cutouts_async

Photo = Image | PIL.Image.Image | bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """A decoded photo and what the model gets of it.

    Attributes
    ----------
    seen : (H, W, 3) the photo, on neutral ground where it is transparent.
    square : (S, S, 3) what the model gets of it, placed by `box`.
    """

    photo: decode.Photo
    seen: Image
    square: Image
    box: processing.Letterbox

    def __repr__(self) -> str:
        height, width = self.seen.shape[:2]
        return f"<Prepared {width}x{height}>"


def load_photo(photo: Photo, limits: Limits | None = None, name: str = "photo") -> decode.Photo:
    """Decode whatever a photo may be given as; its pixels are not shared with the caller.

    Raises
    ------
    InputError
        Not a usable photo; names the path, or `name` for what has none.
    """
    if isinstance(photo, np.ndarray):
        # A plain array, whatever kind of array it was.
        return decode.Photo(np.array(decode.check_pixels(photo, name, limits or Limits()), order="C"))
    if isinstance(photo, PIL.Image.Image):
        return decode.from_pillow(photo, name, limits)
    if isinstance(photo, str | os.PathLike):
        return decode.read_photo(Path(photo), limits)
    if isinstance(photo, bytes | bytearray | memoryview):
        return decode.decode_photo(bytes(photo), name, limits)
    return decode.decode_photo(_content(photo, (limits or Limits()).max_bytes + 1, name), name, limits)


def _content(file: BinaryIO, most: int, name: str) -> bytes:
    if not hasattr(file, "read"):
        expected = "a path, bytes, an open binary file, pixels or a PIL image"
        raise InputError(name, f"a {type(file).__name__}", expected)
    parts: list[bytes] = []
    while most > 0 and (part := _part(file, most, name)):  # a pipe gives less than it is asked for
        parts.append(part)
        most -= len(part)
    if not parts and getattr(file, "seekable", bool)() and file.tell():
        raise InputError(name, "a file at its end", "one at its beginning", "call its seek(0) first")
    return b"".join(parts)


def _part(file: BinaryIO, most: int, name: str) -> bytes:
    try:
        data = file.read(most)
    except (OSError, ValueError) as error:  # closed, or text that is no text
        raise InputError(name, problem=f"cannot be read ({error})", remedy='open it with mode "rb"') from None
    if not isinstance(data, bytes):
        raise InputError(name, f"a file of {type(data).__name__}", "one of bytes", 'open it with mode "rb"')
    return data


def prepare(photo: Photo, size: int, limits: Limits | None = None, name: str = "photo") -> Prepared:
    """Load and letterbox; errors as of `load_photo`."""
    decoded = load_photo(photo, limits, name)
    seen = decoded.on(GREY)
    square, box = processing.letterbox(seen, size)
    return Prepared(decoded, seen, square, box)


def begin_passes(prepared: Prepared, options: Options, watch: Stopwatch) -> Passes:
    """What to ask the model about a photo.

    Raises
    ------
    OptionError
        `options` are none.
    """
    return Passes(prepared.seen, prepared.square, prepared.box, given_options(options), watch)


def finish_cutout(prepared: Prepared, passes: Passes, options: Options, watch: Stopwatch) -> Cutout:
    """From the answered questions to a cutout."""
    assert passes.raw is not None, "all questions are answered"
    photo = prepared.photo
    raw = passes.raw if photo.alpha is None else processing.within_cover(passes.raw, photo.alpha)
    rgb = settled(photo.rgb)
    cover = None if photo.alpha is None else settled(photo.alpha)
    return Cutout(rgb, raw, options, watch.timings, cover, Origin(photo.notes, photo.dpi, photo.exif))


class MattingClient:
    """Cutouts through an engine; safe to use from several threads, which lets the server form batches.

    >>> with connect() as client:  # doctest: +SKIP
    ...     client.cutout("photo.jpg").save("cutout.png")
    """

    def __init__(self, engine: Engine, limits: Limits | None = None) -> None:
        self.engine = engine
        self.limits = limits

    def cutout(self, photo: Photo, options: Options | None = None, name: str = "photo") -> Cutout:
        """Cut the subject out of a photo.

        Parameters
        ----------
        photo : a path, the bytes of a file, an open binary file, a PIL image, or (H, W, 3) uint8 RGB.
        options : how; the defaults give a transparent PNG.
        name : what errors call a photo without a path.

        Raises
        ------
        InputError, OptionError, EngineError
        """
        options = given_options(options)
        watch = Stopwatch()
        with watch.step("decode"):
            prepared = prepare(photo, self.engine.size, self.limits, name)
            passes = begin_passes(prepared, options, watch)
        while passes.squares is not None:
            passes.answer(self.engine.infer(passes.squares))
        return finish_cutout(prepared, passes, options, watch)

    def alpha(self, photo: Photo, name: str = "photo") -> Alpha:
        """(H, W) uint8 alpha of a photo, the caller's own to change; errors as of `cutout`."""
        return self.cutout(photo, name=name).raw.copy()

    def video(
        self, frames: Iterable[Image], options: Options | None = None, *, smooth: bool = True, in_flight: int = 4
    ) -> Iterator[Cutout]:
        """Cut the subject out of every frame of a clip, in order and without flicker.

        Parameters
        ----------
        frames : (H, W, 3) uint8 RGB, all of one size; drawn as they are needed, so a clip may be of any length, and
            copied, so one array may bring them all.
        options : as of a photo.
        smooth : let neighbouring frames agree; two frames are read ahead for it.
        in_flight : frames that are worked on at once, which lets the server form batches.

        Raises
        ------
        InputError, OptionError, EngineError
        """
        options = given_options(options)
        checked = Frames(self.limits or Limits())
        check_clip(frames, in_flight)
        made = cutouts(self.engine, map(checked.copied, frames), options, smooth=smooth, in_flight=in_flight)
        return (cutout for cutout, _ in made)

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncMattingClient:
    """`MattingClient` for asyncio: pixels are worked on in threads, the event loop only waits."""

    def __init__(self, engine: AsyncEngine, limits: Limits | None = None) -> None:
        self.engine = engine
        self.limits = limits

    async def cutout(self, photo: Photo, options: Options | None = None, name: str = "photo") -> Cutout:
        """Cut the subject out of a photo; parameters and errors as of `MattingClient.cutout`."""
        options = given_options(options)
        watch = Stopwatch()
        if not self.engine.size:
            await self.engine.connect()
        with watch.step("decode"):
            prepared = await asyncio.to_thread(prepare, photo, self.engine.size, self.limits, name)
            passes = await asyncio.to_thread(begin_passes, prepared, options, watch)
        while passes.squares is not None:
            await asyncio.to_thread(passes.answer, await self.engine.infer(passes.squares))
        return finish_cutout(prepared, passes, options, watch)

    async def alpha(self, photo: Photo, name: str = "photo") -> Alpha:
        """(H, W) uint8 alpha of a photo, the caller's own to change; errors as of `cutout`."""
        return (await self.cutout(photo, name=name)).raw.copy()

    def video(
        self,
        frames: Iterable[Image] | AsyncIterable[Image],
        options: Options | None = None,
        *,
        smooth: bool = True,
        in_flight: int = 4,
    ) -> AsyncIterator[Cutout]:
        """Cut the subject out of every frame of a clip; parameters and errors as of `MattingClient.video`."""
        options = given_options(options)
        checked = Frames(self.limits or Limits())
        check_clip(frames, in_flight, awaited=True)
        return cutouts_async(self.engine, frames, options, checked, smooth=smooth, in_flight=in_flight)

    async def close(self) -> None:
        """Close the engine."""
        await self.engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
