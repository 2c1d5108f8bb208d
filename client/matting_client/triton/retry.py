"""When to ask the server again, and what its answers mean."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tritonclient.utils import InferenceServerException

from matting_client.errors import EngineError, ModelError, ServerBusy, ServerUnavailable

BUSY = ("maximum queue size", "timeout expired")  # the batcher refuses, or waited too long
UNKNOWN = "unknown model"
RESTRICTED = "protocol is restricted"  # the server wants a token that this client does not have; comes as UNAVAILABLE
LATE = ("Deadline Exceeded", "DEADLINE_EXCEEDED", "timed out")
# A server that starts or stops, and a crashed model process that is about to be revived.
TEMPORARY_CODES = ("UNAVAILABLE", "CANCELLED", "502", "503")
DEAD_STUB = "is not healthy"  # the server says so of a model process that has died
TEMPORARY_SIGNS = (
    DEAD_STUB,
    "is not ready",
    "not at ready state",
    "no available versions",
    "unloaded",
    "Connection refused",
    "Socket closed",
    "Failed to process the request",
)


@dataclass(frozen=True)
class Retry:
    """Waits between attempts.

    They double from `first` to `longest` seconds, each shortened at random by up to half so that many clients do not
    come back at once, until `budget` seconds have passed since the first failure. The default outlives the restart of a
    crashed model process (10 s) with room to spare. `budget` 0 never retries.
    """

    budget: float = 30.0
    first: float = 0.05
    longest: float = 1.0

    def waits(self) -> Iterator[float]:
        """Seconds to wait before each further attempt; the time that attempts take counts too."""
        end = time.monotonic() + self.budget
        wait = self.first
        while (left := end - time.monotonic()) > 0:
            yield min(wait * random.uniform(0.5, 1.0), left)
            wait = min(2 * wait, self.longest)


class RegionForgotten(ModelError):
    """The server does not know a shared-memory region: it has restarted, or another one stands behind the address."""


class Attempts:
    """What follows each failed attempt at one request.

    Parameters
    ----------
    retry : waits between attempts.
    """

    def __init__(self, retry: Retry) -> None:
        self._waits = retry.waits()
        self._forgotten = 0  # times in a row

    @property
    def is_memory_in_vain(self) -> bool:
        """Whether regions are forgotten by no restart: several servers stand behind the address."""
        return self._forgotten >= 2

    def pause(self, error: RegionForgotten | ServerBusy | ServerUnavailable) -> float:
        """Seconds to wait before the next attempt.

        Raises
        ------
        ServerBusy, ServerUnavailable
            The error itself: the budget is spent.
        """
        if isinstance(error, RegionForgotten):
            self._forgotten += 1
            return 0.0
        self._forgotten = 0
        wait = next(self._waits, None)
        if wait is None:
            raise error
        return wait


def region_forgotten(url: str) -> RegionForgotten:
    """The error of a server that does not know a region, or wants another one's token for it."""
    return RegionForgotten(url, problem="the server does not know our shared memory", remedy="leave shared_memory out")


def translate(error: Exception, url: str, model: str) -> EngineError:
    """The package's error for whatever a transport raised; only ServerBusy and ServerUnavailable are worth a retry."""
    if isinstance(error, EngineError):
        return error
    text = str(error)
    status = str(error.status() or "") if isinstance(error, InferenceServerException) else ""
    line = " ".join(text.split()) or type(error).__name__
    if any(sign in text.lower() for sign in BUSY):
        return ServerBusy(
            url, problem=f"the queue of {model} is full", remedy="try again later or send fewer photos at once"
        )
    if isinstance(error, TimeoutError) or any(sign in text or sign in status for sign in LATE):
        return ServerUnavailable(
            url, problem=f"{model} did not answer in time", remedy="send fewer photos at once or raise timeout"
        )
    if RESTRICTED in text:  # with the token of one server at another's door
        return region_forgotten(url)
    if not isinstance(error, InferenceServerException) or _temporary(text, status):
        gone = ServerUnavailable(
            url, problem=f"no answer from {model} ({line})", remedy="start the server with `matting serve` or ./run.sh"
        )
        gone.answered = DEAD_STUB in text
        return gone
    remedy = ""
    if UNKNOWN in text:
        remedy = "choose one that the server has, such as matting_512 or matting_1024"
    elif "404" in status:
        remedy = "give the address of Triton, not that of the page"
    return ModelError(url, problem=f"{model} refused the request: {line}", remedy=remedy)


def _temporary(text: str, status: str) -> bool:
    return any(code in status for code in TEMPORARY_CODES) or any(sign in text for sign in TEMPORARY_SIGNS)


def has_forgotten(error: Exception) -> bool:
    """Whether a refusal means that the server does not know a shared-memory region, as after its restart."""
    text = str(error).lower()
    return isinstance(error, InferenceServerException) and "unable to find" in text and "shared memory region" in text


def is_in_use(error: Exception) -> bool:
    """Whether the server refuses to unregister a shared-memory region because a request still holds it."""
    return isinstance(error, InferenceServerException) and "currently in use" in str(error)
