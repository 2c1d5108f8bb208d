"""More photos at once than the page works on."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path

from gradio_client import Client, handle_file
from gradio_client.utils import QueueError, Status
from matting_ui import ids
from matting_ui.page import QUEUE_SIZE
from PIL import Image
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

from tests.ui.browser import MODEL, Site, Visit, choose


def test_visitors_are_told_their_place_and_those_too_many_are_refused(
    visit: Visit, site: Site, photos: Path, tmp_path: Path
) -> None:
    visit.expected = "429"
    page = visit()
    large = tmp_path / "large.jpg"
    with Image.open(photos / "astronaut.jpg") as photo:
        photo.resize((3000, 3000)).save(large, quality=90)
    client = Client(site.url, verbose=False, download_files=False, max_workers=80)  # each waits for its answer
    uploaded = client.predict(photo=handle_file(str(large)), api_name="/cutout")
    assert uploaded
    others = [client.submit(photo=handle_file(str(large)), api_name="/cutout") for _ in range(QUEUE_SIZE // 2)]
    _wait_until(lambda: sum(job.status().code is Status.IN_QUEUE for job in others) > QUEUE_SIZE // 4)
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(re.compile(r"Busy: place \d+ in the queue"))
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)

    refused = page.locator(".toast-body")
    for _ in range(4):  # places may fall free while the page sends its photo: fill the queue again
        more = [client.submit(photo=handle_file(str(large)), api_name="/cutout") for _ in range(QUEUE_SIZE + 12)]
        others += more
        _wait_until(lambda more=more: any(job.done() and job.exception() is not None for job in more))
        choose(page, ids.PHOTO, photos / "astronaut.jpg")
        with contextlib.suppress(PlaywrightTimeout):
            refused.first.wait_for(timeout=5_000)
            break
    expect(refused.first).to_contain_text(
        re.compile(rf"Busy: you would be at place \d+, and the queue holds {QUEUE_SIZE}")
    )
    assert all(isinstance(error, QueueError) for error in (job.exception() for job in others) if error is not None)
    client.close()


def _wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
