"""Frames that a caller gives: copied, checked, drawn beside the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matting_client import AsyncMattingClient, InputError, Limits, MattingClient, OptionError, TooLarge, connect
from matting_client.engine import Engine
from numpy.typing import NDArray
from PIL import Image

from tests.unit.client.conftest import SIDE
from tests.unit.client.video_clips import picture


@pytest.fixture(autouse=True)
def _here(local: Path) -> None:
    """The tiny model."""


@pytest.mark.parametrize("smooth", [True, False])
def test_a_buffer_may_bring_every_frame(smooth: bool) -> None:
    buffer = picture(0)

    def frames() -> Iterator[NDArray[np.uint8]]:
        for number in range(7):
            buffer[:] = picture(number)
            yield buffer

    with connect("local") as client:
        for number, cutout in enumerate(client.video(frames(), smooth=smooth)):
            assert np.array_equal(cutout.rgb, picture(number))


def test_an_asynchronous_client_draws_frames_beside_the_event_loop() -> None:
    drawers = set()

    class Engine128:
        model, size = "matting_512", SIDE

        async def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return np.ascontiguousarray(image[..., :1])

    buffer = picture(0)

    def frames() -> Iterator[NDArray[np.uint8]]:
        for number in range(7):
            drawers.add(threading.current_thread())
            buffer[:] = picture(number)
            yield buffer

    async def collect() -> list[NDArray[np.uint8]]:
        client = AsyncMattingClient(Engine128())  # type: ignore[arg-type]
        return [cutout.rgb async for cutout in client.video(frames())]

    assert all(np.array_equal(rgb, picture(number)) for number, rgb in enumerate(asyncio.run(collect())))
    assert threading.main_thread() not in drawers


@pytest.mark.parametrize(
    ("frames", "given", "kind"),
    [
        ("clip.mp4", {}, InputError),
        (7, {}, InputError),
        ([], {"options": {"crop": True}}, OptionError),
        ([], {"in_flight": 0}, OptionError),
        ([], {"in_flight": True}, OptionError),
    ],
)
def test_what_is_no_clip_is_refused_at_once(frames: Any, given: dict[str, Any], kind: type[Exception]) -> None:
    with connect("local") as client, pytest.raises(kind):
        client.video(frames, **given)


def test_frames_that_have_to_be_awaited_want_the_other_client() -> None:
    async def frames() -> AsyncIterator[NDArray[np.uint8]]:
        yield picture(0)

    with connect("local") as client:
        with pytest.raises(InputError, match=r"got a async_generator.*use AsyncMattingClient"):
            client.video(frames())  # type: ignore[arg-type]
        assert len(list(client.video([picture(0)], in_flight=np.int64(2)))) == 1  # type: ignore[arg-type]


def test_frames_that_are_none() -> None:
    with connect("local", limits=Limits(max_pixels=1000)) as client:
        with pytest.raises(InputError, match="frame 1: got a Image, expected uint8"):
            list(client.video([Image.new("RGB", (8, 8))]))  # type: ignore[list-item]
        with pytest.raises(TooLarge, match="frame 1: got 128x96 pixels"):
            list(client.video([picture(0)]))


class Counting:
    """The real engine, which notes how many frames are in it at once."""

    def __init__(self, engine: Engine) -> None:
        self.model, self.size, self._engine = engine.model, engine.size, engine
        self._lock, self._now, self.most = threading.Lock(), 0, 0

    def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.005)  # long enough for the others to come
        try:
            return self._engine.infer(image)
        finally:
            with self._lock:
                self._now -= 1

    def close(self) -> None:
        self._engine.close()


def test_frames_come_in_order_and_several_are_in_flight() -> None:
    drawn = 0

    def frames() -> Iterator[NDArray[np.uint8]]:
        nonlocal drawn
        for number in range(30):
            drawn += 1
            yield picture(number)

    with connect("local") as local_client:
        engine = Counting(local_client.engine)
        for number, cutout in enumerate(MattingClient(engine).video(frames(), in_flight=4)):
            assert np.array_equal(cutout.rgb, picture(number))
            assert drawn <= number + 1 + 2 + 4 + 4  # the filter's reach, and two stages
    assert 2 <= engine.most <= 4


def test_the_asynchronous_twin_gives_the_same() -> None:
    class Engine128:
        model, size = "matting_512", SIDE

        def __init__(self, engine: Engine) -> None:
            self._engine = engine

        async def connect(self) -> Engine128:
            return self

        async def infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return await asyncio.to_thread(self._engine.infer, image)

        async def close(self) -> None:
            self._engine.close()

    frames = [picture(number) for number in range(9)]

    async def collect(engine: Engine) -> list[NDArray[np.uint8]]:
        return [cutout.raw async for cutout in AsyncMattingClient(Engine128(engine)).video(frames)]

    with connect("local") as client:
        expected = [cutout.raw for cutout in client.video(frames)]
        got = asyncio.run(collect(client.engine))
    assert len(got) == len(frames)
    assert all(np.array_equal(one, other) for one, other in zip(got, expected, strict=True))


def test_another_size_within_a_clip_is_refused() -> None:
    with connect("local") as client, pytest.raises(InputError, match="frame 2: got 64x64 pixels, expected 128x96"):
        list(client.video([picture(0), np.zeros((64, 64, 3), np.uint8)]))
