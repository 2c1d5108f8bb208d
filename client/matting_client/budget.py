"""One budget of memory for all photos that a process works on, whoever brought them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from matting_client.imaging.decode import Limits, measure
from matting_client.system import memory_limit, usable_cores

BYTES_PER_PIXEL = 20  # of a photo in work: its pixels, alpha, colours, result and file
MEGABYTE = 1 << 20
SHARE = 4  # photos have a quarter of the memory; the model, its server and what is kept have the rest
LEAST, MOST = 1024 * MEGABYTE, 256 * MEGABYTE  # a budget needs no more than the larger of these: in all, and a core


def usual_budget() -> int:
    """Bytes for photos: a quarter of what the cgroup or the machine has, and no more than its cores make use of."""
    enough = max(LEAST, MOST * usable_cores())
    limit = memory_limit()
    return enough if limit is None else min(enough, limit // SHARE)


class MemoryBudget:
    """Lets photos in by turns as long as there is room; one that is larger than all of it comes in alone."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._held = 0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait for room for a photo of so many pixels, in the order of coming, and hold it."""
        need = min(self.total, pixels * BYTES_PER_PIXEL)
        turn = object()
        with self._changed:
            self._queue.append(turn)
            try:
                self._changed.wait_for(lambda: self._queue[0] is turn and self._held + need <= self.total)
                self._held += need
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._held -= need
                self._changed.notify_all()


PHOTOS = MemoryBudget(usual_budget())  # of this process


@contextmanager
def room_for(
    data: bytes,
    name: str = "photo",
    limits: Limits | None = None,
    *,
    beside: Iterable[tuple[bytes, str]] = (),
    made: Callable[[int], int] = lambda photo: 0,
) -> Iterator[None]:
    """Hold room for a photo while it is worked on, from its decoding to its result.

    All of it is held at once: two that each hold a part and wait for the other's would wait for ever.

    Parameters
    ----------
    data : the photo's file.
    name : what errors call it.
    beside : files of pictures that are decoded for the same result, and what errors call each.
    made : tells of the photo's pixels how many more are made beside them, such as a canvas.

    Raises
    ------
    InputError
        A header tells that a picture cannot be used.
    """
    photo = measure(data, name, limits)
    with PHOTOS.hold(photo + sum(measure(*file, limits) for file in beside) + made(photo)):
        yield
