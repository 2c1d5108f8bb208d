"""The page without a mouse: nothing loses the focus or covers it, and Escape closes what was opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from matting_ui import ids
from matting_ui.i18n import EN
from playwright.sync_api import Page, expect

from tests.ui.browser import Visit, choose, open_tab, unfold

DONE = '[data-state="done"]'
FOCUS = """() => {
  const { activeElement: held } = document;
  const place = held.getBoundingClientRect();
  const top = document.elementFromPoint(place.left + place.width / 2, place.top + place.height / 2);
  return { tab: held.closest('[role="tabpanel"]')?.id ?? "", id: held.closest("[id]")?.id ?? "", tag: held.tagName,
    is_covered: place.width > 2 && !held.contains(top) && !top?.contains(held) };
}"""


def press(page: Page, *keys: str) -> dict[str, str]:
    """Press keys one after the other; returns what has the focus then."""
    for key in keys:
        page.keyboard.press(key)
    found: dict[str, str] = page.evaluate(FOCUS)
    return found


def cut_out(page: Page, photos: Path) -> None:
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#tab-{ids.TAB_SINGLE}{DONE}")).to_be_visible()


def test_what_goes_away_leaves_the_focus_near(page: Page, photos: Path) -> None:
    """A sample, New photo, Full screen and the start of a batch."""
    done, picture = page.locator(f"#tab-{ids.TAB_SINGLE}{DONE}"), page.locator(f"#{ids.RESULT} img").first
    page.on("filechooser", lambda chooser: chooser.set_files(str(photos / "rocket.jpg")))
    page.locator("[data-sample]").first.focus()
    press(page, "Enter")
    expect(done).to_be_visible()
    expect(picture).to_be_visible()
    assert press(page, "Tab")["id"] == ids.RESULT
    page.locator(f"#tab-{ids.TAB_SINGLE} .side .another").focus()
    press(page, "Enter")
    expect(done).to_have_count(0)
    expect(done).to_be_visible()
    assert press(page, "Tab")["id"] == ids.RESULT
    page.locator(f"#{ids.RESULT} [aria-label=Fullscreen]").focus()
    press(page, "Enter")
    expect(page.locator(f"#{ids.RESULT}.fullscreen")).to_be_visible()
    expect(page.locator(f"#{ids.RESULT} :focus")).to_have_count(1)
    press(page, "Escape")
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg")
    expect(page.locator(f"#{ids.BATCH_START}")).to_be_visible()
    page.locator(f"#{ids.BATCH_START}").focus()
    press(page, "Enter")
    expect(page.locator(".card.done")).to_be_visible()
    assert press(page, "Tab")["id"] == ids.BATCH_ZIP


def test_a_choice_in_a_list_keeps_the_focus(page: Page, photos: Path) -> None:
    open_tab(page, ids.TAB_IDPHOTO)
    choose(page, ids.ID_PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#tab-{ids.TAB_IDPHOTO}{DONE}")).to_be_visible()
    expect(
        page.get_by_role("tabpanel", name=EN["tab_idphoto"]).get_by_role("slider", name=EN["zoom"], exact=True)
    ).to_be_visible()
    box, options = page.locator(f"#{ids.ID_SIZE} input"), page.locator("ul[role=listbox]")
    box.focus()
    before = box.input_value()
    press(page, "ArrowDown", "ArrowDown", "Enter")
    expect(box).not_to_have_value(before)
    expect(box).to_be_focused()
    expect(options).to_have_count(0)
    press(page, "ArrowDown")
    expect(options).to_be_visible()
    assert press(page, "Tab")["tag"] == "INPUT"  # the list itself, which scrolls, is no stop on the way
    page.wait_for_timeout(500)
    expect(options).to_have_count(0)


def test_help_closes(page: Page) -> None:
    opened = page.locator("#hero details")
    for leave in ("Escape", "Shift+Tab"):
        page.locator("#hero summary").focus()
        press(page, "Enter")
        expect(opened).to_have_attribute("open", "")
        press(page, leave)
        expect(opened).not_to_have_attribute("open", "")


def test_the_large_view_follows_the_arrow_keys(page: Page, photos: Path) -> None:
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg", photos / "astronaut.jpg")
    page.locator(f"#{ids.BATCH_START}").click()
    expect(page.locator(".card.done")).to_have_count(2)
    page.locator(".card button.thumb").first.focus()
    press(page, "Enter")
    name, arrow = page.locator(".viewer-name"), page.locator(".viewer-acts button").first
    place = arrow.bounding_box()
    for shown in ("rocket.jpg", "astronaut.jpg", "rocket.jpg"):
        expect(name).to_have_text(shown)
        expect(page.locator("dialog.viewer :focus")).to_have_count(1)
        press(page, "ArrowRight")
    assert arrow.bounding_box() == place  # under the mouse, whatever shape the photos have


@pytest.mark.parametrize("size", [(1366, 657), (390, 844)])
def test_nothing_covers_the_focus(visit: Visit, photos: Path, size: tuple[int, int]) -> None:
    page = visit(size=size)
    cut_out(page, photos)
    for each in (ids.ADVANCED, "output", ids.DETAILS):
        unfold(page, each)
    page.locator(".device-switch input").focus()
    passed = [press(page, "Shift+Tab") for _ in range(25)]
    assert [each for each in passed if each["is_covered"]] == []


def test_full_screen_is_full(visit: Visit, photos: Path) -> None:
    for size in ((1366, 657), (390, 844)):
        page = visit(size=size)
        cut_out(page, photos)
        page.locator(f"#{ids.RESULT} [aria-label=Fullscreen]").click()
        expect(page.locator(f"#{ids.RESULT}.fullscreen")).to_be_visible()
        page.wait_for_timeout(500)
        seen = page.evaluate(
            """(shares) => shares.flatMap((x) => shares.map((y) =>
              document.elementFromPoint(x * innerWidth, y * innerHeight).closest("[id]").id))""",
            [0.02, 0.5, 0.98],
        )
        assert set(seen) == {ids.RESULT}
