"""Tells other servers that a job is over, signed as Standard Webhooks (standardwebhooks.com) has it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from matting_client import OptionError
from persistqueue import Empty, SQLiteAckQueue
from persistqueue.serializers import json as json_serializer

from matting_api.errors import ApiError
from matting_api.request.fetch import Fetcher

PAUSES = (0.0, 2.0, 10.0, 30.0, 120.0)  # seconds before each attempt
POLL_SECONDS = 0.5
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
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(path, problem=f"cannot be read as text ({error})", remedy="check the path") from None
    if len(secret) < FEWEST:
        raise OptionError(path, f"{len(secret)} characters", f"a secret of {FEWEST} or more (openssl rand -hex 24)")
    return secret.encode()


def signature(secret: bytes, message: str, moment: int, body: bytes) -> str:
    """The header `webhook-signature` of a message with this id, sent at this Unix time."""
    signed = f"{message}.{moment}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, sha256)).decode()


class Webhooks:
    """Delivers messages, each at least once unless its receiver refuses it five times.

    Parameters
    ----------
    folder : of the queue, which outlives the process.
    secret : signs.
    fetcher : reaches public addresses only.
    """

    def __init__(self, folder: Path, secret: bytes, fetcher: Fetcher) -> None:
        self._secret, self._fetcher = secret, fetcher
        self._stop = threading.Event()
        self._queue = SQLiteAckQueue(
            str(folder), multithreading=True, serializer=json_serializer, db_file_name="webhooks.db"
        )
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def send(self, url: str, job: str, message: dict[str, Any]) -> None:
        """Queue a message about a job; it has the job's id, by which a receiver knows one that comes twice."""
        self._queue.put({"url": url, "job": job, "message": message})

    def close(self) -> None:
        """Stop; what is not delivered is left to the next process."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                item = self._queue.get(timeout=POLL_SECONDS, raw=True)
            except Empty:
                continue
            if self._deliver(**item["data"]):
                self._queue.ack(id=item["pqid"])
                self._queue.clear_acked_data(keep_latest=0)

    def _deliver(self, url: str, job: str, message: dict[str, Any]) -> bool:
        """Whether it is settled: delivered, or given up."""
        body = json.dumps(message).encode()
        reason = ""
        for pause in PAUSES:
            if self._stop.wait(pause):
                return False
            moment = int(time.time())
            headers = {
                "Content-Type": "application/json",
                "webhook-id": job,
                "webhook-timestamp": str(moment),
                "webhook-signature": signature(self._secret, job, moment, body),
            }
            try:
                status = asyncio.run(self._fetcher.post(url, "webhook", body, headers))
                if 200 <= status < 300:
                    return True
                reason = f"answered {status}"
            except ApiError as error:
                reason = error.detail
        log.error("job %s: its webhook was given up: %s", job, reason)
        return True
