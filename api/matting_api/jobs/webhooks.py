"""Tells other servers that a job is over, signed as Standard Webhooks (standardwebhooks.com) has it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from matting_client import OptionError
from persistqueue import Empty, SQLiteAckQueue
from persistqueue.serializers import json as json_serializer

from matting_api.errors import ApiError
from matting_api.jobs.rounds import keep_going
from matting_api.request.fetch import Fetcher

PAUSES = (0.0, 2.0, 10.0, 30.0, 120.0)  # seconds before each attempt
POLL_SECONDS = 0.5
AT_ONCE = 16  # receivers that are called
FEWEST = 24  # characters of a secret
log = logging.getLogger("jobs")


def load_secret(path: Path) -> bytes:
    """The secret of a file.

    Raises
    ------
    OptionError
        The file cannot be read, or the secret is too short.
    """
    try:
        secret = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(path, problem=f"cannot be read as text ({error})", remedy="check the path") from None
    if len(secret) < FEWEST:
        raise OptionError(path, f"{len(secret)} characters", f"a secret of {FEWEST} or more (openssl rand -hex 24)")
    return secret.encode()


def signature(secret: bytes, message: str, moment: int, body: bytes) -> str:
    """The header `webhook-signature` of a message with this id, sent at this Unix time."""
    signed = f"{message}.{moment}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, sha256)).decode()


@dataclass
class _Message:
    """A message on its way.

    Attributes
    ----------
    place : in the queue.
    attempts : so far, of earlier processes, too.
    due : `time.monotonic()` of the next one.
    sending : the attempt that is being made.
    settled : delivered or given up, which the queue may not know yet.
    """

    place: int
    url: str
    job: str
    message: dict[str, Any]
    attempts: int = 0
    due: float = 0.0
    sending: asyncio.Task[str] | None = None
    settled: bool = False

    @property
    def receiver(self) -> str:
        """The host that is called."""
        return urlsplit(self.url).netloc

    def kept(self) -> dict[str, Any]:
        """What the queue keeps, beside the attempts."""
        return {"url": self.url, "job": self.job, "message": self.message}

    def pause(self) -> None:
        """Wait for the next attempt; after the last one there is nothing to wait for."""
        seconds = PAUSES[self.attempts] if self.attempts < len(PAUSES) else 0.0
        self.due = time.monotonic() + seconds


class Webhooks:
    """Delivers messages, each at least once unless its receiver refuses it five times.

    One that waits for its next attempt holds up no other, and a slow receiver only its own.

    Parameters
    ----------
    folder : of the queue, which outlives the process.
    secret : signs.
    fetcher : reaches public addresses only.
    """

    def __init__(self, folder: Path, secret: bytes, fetcher: Fetcher) -> None:
        self._secret = secret
        self._fetcher = fetcher
        self._stop = threading.Event()
        self._messages: list[_Message] = []  # in work
        self._runner = asyncio.Runner()  # of the attempts, which go on while it runs anything
        self._queue = SQLiteAckQueue(
            str(folder), multithreading=True, serializer=json_serializer, db_file_name="webhooks.db"
        )
        self._thread = threading.Thread(
            target=keep_going, args=(self._round, self._stop, "webhooks"), name="webhooks", daemon=True
        )
        self._thread.start()

    def send(self, url: str, job: str, message: dict[str, Any]) -> None:
        """Queue a message about a job; it has the job's id, by which a receiver knows one that comes twice."""
        self._queue.put({"url": url, "job": job, "message": message})

    def close(self) -> None:
        """Stop; what is not delivered is left to the next process."""
        self._stop.set()
        self._thread.join()
        self._runner.close()  # breaks attempts off

    def _round(self) -> None:
        """Make the attempts that are due, and note what became of others; where the queue's disk fails, in the next."""
        self._take()
        for message in self._due():
            self._begin(message)
        if any(each.sending for each in self._messages):
            self._runner.run(self._wait())
        elif not any(each.settled for each in self._messages):
            self._queue.put_event.wait(POLL_SECONDS)  # the queue's own wait follows the wall clock
            self._queue.put_event.clear()
        for message in [each for each in self._messages if each.settled or (each.sending and each.sending.done())]:
            self._end(message)

    def _due(self) -> list[_Message]:
        """Messages whose time has come, one for each receiver that is not called already."""
        calls = [each for each in self._messages if each.sending]
        busy = {each.receiver for each in calls}
        found: list[_Message] = []
        for message in sorted(self._messages, key=lambda each: each.due):
            if message.due > time.monotonic() or len(calls) + len(found) >= AT_ONCE:
                break
            if not message.settled and message.receiver not in busy:
                busy.add(message.receiver)
                found.append(message)
        return found

    async def _wait(self) -> None:
        """Until an attempt ends, or something new may have come."""
        sending = [each.sending for each in self._messages if each.sending]
        await asyncio.wait(sending, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    def _take(self) -> None:
        """Take what has been queued."""
        while True:
            try:
                item = self._queue.get(block=False, raw=True)
            except Empty:
                return
            message = _Message(item["pqid"], **item["data"])
            message.pause()
            self._messages.append(message)

    def _begin(self, message: _Message) -> None:
        """Make an attempt, if there is one left."""
        if message.attempts >= len(PAUSES):
            self._give_up(message, "the server ended at each attempt")
            return
        # Before it is sent: one that ends the process is given up, too.
        self._queue.update({**message.kept(), "attempts": message.attempts + 1}, id=message.place)
        message.attempts += 1
        message.sending = self._runner.get_loop().create_task(self._send(message))

    def _end(self, message: _Message) -> None:
        """Note what became of an attempt, and forget a message that is settled."""
        if message.sending:
            reason, message.sending = message.sending.result(), None
            message.settled = not reason
            message.pause()
            if reason and message.attempts >= len(PAUSES):
                self._give_up(message, reason)
        if message.settled:
            self._queue.ack(id=message.place)
            self._messages.remove(message)
            self._queue.clear_acked_data(keep_latest=0)

    def _give_up(self, message: _Message, reason: str) -> None:
        log.error("job %s: its webhook was given up: %s", message.job, reason)
        message.settled = True

    async def _send(self, message: _Message) -> str:
        """Why a message was not delivered; "" where it was."""
        body = json.dumps(message.message).encode()
        moment = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.job,
            "webhook-timestamp": str(moment),
            "webhook-signature": signature(self._secret, message.job, moment, body),
        }
        try:
            status = await self._fetcher.post(message.url, "webhook", body, headers)
        except ApiError as error:
            return error.detail
        except Exception as error:  # other servers may answer anything
            log.warning("job %s: its webhook failed", message.job, exc_info=error)
            return type(error).__name__
        return "" if 200 <= status < 300 else f"answered {status}"
