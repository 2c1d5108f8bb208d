"""One state at a time: from an empty page to a file in three clicks, what went wrong in words, and who can use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from matting_ui import ids
from matting_ui.i18n import CODES, EN, ZH
from PIL import Image
from playwright.sync_api import Page, expect

from tests.ui.browser import MODEL, Site, Visit, choose, download, notice, open_tab, pick, serious, shown, unfold

LAPTOP, DESKTOP, PHONE = (1366, 657), (1440, 900), (390, 844)
TABS = (ids.TAB_SINGLE, ids.TAB_IDPHOTO, ids.TAB_BATCH, ids.TAB_SCENE, ids.TAB_VIDEO, ids.TAB_ABOUT)
FINGER = 43.5  # pixels: 44, less what rounding takes


def state(page: Page, tab: str, name: str) -> None:
    expect(page.locator(f"#tab-{tab}")).to_have_attribute("data-state", name)


def try_sample(page: Page, name: str = "person") -> None:
    page.locator(f"[data-sample*={name}]:visible").click()
    state(page, ids.TAB_SINGLE, "done")


@pytest.mark.parametrize(("size", "locale"), [(LAPTOP, "en-US"), (PHONE, "zh-CN")], ids=["laptop", "phone"])
def test_a_file_in_three_clicks(visit: Visit, tmp_path: Path, size: tuple[int, int], locale: str) -> None:
    """A sample, Download: nothing else needs to be read, and Download is on the screen."""
    page = visit(size=size, locale=locale)
    button, result = page.locator(f"#{ids.DOWNLOAD}"), page.locator(f"#{ids.RESULT}")
    expect(button).to_be_hidden()
    expect(result).to_be_hidden()
    try_sample(page)
    expect(page.locator(f"#{ids.PHOTO}")).to_be_hidden()
    expect(page.locator("[data-sample]").first).to_be_hidden()
    expect(button).to_be_in_viewport(ratio=1)
    box = result.bounding_box()
    assert box is not None and box["width"] * box["height"] > 0.3 * size[0] * size[1]
    file = download(page, ids.DOWNLOAD, tmp_path)
    with Image.open(file) as picture:
        assert (picture.mode, picture.size) == ("RGBA", (512, 512))
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(button).to_be_in_viewport()


def test_the_status_tells_of_the_file(page: Page, tmp_path: Path) -> None:
    """Its pixels after the crop, its format and its bytes."""
    try_sample(page, "shoe")
    pick(page, ids.FORMAT, "jpeg")
    unfold(page, ids.OUTPUT)
    page.locator(f"#{ids.CROP} input").check()
    line = page.locator(f"#{ids.STATUS} p").first
    expect(line).to_contain_text(re.compile(r"^(?!900)\d+ × \d+ px · JPEG · \d+ kB"))
    file = download(page, ids.DOWNLOAD, tmp_path)
    with Image.open(file) as picture:
        expect(line).to_contain_text(f"{picture.width} × {picture.height} px · JPEG")
    expect(line).to_contain_text(f"{round(file.stat().st_size / 1e3)} kB")


def test_every_code_has_a_sentence_in_both_languages() -> None:
    for code in CODES:
        english, chinese = EN[f"error_{code}"], ZH[f"error_{code}"]
        assert english.endswith(".") and chinese.endswith("。")
        assert "\n" not in english + chinese


@pytest.mark.parametrize(("locale", "words"), [("en-US", EN), ("zh-CN", ZH)])
def test_what_went_wrong_is_said(visit: Visit, photos: Path, locale: str, words: dict[str, str]) -> None:
    """In the box and in the status line, which no longer says that it works; Retry only where it can help."""
    visit.expected = "Failed"
    page = visit(locale=locale)
    box, line = notice(page, ids.TAB_SINGLE), page.locator(f"#{ids.STATUS} p")
    choose(page, ids.PHOTO, photos / "notes.png")
    expect(box).to_have_attribute("data-code", "invalid_image")
    expect(box.locator(".notice-text")).to_have_text(words["error_invalid_image"])
    expect(line).to_have_text(words["error_invalid_image"])
    state(page, ids.TAB_SINGLE, "failed")
    expect(box.locator(".notice-retry")).to_be_hidden()

    page.route("**/upload*", lambda route: route.abort())
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(box.locator(".notice-text")).to_have_text(words["error_unreachable"])
    expect(box.locator(".notice-retry")).to_be_visible()  # once the page has given up trying
    page.unroute("**/upload*")
    box.locator(".notice-retry").click()
    state(page, ids.TAB_SINGLE, "done")
    expect(box).to_be_hidden()
    expect(line.first).to_contain_text("1024 × 1024")


def test_the_window_takes_a_drop_and_the_photo_goes_along(page: Page, site: Site) -> None:
    files = page.evaluate_handle(
        """async () => {
          const files = new DataTransfer();
          const photo = await (await fetch("./page/samples/person.webp")).blob();
          files.items.add(new File([photo], "dropped.webp", { type: "image/webp" }));
          return files;
        }"""
    )
    open_tab(page, ids.TAB_IDPHOTO)
    page.locator("#hero").dispatch_event("drop", {"dataTransfer": files})
    state(page, ids.TAB_IDPHOTO, "done")
    for tab, element in ((ids.TAB_SCENE, ids.SCENE_RESULT), (ids.TAB_SINGLE, ids.RESULT)):
        open_tab(page, tab)
        state(page, tab, "done")
        assert shown(page, element)


def test_the_language_and_the_colours_are_chosen_on_the_page(page: Page, photos: Path, visit: Visit) -> None:
    page.locator(".header-language").select_option("zh")
    expect(page.locator(f"#tab-{ids.TAB_BATCH}-button")).to_have_text(ZH["tab_batch"])
    expect(page.locator("h1")).to_have_text(ZH["title"])
    visit.complaints.clear()  # of what was open when the page was loaded again
    choose(page, ids.PHOTO, photos / "notes.png")
    expect(notice(page, ids.TAB_SINGLE)).to_contain_text(ZH["error_invalid_image"])  # the server's words, too
    assert page.evaluate("document.documentElement.lang") == "zh"
    dark = page.locator("body.dark")
    expect(dark).to_have_count(0)
    page.locator(".header-theme").click()
    expect(dark).to_have_count(1)
    visit.check()
    page.reload()
    expect(dark).to_have_count(1)
    visit.complaints.clear()


def test_radio_buttons_follow_the_arrows(page: Page) -> None:
    """A group is one stop of the Tab key, as everywhere else."""
    try_sample(page)
    page.locator(f"#{ids.FORMAT} input[value=png]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(f"#{ids.FORMAT} input[value=jpeg]")).to_be_checked()
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text("JPEG")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('fieldset')") is None


def test_a_batch_is_looked_at_and_taken_one_by_one(page: Page, visit: Visit, photos: Path, tmp_path: Path) -> None:
    open_tab(page, ids.TAB_BATCH)
    expect(page.locator(f"#{ids.BATCH_START}")).to_be_hidden()
    many = photos / "many"
    choose(page, ids.BATCH_DROP, many / "photo-00.jpg", photos / "rocket.jpg", many / "words.png")
    expect(page.locator(f"#{ids.BATCH_ZIP}")).to_be_disabled()
    page.locator(f"#{ids.BATCH_ALPHA} input").check()
    page.locator(f"#{ids.BATCH_START}").click()
    state(page, ids.TAB_BATCH, "done")
    progress = page.locator("progress")
    assert progress.evaluate("each => [each.value, each.max]") == [3, 3]
    page.locator("#batch-doubtful-first").check()
    assert page.locator(".card .name").first.inner_text() == "words.png"  # what failed comes first
    page.locator(".card[data-name='photo-00.jpg'] button.thumb").click()
    viewer = page.locator("dialog.viewer")
    expect(viewer.locator("img")).to_be_visible()
    assert viewer.locator("img").evaluate("each => each.decode().then(() => each.naturalWidth)") == 400
    with page.expect_download() as waiting:
        viewer.get_by_text(EN["download_alpha"]).click()
    waiting.value.save_as(tmp_path / "alpha.png")
    with Image.open(tmp_path / "alpha.png") as alpha:
        assert (alpha.mode, alpha.size) == ("L", (400, 480))
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    visit.expected = "403"
    for name, asked in (("photo-00", f"#{ids.BATCH_ZIP}"), ("rocket", ".card[data-name='rocket.jpg'] a")):
        for path in visit.site.folder().rglob(f"{name}-cutout.png"):
            path.unlink()  # as the sweep does
        page.locator(asked).click()
        expect(page.locator(f".card[data-name='{name}.jpg'] .reason")).to_have_text(EN["batch_gone"])


def smallest(page: Page) -> list[Any]:
    """What a finger is to press on the screen and is smaller than one."""
    found: list[Any] = page.evaluate(
        """(finger) => [...document.querySelectorAll("main :is(button, select, summary, a, label:has(input))")]
          .filter((each) => each.checkVisibility() && !each.closest("[aria-hidden=true]"))
          .map((each) => [each.outerHTML.slice(0, 90), each.getBoundingClientRect()])
          .filter(([, box]) => box.width > 1 && Math.min(box.width, box.height) < finger)
          .map(([html, box]) => `${html} ${box.width} x ${box.height}`)""",
        FINGER,
    )
    return found


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_has_all_in_reach(visit: Visit, locale: str) -> None:
    page = visit(size=PHONE, has_touch=True, locale=locale)
    try_sample(page)
    tops = set()
    for tab in TABS:
        button = page.locator(f"#tab-{tab}-button")
        expect(button).to_be_in_viewport()
        box = button.bounding_box()
        tops.add(box and box["y"])
    assert len(tops) == 1  # in one line
    for tab in TABS:
        open_tab(page, tab)
        if tab in (ids.TAB_IDPHOTO, ids.TAB_SCENE):
            state(page, tab, "done")
        assert page.evaluate("document.documentElement.scrollHeight / innerHeight") <= 3, tab
        assert smallest(page) == [], tab
    open_tab(page, ids.TAB_SINGLE)
    page.locator(f"#{ids.DEVICE} .device-switch label").click()
    expect(page.locator(".device-photo")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight / innerHeight") <= 1.5
    assert smallest(page) == []


def test_nothing_serious_stands_in_the_way(visit: Visit, photos: Path, axe: str) -> None:
    """Of people who use a screen reader, a keyboard or strong contrast, on any tab, by day and by night."""
    page = visit(size=DESKTOP)
    dark = page.locator("body.dark")

    def settle() -> None:
        """Wait until all colours have faded in."""
        page.wait_for_timeout(300)
        fading = "(each) => each instanceof CSSTransition && each.playState === 'running'"
        page.wait_for_function(f"() => !document.getAnimations().some({fading})")

    def check(where: str) -> None:
        """All of it in the light; in the dark what differs there."""
        settle()
        assert serious(page, axe) == [], where
        page.locator(".header-theme").click()
        expect(dark).to_have_count(1)
        settle()
        assert serious(page, axe, "color-contrast") == [], f"{where}, dark"
        page.locator(".header-theme").click()
        expect(dark).to_have_count(0)

    check("empty")
    choose(page, ids.PHOTO, photos / "notes.png")
    expect(notice(page, ids.TAB_SINGLE)).to_be_visible()
    check("failed")
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    for folded in (ids.ADVANCED, ids.OUTPUT, ids.DETAILS):
        unfold(page, folded)
    for tab in TABS:
        open_tab(page, tab)
        if tab in (ids.TAB_SINGLE, ids.TAB_IDPHOTO, ids.TAB_SCENE):
            state(page, tab, "done")
        check(tab)
    open_tab(page, ids.TAB_SINGLE)
    page.locator(f"#{ids.DEVICE} .device-switch input").check()
    check("on this device")
    assert page.locator("h1").count() == 1
