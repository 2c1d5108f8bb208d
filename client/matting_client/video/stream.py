"""Frames in, cutouts out: in order, several in flight, so that a server forms batches of one clip and of several."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from typing import TypeVar

import numpy as np

from matting_client import processing
from matting_client.cutout import Cutout
from matting_client.engine import AsyncEngine, Engine
from matting_client.errors import InputError, OptionError, shown
from matting_client.imaging.decode import Limits, check_pixels
from matting_client.options import Options
from matting_client.processing.letterbox import without_padding
from matting_client.settled import settled
from matting_client.system import usable_cores
from matting_client.types import Image
from matting_client.video.still import Still
from matting_client.video.temporal import REACH, Look, Window

IN_FLIGHT = 4  # frames that are worked on at once
Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """A frame and what the model gets of it; `pha` (S, S) is its alpha there."""

    rgb: Image
    square: Image
    box: processing.Letterbox
    pha: Image

    @classmethod
    def answered(cls, rgb: Image, square: Image, box: processing.Letterbox, alphas: Image) -> Frame:
        """With the model's (1, S, S, 1) answer."""
        return cls(rgb, square, box, processing.solidify(alphas[0, ..., 0], box))

    @property
    def look(self) -> Look:
        """The frame at the model's resolution."""
        return Look(without_padding(self.square, self.box), without_padding(self.pha, self.box))

    def with_alpha(self, small: Image) -> Frame:
        """The same frame with another alpha (h, w) of the model's resolution, without padding."""
        pha = np.zeros_like(self.pha)
        pha[self.box.inside] = small
        return Frame(self.rgb, self.square, self.box, pha)

    def full_alpha(self, refine: bool) -> Image:
        """Alpha (H, W) of the frame's own size."""
        if refine:
            return processing.refine(self.rgb, self.square, self.pha, self.box)
        return processing.unletterbox(self.pha, self.box)


def pixel_workers(in_flight: int) -> int:
    """Frames whose pixels are worked on at once: those beyond the cores would only take memory."""
    return min(in_flight, usable_cores())


def check_clip(frames: object, in_flight: object, *, awaited: bool = False) -> None:
    """Refuse what is no clip, before anything is done; `awaited`: frames may come of an `async for`, too.

    Raises
    ------
    InputError
        `frames` are a file, or nothing that gives one after the other.
    OptionError
        `in_flight` is no number of frames.
    """
    is_awaited = isinstance(frames, AsyncIterable)
    if isinstance(frames, str | bytes | bytearray) or not (isinstance(frames, Iterable) or (awaited and is_awaited)):
        expected = "frames, uint8 (H, W, 3) RGB, one after the other"
        remedy = "use AsyncMattingClient" if is_awaited else "decode the clip, or use `matting video`"
        raise InputError("frames", f"a {type(frames).__name__}", expected, remedy)
    if not isinstance(in_flight, Integral) or isinstance(in_flight, bool) or in_flight < 1:
        raise OptionError("in_flight", shown(in_flight), "a whole number from 1 on")


class Frames:
    """Checks the frames of one clip: (H, W, 3) uint8 RGB, all of one size, within the limits if there are any."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits
        self._shape: tuple[int, ...] | None = None
        self._count = 0

    def check(self, rgb: Image) -> Image:
        """The frame.

        Raises
        ------
        InputError
            It is no picture, too large, or has another size than the first.
        """
        self._count += 1
        check_pixels(rgb, f"frame {self._count}", self._limits)
        self._shape = self._shape or rgb.shape
        if rgb.shape != self._shape:
            got, expected = (f"{shape[1]}x{shape[0]}" for shape in (rgb.shape, self._shape))
            raise InputError(f"frame {self._count}", f"{got} pixels", f"{expected} as the first", "scale it first")
        return rgb

    def copied(self, rgb: Image) -> Image:
        """A copy of somebody's frame, whose array may bring the next one, too; errors as of `check`."""
        return np.array(self.check(rgb), order="C")


def in_order(
    pool: Executor, work: Callable[[Given], Made], items: Iterable[Given], most: int = IN_FLIGHT
) -> Iterator[Made]:
    """`work(item)` of every item, in order, at most `most` at a time; the items are drawn as they are needed."""
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class Smoother:
    """Gives frames their smoothed alphas, `REACH` frames later."""

    def __init__(self) -> None:
        self._window = Window()
        self._waiting: deque[Frame] = deque()
        self._done = 0

    def add(self, frame: Frame) -> Iterator[Frame]:
        """Take the next frame; gives the one whose turn it is, if any."""
        self._window.add(frame.look)
        self._waiting.append(frame)
        if len(self._waiting) > REACH:
            yield self._next()

    def rest(self) -> Iterator[Frame]:
        """Those that still wait, once no frame follows."""
        while self._waiting:
            yield self._next()

    def _next(self) -> Frame:
        frame = self._waiting.popleft().with_alpha(self._window.averaged(self._done))
        self._done += 1
        return frame


def _smoothed(frames: Iterable[Frame]) -> Iterator[Frame]:
    smoother = Smoother()
    for frame in frames:
        yield from smoother.add(frame)
    yield from smoother.rest()


class Steady:
    """Makes cutouts of a clip's frames, in order; where the picture stands still, so does the alpha.

    Attributes
    ----------
    state : behind the last frame.
    """

    def __init__(self, options: Options, state: Still, *, smooth: bool) -> None:
        self.state = state
        self._options = options
        self._smooth = smooth

    def cutout(self, frame: Frame, pha: Image) -> Cutout:
        """The next frame's, from its alpha (H, W)."""
        if self._smooth:
            self.state = self.state.after(without_padding(frame.square, frame.box), pha)
            pha = settled(self.state.shown) if self.state.shown is not None else pha
        return Cutout(settled(frame.rgb), pha, self._options)


def cutouts(
    engine: Engine,
    frames: Iterable[Image],
    options: Options,
    *,
    smooth: bool = True,
    still: Still | None = None,
    skip: int = 0,
    in_flight: int = IN_FLIGHT,
) -> Generator[tuple[Cutout, Still], None, None]:
    """A cutout of every frame, in order, and the state behind it.

    Parameters
    ----------
    engine : the model.
    frames : (H, W, 3) uint8 RGB, all of one size; drawn as they are needed, and nobody else's from then on.
    options : as of a photo.
    smooth : let neighbouring frames agree; else each is a photo of its own.
    still : the state behind the frame before, to go on from.
    skip : so many frames at the beginning are only there for the others' sake.
    in_flight : frames that the model gets at once.

    Raises
    ------
    InputError
        A frame is none, or has another size than the first.
    EngineError
    """
    checked = Frames()
    steady = Steady(options, still or Still(), smooth=smooth)

    def ask(rgb: Image) -> Frame:
        square, box = processing.letterbox(rgb, engine.size)
        return Frame.answered(rgb, square, box, engine.infer(square[None]))

    def finish(frame: Frame) -> tuple[Frame, Image]:
        return frame, frame.full_alpha(options.refine)

    def show(finished: tuple[Frame, Image]) -> tuple[Cutout, Still]:
        return steady.cutout(*finished), steady.state

    with ThreadPoolExecutor(in_flight) as pool:
        answered = in_order(pool, ask, map(checked.check, frames), in_flight)
        averaged = _smoothed(answered) if smooth else answered
        wanted = (frame for number, frame in enumerate(averaged) if number >= skip)
        # Not a loop, whose variables would keep a frame while the next one is made.
        yield from map(show, in_order(pool, finish, wanted, pixel_workers(in_flight)))


async def cutouts_async(
    engine: AsyncEngine,
    frames: Iterable[Image] | AsyncIterable[Image],
    options: Options,
    checked: Frames,
    *,
    smooth: bool = True,
    in_flight: int = IN_FLIGHT,
) -> AsyncIterator[Cutout]:
    """`cutouts` for asyncio: pixels are worked on in threads, as is drawing from what is no `AsyncIterable`.

    The frames may be somebody's: they are copied. Other parameters and errors as of `cutouts`.
    """
    if not engine.size:
        await engine.connect()
    smoother = Smoother()
    steady = Steady(options, Still(), smooth=smooth)

    async def ask(rgb: Image) -> Frame:
        square, box = await asyncio.to_thread(processing.letterbox, rgb, engine.size)
        return Frame.answered(rgb, square, box, await engine.infer(square[None]))

    def finish(frame: Frame) -> Cutout:
        return steady.cutout(frame, frame.full_alpha(options.refine))

    waiting: deque[asyncio.Task[Frame]] = deque()

    async def answered() -> AsyncIterator[Frame]:
        async for rgb in _each(frames):
            waiting.append(asyncio.ensure_future(ask(await asyncio.to_thread(checked.copied, rgb))))
            if len(waiting) >= in_flight:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()

    try:
        async for frame in answered():
            ready = await asyncio.to_thread(list, smoother.add(frame)) if smooth else [frame]
            for each in ready:
                yield await asyncio.to_thread(finish, each)
        async for each in _drawn(smoother.rest()):
            yield await asyncio.to_thread(finish, each)
    finally:
        for task in waiting:
            task.cancel()


async def _each(frames: Iterable[Image] | AsyncIterable[Image]) -> AsyncIterator[Image]:
    if isinstance(frames, AsyncIterable):
        async for frame in frames:
            yield frame
    else:
        async for frame in _drawn(frames):
            yield frame


async def _drawn(items: Iterable[Given]) -> AsyncIterator[Given]:
    """Each item, drawn in a thread: it may be long in coming, as from a file or a camera."""
    drawn = iter(items)
    while taken := await asyncio.to_thread(lambda: list(islice(drawn, 1))):  # no StopIteration passes through a future
        yield taken.pop()
