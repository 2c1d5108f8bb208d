"""What request bodies may take while they come in, of all requests together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from starlette.datastructures import Headers

from matting_api import paths
from matting_api.request.body import FORMS, content_type
from matting_api.request.coding import content_coding

MOST_BODIES = 256  # on the way at once
# Of all files of requests that are not answered yet. A little of each (`multipart.MEMORY_BYTES`) is in memory.
DISK_BYTES = 4 * 2**30
MEMORY_BYTES = 256 * 2**20  # of JSON and urlencoded forms, which lie in memory
YOUNG_SECONDS = 5.0  # so long nobody has to give way
# Where a body of any type but a form with files is the photo itself.
_PHOTO_ITSELF = (paths.CUTOUT, paths.ALPHA, paths.IDPHOTO, paths.SCENE)


class Kind(NamedTuple):
    """What becomes of a body.

    Attributes
    ----------
    in_memory : it is no file.
    is_json : it may be read as JSON, as it comes.
    """

    in_memory: bool
    is_json: bool


def kind_of(path: str, headers: Headers) -> Kind:
    """The kind of a request's body; of no known type, it may be read in any way by the page's own library."""
    kind = content_type(headers)
    in_memory = kind != FORMS[0] and path not in _PHOTO_ITSELF
    return Kind(in_memory, in_memory and content_coding(headers) == "identity" and kind != FORMS[1])


@dataclass(eq=False)
class Body:
    """A body on its way."""

    give_up: Callable[[], None]  # called when it has to give way
    started: float
    in_memory: bool
    size: int = 0
    fetched: int = 0  # bytes of files that were fetched for it


class Incoming:
    """Bodies on their way, bounded in number and bytes.

    When there are too many, the slowest one gives way: however many slow senders there are, they keep nobody out.
    """

    def __init__(self) -> None:
        self._coming: set[Body] = set()
        self._bytes = {True: 0, False: 0}

    def __len__(self) -> int:
        return len(self._coming)

    def begin(self, give_up: Callable[[], None], in_memory: bool) -> Body:
        """Note a request; it counts as soon as it has a body that is not complete."""
        return Body(give_up, time.monotonic(), in_memory)

    def receive(self, body: Body, size: int, is_last: bool) -> bool:
        """Count a part of a body, and say whether there is room for it."""
        body.size += size
        self._bytes[body.in_memory] += size
        if is_last:
            self._coming.discard(body)
        elif body not in self._coming:
            if len(self._coming) >= MOST_BODIES and not self._make_room():
                return False
            self._coming.add(body)
        return self._bytes[body.in_memory] <= (MEMORY_BYTES if body.in_memory else DISK_BYTES)

    def fetch(self, body: Body, size: int) -> bool:
        """Count a part of a file that is fetched for a request, as one of an upload, and say whether there is room."""
        body.fetched += size
        self._bytes[False] += size
        return self._bytes[False] <= DISK_BYTES

    def end(self, body: Body) -> None:
        """Forget a request that is answered."""
        self._coming.discard(body)
        self._bytes[body.in_memory] -= body.size
        self._bytes[False] -= body.fetched
        body.size = body.fetched = 0

    def _make_room(self) -> bool:
        now = time.monotonic()
        old = [body for body in self._coming if now - body.started > YOUNG_SECONDS]
        if not old:
            return False
        slowest = min(old, key=lambda body: body.size / (now - body.started))
        self._coming.discard(slowest)
        slowest.give_up()
        return True
