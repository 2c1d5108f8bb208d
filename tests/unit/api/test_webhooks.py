"""What messages to other servers cost this one, and that none of them is lost or sent for ever."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from matting_api.jobs import rounds, webhooks
from matting_api.jobs.webhooks import PAUSES, Webhooks
from matting_api.request.fetch import Fetcher
from persistqueue import SQLiteAckQueue

from tests.unit.api.conftest import Serve, error, wait_until
from tests.unit.api.test_jobs import send

SECRET = b"a secret of twenty-four or more"
URL = "https://example.com/done"


class Receiver:
    """Stands for the fetcher: answers with what `answer` gives or raises."""

    def __init__(self, answer: Callable[[], int] = lambda: 204) -> None:
        self.sent: list[str] = []
        self._answer = answer

    async def post(self, url: str, field: str, body: bytes, headers: dict[str, str]) -> int:
        self.sent.append(headers["webhook-id"])
        return self._answer()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAUSES", (0.0,) * len(PAUSES))
    monkeypatch.setattr(rounds, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(rounds, "LONGEST_PAUSE", 0.02)


def opened(folder: Path, receiver: Receiver) -> Webhooks:
    return Webhooks(folder, SECRET, cast(Fetcher, receiver))


def queue_of(folder: Path) -> SQLiteAckQueue:
    return SQLiteAckQueue(str(folder), serializer=webhooks.json_serializer, db_file_name="webhooks.db")


def left_in(folder: Path) -> int:
    with sqlite3.connect(folder / "webhooks.db") as database:
        return int(database.execute("SELECT COUNT(*) FROM ack_queue_default WHERE status < 5").fetchone()[0])


def test_nothing_of_an_answer_is_read() -> None:
    """This one has no end, and unpacks to a thousand times as much."""
    asked: list[bytes] = []
    zeros = zlib.compressobj(wbits=31)
    endless = zeros.compress(bytes(2**26)) + zeros.flush(zlib.Z_SYNC_FLUSH)

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(65536))
            head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
            try:
                connection.sendall(head)
                while True:
                    connection.sendall(b"%x\r\n%b\r\n" % (len(endless), endless))
                    time.sleep(0.01)
            except OSError:
                pass  # it hung up

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        fetcher = Fetcher(2**20, lambda address: True, ports=None)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert asyncio.run(fetcher.post(url, "webhook", b"{}", {"webhook-id": "1"})) == 200
        thread.join(20)
        assert not thread.is_alive()
    lines = asked[0].lower().split(b"\r\n")
    assert b"accept-encoding: identity" in lines
    assert sum(line.startswith(b"accept-encoding") for line in lines) == 1


def test_an_attempt_is_written_down_before_it_is_made(tmp_path: Path) -> None:
    """So that a message at which the process ends is known by the next ones."""
    noted: list[bytes] = []

    def look() -> int:
        with sqlite3.connect(tmp_path / "webhooks.db") as database:
            noted.extend(bytes(row[0]) for row in database.execute("SELECT data FROM ack_queue_default"))
        return 500 if len(noted) < 3 else 204

    receiver = Receiver(look)
    hooks = opened(tmp_path, receiver)
    hooks.send(URL, "job", {})
    wait_until(lambda: left_in(tmp_path) == 0)
    hooks.close()
    assert len(noted) == 3 and all(b'"attempts": %d' % (number + 1) in each for number, each in enumerate(noted))


def test_a_message_that_ends_the_process_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    message = {"url": URL, "job": "old", "message": {}}
    queue = queue_of(tmp_path)
    queue.put({**message, "job": "bad", "attempts": len(PAUSES)})  # as processes leave it
    queue.put({**message, "job": "tried", "attempts": len(PAUSES) - 1})
    queue.put(message)  # of an earlier version
    del queue
    receiver = Receiver()
    hooks = opened(tmp_path, receiver)
    wait_until(lambda: left_in(tmp_path) == 0)
    hooks.close()
    assert receiver.sent == ["tried", "old"]
    assert "job bad: its webhook was given up" in caplog.text


@pytest.mark.parametrize("method", ["get", "update", "ack", "clear_acked_data"])
def test_messages_go_on_after_a_full_disk(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, left = getattr(SQLiteAckQueue, method), [2]

    def fail(*args: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return whole(*args, **named)

    monkeypatch.setattr(SQLiteAckQueue, method, fail)
    receiver = Receiver()
    hooks = opened(tmp_path, receiver)
    for job in ("one", "two"):
        hooks.send(URL, job, {})
    wait_until(lambda: left == [0] and left_in(tmp_path) == 0)
    hooks.close()
    assert receiver.sent == ["one", "two"]  # each once, too


def test_a_receiver_that_is_gone_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAUSES", (0.0, 3600.0))

    class Gone(Receiver):
        async def post(self, url: str, field: str, body: bytes, headers: dict[str, str]) -> int:
            await super().post(url, field, body, headers)
            return 503 if url != URL else 204

    receiver = Gone()
    hooks = opened(tmp_path, receiver)
    hooks.send(f"{URL}/gone", "one", {})
    wait_until(lambda: receiver.sent == ["one"])
    hooks.send(URL, "two", {})
    wait_until(lambda: receiver.sent == ["one", "two"] and left_in(tmp_path) == 1)
    hooks.close()


def test_a_slow_receiver_holds_up_only_its_own(tmp_path: Path) -> None:
    class Slow(Receiver):
        async def post(self, url: str, field: str, body: bytes, headers: dict[str, str]) -> int:
            await super().post(url, field, body, headers)
            await asyncio.sleep(3600 if url != URL else 0)
            return 204

    receiver = Slow()
    hooks = opened(tmp_path, receiver)
    for job in ("one", "two"):
        hooks.send("https://slow.example.com/done", job, {})
    wait_until(lambda: receiver.sent == ["one"])
    hooks.send(URL, "three", {})
    wait_until(lambda: receiver.sent == ["one", "three"] and left_in(tmp_path) == 2)
    hooks.close()  # at once


def test_an_address_that_is_never_called_is_refused_at_once(serve: Serve, tmp_path: Path, disc: bytes) -> None:
    client = serve(urls=True, jobs_folder=tmp_path / "jobs", webhook_secret=SECRET)
    for address, word in (
        ("http://127.0.0.1/done", "own network"),
        ("https://10.0.0.5/done", "own network"),
        ("https://1.1.1.1:8443/done", "port 8443"),
    ):
        answer = send(client, {"a.png": disc}, webhook=address)
        assert (answer.status_code, error(answer)["code"]) == (400, "webhook_refused"), answer.text
        assert word in error(answer)["detail"]
    assert send(client, {"a.png": disc}, webhook="https://nobody.invalid/done").status_code == 202  # may come back


def test_what_nobody_foresaw_is_an_attempt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> int:
        raise RuntimeError("nobody thought of it")

    receiver = Receiver(fail)
    hooks = opened(tmp_path, receiver)
    hooks.send(URL, "job", {})
    wait_until(lambda: left_in(tmp_path) == 0)
    hooks.close()
    assert receiver.sent == ["job"] * len(PAUSES)
    assert "given up: RuntimeError" in caplog.text
