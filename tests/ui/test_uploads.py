"""How much visitors may put down."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from matting_ui.errors import UploadError
from matting_ui.uploads import Bounds, Shelf
from matting_ui.visitors import Visitors
from starlette.requests import HTTPConnection

from tests.support.folders import coming_and_going

BOUNDS = Bounds(files=3, bytes=1000, all_files=8, all_bytes=3000, free_bytes=0)


@pytest.fixture
def visitors(tmp_path: Path) -> Visitors:
    return Visitors(tmp_path.resolve())


def put(shelf: Shelf, caller: tuple[str, str], size: int) -> Path:
    """An upload that arrives, as Gradio lays it down."""
    with shelf.place(caller, size) as folder:
        path = folder / "digest" / "photo.jpg"
        path.parent.mkdir()
        path.write_bytes(bytes(size))
    return path


def refusal(shelf: Shelf, caller: tuple[str, str], size: int) -> tuple[int, str]:
    with pytest.raises(UploadError) as caught:
        put(shelf, caller, size)
    return caught.value.status, str(caught.value)


def test_one_visitor_is_bounded_in_bytes_and_number(visitors: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shelf, "REST", 0)  # what is removed here is seen at once
    shelf = Shelf(visitors, BOUNDS)
    first = put(shelf, ("1", "a"), 900)
    assert refusal(shelf, ("1", "a"), 200)[0] == 429
    put(shelf, ("1", "a"), 50)
    put(shelf, ("1", "a"), 50)
    status, text = refusal(shelf, ("1", "a"), 0)
    assert status == 429 and "3 files" in text
    put(shelf, ("1", "b"), 200)
    first.unlink()  # as the sweep does
    put(shelf, ("1", "a"), 200)


def test_new_names_at_one_address_leave_room_for_others(visitors: Visitors) -> None:
    shelf = Shelf(visitors, BOUNDS)
    for number in range(3):
        put(shelf, ("1", f"new {number}"), 500)
    assert refusal(shelf, ("1", "new 3"), 500) == (429, "got too many uploads from your address; try again later")
    put(shelf, ("2", "b"), 500)


@pytest.mark.parametrize(
    ("peers", "households"),
    [
        (("192.0.2.7", "::ffff:192.0.2.7"), 1),
        (("::ffff:192.0.2.7", "::ffff:203.0.113.9"), 2),  # as a server that listens on :: sees IPv4
        (("2001:db8:1:2:3::4", "2001:db8:1:2::"), 1),
        (("2001:db8:1:2::", "2001:db8:1:3::"), 2),
        (("fe80::1%eth0", "fe80::2%eth0"), 1),
    ],
)
def test_visitors_are_counted_by_household(visitors: Visitors, peers: tuple[str, ...], households: int) -> None:
    scopes: list[dict[str, Any]] = [{"type": "http", "headers": [], "client": (peer, 5)} for peer in peers]
    assert len({visitors.caller(HTTPConnection(scope))[0] for scope in scopes}) == households
    assert visitors.caller(HTTPConnection({**scopes[0], "client": None}))[0] == ""


def test_all_together_and_the_disk_are_bounded(visitors: Visitors) -> None:
    shelf = Shelf(visitors, BOUNDS)
    for number in range(6):
        put(shelf, (str(number), str(number)), 500)
    assert refusal(shelf, ("9", "z"), 500)[0] == 507
    full = Shelf(visitors, Bounds(free_bytes=2**60))
    assert refusal(full, ("9", "z"), 1) == (507, "the server's disk is full; try again later")


def test_what_is_on_its_way_counts(visitors: Visitors) -> None:
    shelf = Shelf(visitors, BOUNDS)
    with shelf.place(("1", "a"), 800):
        assert refusal(shelf, ("1", "a"), 300)[0] == 429
    put(shelf, ("1", "a"), 300)


def test_an_upload_that_fails_leaves_nothing(visitors: Visitors) -> None:
    shelf = Shelf(visitors, BOUNDS)
    with pytest.raises(RuntimeError), shelf.place(("1", "a"), 800) as folder:
        (folder / "part").write_bytes(b"x")
        raise RuntimeError
    assert list(visitors.folder("a").iterdir()) == []
    put(shelf, ("1", "a"), 900)


def test_folders_that_are_removed_meanwhile_hold_nobody_up(visitors: Visitors) -> None:
    shelf = Shelf(visitors, BOUNDS)
    visitors.uploads.mkdir(exist_ok=True)
    with coming_and_going(visitors.uploads / "b"):
        for _ in range(2000):
            with shelf.place(("1", "a"), 0) as folder:
                shutil.rmtree(folder)


def test_many_files_are_not_counted_for_each_upload(visitors: Visitors) -> None:
    for number in range(1000):
        path = visitors.folder("full") / str(number) / "digest" / "photo.jpg"
        path.parent.mkdir(parents=True)
        path.touch()
    shelf = Shelf(visitors, BOUNDS)
    spent = []
    for _ in range(10):
        start = time.thread_time()
        refusal(shelf, ("there", "full"), 1)
        spent.append(time.thread_time() - start)
    assert sum(spent[1:]) < spent[0]
