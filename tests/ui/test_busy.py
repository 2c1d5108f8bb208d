"""More photos at once than the page works on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import QueueError
from matting_ui import ids
from matting_ui.queue import OF_ADDRESS, OF_ONE, SIZE
from PIL import Image
from playwright.sync_api import expect

from tests.support.visitor import META, Visitor, values
from tests.ui.browser import MODEL, Site, Visit, choose, notice
from tests.unit.api.conftest import wait_until


@pytest.fixture(scope="module")
def large(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("busy") / "large.jpg"
    with Image.open(photos / "astronaut.jpg") as photo:
        photo.resize((2000, 2000)).save(path, quality=90)
    return path


def test_one_visitor_holds_nobody_up(visit: Visit, site: Site, photos: Path, large: Path) -> None:
    """Who has many photos waiting gets their turns between those of others, and no more than some places."""
    page = visit()
    more = {"timeout": 60}  # httpx's own 5 s are too few on a busy machine
    client = Client(site.url, verbose=False, download_files=False, max_workers=80, httpx_kwargs=more)
    assert client.predict(photo=handle_file(str(large)), api_name="/cutout")
    others = [client.submit(photo=handle_file(str(large)), api_name="/cutout") for _ in range(4 * OF_ONE)]
    wait_until(lambda: any(job.done() and job.exception() is not None for job in others), 30)
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    status = page.locator(f"#{ids.STATUS}")
    expect(status).to_contain_text(re.compile(r"Busy: place [12] in the queue, about \d+ s|" + MODEL))
    expect(status).to_contain_text(MODEL)
    errors = [error for job in others if (error := job.exception()) is not None]
    assert errors and all(isinstance(error, QueueError) for error in errors)
    assert len(others) - len(errors) >= OF_ONE  # those that had a place got their answer
    client.close()


@pytest.fixture
def crowd(site: Site, large: Path) -> Iterator[list[Visitor]]:
    """As many visitors as may fill the queue and the workers, from two addresses."""
    photo = large.read_bytes()
    addresses = ["127.0.0.2"] * (OF_ADDRESS // OF_ONE) + ["127.0.0.3"] * (OF_ADDRESS // OF_ONE)
    visitors = [Visitor(site.url, f"crowd {number}", address) for number, address in enumerate(addresses)]
    for each in visitors:
        each.photo = each.upload("large.jpg", photo)
    yield visitors
    for each in visitors:
        each.http.close()


def test_those_too_many_are_refused(visit: Visit, photos: Path, crowd: list[Visitor]) -> None:
    visit.expected = "429"
    page = visit()
    function, inputs = crowd[0].named(ids.API_CUTOUT)

    def is_full() -> bool:
        """Whether the queue refuses the last of calls from everybody."""
        calls = [values(inputs, image={"path": each.photo, "meta": META}) for each in crowd]
        answers = [each.join(function, data) for _ in range(OF_ONE) for each, data in zip(crowd, calls, strict=True)]
        return answers[-1].status_code == 503

    refused = notice(page, ids.TAB_SINGLE)
    for _ in range(4):  # places may fall free while the page sends its photo: fill the queue again
        wait_until(is_full, 30)
        choose(page, ids.PHOTO, photos / "astronaut.jpg")
        expect(page.locator("#tab-single")).to_have_attribute("data-state", re.compile("done|failed"))
        if refused.is_visible():
            break
    expect(refused).to_contain_text(re.compile(rf"Busy: you would be at place \d+, and the queue holds {SIZE}"))
