"""Keys and passwords are not found by trying."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from matting_api.errors import ApiError
from matting_api.middleware import guesses
from matting_api.middleware.guesses import Guesses

from tests.unit.api.conftest import Serve
from tests.unit.api.test_gate import KEY
from tests.unit.api.test_removebg import PATH


class Door:
    def __init__(self) -> None:
        self.now = 0.0
        self.counted = Counter[str]()
        self._runner = asyncio.Runner()
        self._guesses = Guesses("password", self._count, lambda: self.now)

    def _count(self, kind: str, outcome: str) -> None:
        assert kind == "password"
        self.counted[outcome] += 1

    def ask(self, address: str, name: str, is_right: bool = False) -> int:
        """0 for an open door, 403 or 429."""
        try:
            return 0 if self._runner.run(self._guesses.judge(address, name, is_right)) else 403
        except ApiError as error:
            assert int(error.headers["Retry-After"]) >= 1
            return error.status


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setattr(guesses, "DELAY_SECONDS", 0.0)
    found = Door()
    yield found
    found._runner.close()


def test_an_address_gets_few_guesses(door: Door) -> None:
    found = Counter[int]()
    for _ in range(24 * 360):  # a day
        found[door.ask("1.1.1.1", "ann")] += 1
        door.now += 10
    assert found[403] < 24 * 3600 / guesses.ADDRESS_LOCK + 30
    assert door.counted == {"failed": found[403], "locked": found[429]}
    assert door.ask("2.2.2.2", "bob", True) == 0  # others notice nothing


def test_a_name_is_not_guessed_from_many_addresses(door: Door) -> None:
    found = Counter(door.ask(f"1.1.{number // 200}.{number % 200}", "ann") for number in range(2000))
    assert found[403] <= guesses.NAME_FAILURES + 1
    assert door.ask("9.9.9.9", "bob", True) == 0


def test_who_was_in_before_is_not_locked_out(door: Door) -> None:
    assert door.ask("5.5.5.5", "ann", True) == 0
    for number in range(200):
        door.ask(f"1.1.1.{number}", "ann")
        door.ask("5.5.5.5", "someone")  # behind the same address
    assert door.ask("5.5.5.5", "ann", True) == 0
    assert door.ask("5.5.5.5", "bob", True) == 429
    assert door.ask("6.6.6.6", "ann", True) == 429


def test_it_is_forgotten(door: Door) -> None:
    for _ in range(30):
        door.ask("1.1.1.1", "ann")
    door.now += guesses.FORGET_SECONDS + 1
    assert door.ask("1.1.1.1", "ann", True) == 0
    for _ in range(guesses.ADDRESS_FAILURES):
        assert door.ask("1.1.1.1", "bob") == 403


def test_what_is_remembered_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MOST_ENTRIES", 100)
    for number in range(1000):
        door.ask(f"1.1.{number // 200}.{number % 200}", f"name {number}")
        door.ask("3.3.3.3", f"right {number}", True)
    found = door._guesses
    assert max(len(found._addresses._records), len(found._names._records), len(found._known)) <= 100


def test_keys(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Two hundred at once over the real server: few are looked at, and those are answered late."""
    api = serve(keys=frozenset({KEY}))
    start = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        asked = (pool.submit(api.post, PATH, headers={"X-Api-Key": f"{number:020}"}) for number in range(200))
        found = Counter(each.result().status_code for each in list(asked))
    assert time.monotonic() - start >= guesses.DELAY_SECONDS
    assert found.keys() == {403, 429} and found[403] <= guesses.ADDRESS_FAILURES + 20  # 20 are on their way at once
    refused = (api.post(PATH, headers={"X-Api-Key": f"{number:021}"}).status_code == 429 for number in range(50))
    assert any(refused)  # on a busy machine the lock may be over by now
    answer = api.post(PATH, headers={"X-Api-Key": KEY})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    text = api.get("/metrics").text
    failed = re.search(r'matting_refused_attempts_total\{kind="key",outcome="failed"\} (\d+)', text)
    assert failed is not None and found[403] <= int(failed[1]) <= found[403] + 50
    assert 'matting_failures_total{code="too_many_attempts"}' in text
    assert "wrong keys from 127.0.0.1: refused for" in caplog.text
    assert KEY not in caplog.text


def test_no_key_is_no_guess(serve: Serve) -> None:
    api = serve(keys=frozenset({KEY}))
    assert {api.post(PATH).status_code for _ in range(30)} == {403}
    assert api.post(PATH, headers={"X-Api-Key": KEY}).status_code == 415
