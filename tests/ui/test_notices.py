"""What went wrong is told in its own tab, for as long as it is true."""

from __future__ import annotations

from pathlib import Path

import pytest
from matting_ui import ids
from matting_ui.i18n import EN, ZH
from playwright.sync_api import Page, Route, expect

from tests.ui.browser import Visit, choose, drop, notice, open_tab, pick
from tests.ui.test_states import state


def with_photo(page: Page, photos: Path) -> None:
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    state(page, ids.TAB_SINGLE, "done")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text("1024 × 1024")


def broken_background(page: Page, photos: Path) -> None:
    pick(page, ids.BACKGROUND, "picture")
    choose(page, ids.PICTURE, photos / "notes.png")
    expect(notice(page, ids.TAB_SINGLE)).to_have_attribute("data-code", "invalid_image")


def test_the_next_success_takes_a_notice_away(page: Page, photos: Path) -> None:
    """A background that is none, then one; what succeeds beside it takes nothing away."""
    with_photo(page, photos)
    told = notice(page, ids.TAB_SINGLE)
    broken_background(page, photos)
    pick(page, ids.FORMAT, "webp")  # changes nothing of what is wrong
    page.wait_for_timeout(1500)
    expect(told).to_be_visible()
    pick(page, ids.BACKGROUND, "white")
    expect(told).to_be_hidden()


def test_a_broken_background_then_a_good_one(page: Page, photos: Path) -> None:
    with_photo(page, photos)
    open_tab(page, ids.TAB_SCENE)
    state(page, ids.TAB_SCENE, "done")
    told = notice(page, ids.TAB_SCENE)
    choose(page, ids.SCENE_BACKGROUND, photos / "notes.png")
    expect(told).to_be_visible()
    page.wait_for_timeout(1500)
    expect(told).to_be_visible()
    page.locator(f"#{ids.SCENE_GROUND} input").nth(1).check()
    expect(told).to_be_hidden()


def test_the_next_photo_takes_a_notice_away(visit: Visit, photos: Path) -> None:
    """As soon as it is chosen; that it is being sent is said in the visitor's language."""
    page = visit(locale="zh-CN")
    choose(page, ids.PHOTO, photos / "notes.png")
    told = notice(page, ids.TAB_SINGLE)
    expect(told).to_contain_text(ZH["error_invalid_image"])
    held: list[Route] = []
    page.route("**/upload_progress**", lambda _: None)
    page.route("**/gradio_api/upload?**", lambda route: held.append(route) if len(held) < 2 else route.continue_())
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    line = page.locator(f"#{ids.PHOTO} .uploading")
    expect(line).to_have_attribute("data-words", ZH["uploading"])
    expect(line).to_have_css("font-size", "0px")
    expect(told).to_be_hidden()
    held[0].continue_()
    state(page, ids.TAB_SINGLE, "done")
    choose(page, ids.PHOTO, photos / "notes.png")
    expect(line).to_be_visible()
    expect(page.locator(f"#{ids.RESULT}")).to_be_hidden()
    for name in ("astronaut.jpg", "rocket.jpg"):
        drop(page, "#hero", (photos / name, "image/jpeg"))
    page.wait_for_timeout(5500)
    held[1].continue_()
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text("1280 × 854")


def test_a_button_is_busy_no_longer_than_its_file_is_made(page: Page, photos: Path) -> None:
    """Also when it cannot be made."""
    with_photo(page, photos)
    told, button = notice(page, ids.TAB_SINGLE), page.locator(f"#{ids.DOWNLOAD}")
    broken_background(page, photos)
    told.locator(".notice-close").click()
    button.click()
    expect(told).to_be_visible()
    expect(button).to_have_attribute("aria-busy", "false")
    pick(page, ids.BACKGROUND, "white")
    with page.expect_download():
        button.click()
    expect(button).to_have_attribute("aria-busy", "false")


@pytest.mark.parametrize("is_refused", [False, True], ids=["broken", "refused"])
def test_an_error_stays_in_its_tab(visit: Visit, photos: Path, is_refused: bool) -> None:
    """However soon another one is opened."""
    visit.expected = "503"
    page = visit()
    held: list[Route] = []
    name = "rocket.jpg" if is_refused else "notes.png"

    def hold(route: Route) -> None:
        is_first = not held and name in str(route.request.post_data)
        held.append(route) if is_first else route.continue_()

    page.route("**/queue/join*", hold)
    choose(page, ids.PHOTO, photos / name)
    page.wait_for_function("document.querySelector('#tab-single').dataset.state === 'working'")
    while not held:
        page.wait_for_timeout(50)
    expect(page.locator(f"#{ids.STATUS} p")).to_have_text(EN["working"])  # before the server says so
    open_tab(page, ids.TAB_VIDEO)
    held[0].fulfill(status=503, json={"detail": "busy"}) if is_refused else held[0].continue_()
    expect(page.locator("#tab-single")).to_have_attribute("data-state", "failed")
    page.wait_for_timeout(500)
    expect(notice(page, ids.TAB_VIDEO)).to_be_hidden()
    open_tab(page, ids.TAB_SINGLE)
    told = notice(page, ids.TAB_SINGLE)
    expect(told).to_have_attribute("data-code", "server_busy" if is_refused else "invalid_image")
    if not is_refused:
        expect(page.locator(f"#{ids.STATUS} p")).to_have_text(EN["error_invalid_image"])
