"""Frames that a caller gives: copied, checked, drawn beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matting_client import AsyncMattingClient, InputError, Limits, OptionError, TooLarge, connect
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


def test_frames_that_are_none() -> None:
    with connect("local", limits=Limits(max_pixels=1000)) as client:
        with pytest.raises(InputError, match="frame 1: got a Image, expected uint8"):
            list(client.video([Image.new("RGB", (8, 8))]))  # type: ignore[list-item]
        with pytest.raises(TooLarge, match="frame 1: got 128x96 pixels"):
            list(client.video([picture(0)]))
