"""What the style sheets are for: widths, what lies over what, colours at night, squares, and words for fingers."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matting_ui import card, ids
from matting_ui.card import model_card, server_card
from matting_ui.i18n import EN, ZH
from PIL import Image
from playwright.sync_api import Page, expect

from tests.ui.browser import MODEL, Visit, choose, notice, open_tab, pick, shown

PHONE, ZOOMED, DESKTOP = (390, 844), (683, 500), (1366, 657)


@pytest.mark.parametrize(("size", "is_phone"), [(PHONE, True), (ZOOMED, False)], ids=["phone", "200 per cent"])
def test_a_result_fills_a_narrow_screen(
    visit: Visit, photos: Path, tmp_path: Path, size: tuple[int, int], is_phone: bool
) -> None:
    """In the middle, for small photos, too."""
    page = visit(size=size, is_mobile=is_phone, has_touch=is_phone)
    with Image.open(photos / "astronaut.jpg") as photo:
        photo.resize((160, 240)).save(tmp_path / "small.png")
    choose(page, ids.PHOTO, tmp_path / "small.png")
    for tab, element in ((ids.TAB_SINGLE, ids.RESULT), (ids.TAB_SCENE, ids.SCENE_RESULT)):
        open_tab(page, tab)
        shown(page, element)
        box = page.locator(f"#{element}").bounding_box()
        assert box is not None and box["width"] >= size[0] - 24
        assert box["x"] + box["width"] / 2 == pytest.approx(size[0] / 2, abs=2)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_printed_over_the_buttons_that_stay(visit: Visit, photos: Path, size: tuple[int, int]) -> None:
    """Gradio's label of the background's picture among them, which passes below while the page is scrolled."""
    page = visit(size=size)
    open_tab(page, ids.TAB_SCENE)
    choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    shown(page, ids.SCENE_RESULT)
    choose(page, ids.SCENE_BACKGROUND, photos / "rocket.jpg")
    expect(page.locator(f"#{ids.SCENE_STATUS}")).to_contain_text(MODEL)
    expect(page.locator(f"#{ids.SCENE_X}")).to_be_visible()
    over: dict[str, Any] = page.evaluate(
        """async ([button, picture]) => {
          const bar = document.getElementById(button).closest(".buttons");
          const label = document.querySelector(`#${picture} [data-testid=block-label]`);
          label.style.pointerEvents = "auto"; // or it would not be met
          const bottom = () => bar.getBoundingClientRect().bottom;
          for (let step = 0; step < 400 && label.getBoundingClientRect().top > bottom() - 20; step++) {
            window.scrollBy(0, 4);
            await new Promise(requestAnimationFrame);
          }
          const place = label.getBoundingClientRect();
          const top = document.elementFromPoint(place.left + 12, place.top + 8);
          return { is_below: place.top < bottom(), is_button: bar.contains(top), html: top.outerHTML.slice(0, 80) };
        }""",
        [ids.SCENE_DOWNLOAD, ids.SCENE_BACKGROUND],
    )
    assert over["is_below"] and over["is_button"], over


def contrast(page: Page, element: str) -> list[float]:
    """Of the words of each of these elements and what they stand on, which is plain."""
    found: list[float] = page.evaluate(
        """(element) => {
          const numbers = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((each) => each / 255);
          const light = (text) => numbers(text)
            .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
          return [...document.querySelectorAll(element)].map((each) => {
            const { color, backgroundColor } = getComputedStyle(each);
            const [a, b] = [light(color), light(backgroundColor)].sort();
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          });
        }""",
        element,
    )
    return found


def test_the_large_view_is_read_at_night(visit: Visit, photos: Path) -> None:
    page = visit(color_scheme="dark")
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg", photos / "astronaut.jpg")
    page.locator(f"#{ids.BATCH_START}").click()
    expect(page.locator(".card.done")).to_have_count(2)
    page.locator(".card button.thumb").first.click()
    expect(page.locator("dialog.viewer img")).to_be_visible()
    page.wait_for_timeout(500)
    measured = contrast(page, ".viewer-acts :is(a, button)")
    assert len(measured) >= 3 and min(measured) > 4.5, measured


def test_on_this_device_transparent_is_shown_as_squares(visit: Visit, photos: Path) -> None:
    """Below the picture alone; and the line at the foot says that nothing is sent, where that is so."""
    page = visit()
    here, there = EN["privacy"].split("\n\n")[::-1]
    line = page.locator(".prose.privacy")
    expect(line).to_have_text(there, use_inner_text=True)
    page.locator(".device-switch label").click()
    expect(line).to_have_text(here, use_inner_text=True)
    page.locator(".device-photo input").set_input_files(str(photos / "rocket.jpg"))
    expect(page.locator(".device-download")).to_be_visible()
    after = page.locator(".device-after")
    expect(after).to_have_js_property("complete", True)

    def greys(begin: float, end: float) -> set[int]:
        """The most frequent ones of the result's right part, between shares of the picture's height."""
        with Image.open(io.BytesIO(page.locator(".device-view").screenshot())) as view:
            high = min(view.height, view.width * 854 / 1280)
            top = (view.height - high) / 2
            part = np.asarray(view.convert("L"))[int(top + begin * high) : int(top + end * high)]
        part = part[:, part.shape[1] * 3 // 5 : -part.shape[1] // 4]
        levels, counts = np.unique(part, return_counts=True)
        return {int(level) for level in levels[counts > 0.2 * part.size]}

    sky, beside = (0.01, 0.1), (-0.04, -0.01)
    assert len(greys(*beside)) == 1
    assert greys(*sky) == {217, 255}
    page.locator(".device-side [name=background][value='#ffffff']").check()
    expect(after).to_have_css("background-image", "none")
    page.locator(".device-side [name=background][value='']").check()
    expect(after).not_to_have_css("background-image", "none")
    assert greys(*sky) == {217, 255}
    open_tab(page, ids.TAB_IDPHOTO)  # which does send
    expect(line).to_have_text(there, use_inner_text=True)


def test_a_code_stands_apart_from_its_sentence(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    Image.new("RGB", (320, 240), (90, 120, 150)).save(tmp_path / "sky.jpg")
    open_tab(page, ids.TAB_IDPHOTO)
    choose(page, ids.ID_PHOTO, tmp_path / "sky.jpg")
    box = notice(page, ids.TAB_IDPHOTO)
    expect(box.locator("code")).to_have_text("no_face")
    assert box.inner_text().split("\n")[:2] == [EN["error_no_face"], "no_face"]


def test_fingers_are_not_told_of_wheels_and_keys(visit: Visit, photos: Path) -> None:
    for is_phone in (True, False):
        page = visit(size=PHONE if is_phone else DESKTOP, is_mobile=is_phone, has_touch=is_phone)
        open_tab(page, ids.TAB_SCENE)
        choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
        shown(page, ids.SCENE_RESULT)
        pick(page, ids.SCENE_GROUND, "meadow")
        line = page.locator(f"#{ids.SCENE_STATUS}")
        expect(line).to_contain_text("two fingers")
        assert ("wheel" in line.inner_text()) is not is_phone
    for words in (EN, ZH):
        assert not [key for key in ("drop", "device_drop", "choose_again") if "Ctrl" in words[key]]


def test_text_grows_with_the_browsers_own_size(page: Page) -> None:
    """All of it that is seen, no tab's name is cut off below, and the buttons of a result keep their words inside."""
    sizes = """() => [...document.querySelectorAll("main *")]
      .filter((each) => each.checkVisibility() && !each.closest(".visually-hidden"))
      .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
      .map((each) => [each.textContent.trim(), parseFloat(getComputedStyle(each).fontSize)])"""
    before = dict(page.evaluate(sizes))
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    after = dict(page.evaluate(sizes))
    assert len(before) > 10 and {text for text, size in before.items() if after[text] < 1.9 * size} == set()
    tabs = page.locator("#tabs [role=tablist] >> visible=true").first
    assert tabs.evaluate("(list) => list.scrollHeight <= list.clientHeight + 1")
    page.locator("[data-sample]").first.click()
    expect(page.locator(f"#{ids.DOWNLOAD}")).to_be_visible()
    margins = """() => [...document.querySelectorAll("#tab-single .side .buttons button")].map((button) => {
      const words = document.createRange();
      words.selectNodeContents(button);
      return button.clientWidth - words.getBoundingClientRect().width;
    })"""
    for width in (1366, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert min(page.evaluate(margins)) >= 10


def test_what_is_chosen_is_seen_in_the_systems_colours(visit: Visit, photos: Path) -> None:
    """Where all backgrounds are one: the tab, the radio button, the edge of the first button, and the tool."""
    page = visit(forced_colors="active")
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-state", "done")
    for chosen, other in (
        ('[role="tab"][aria-selected="true"]', '[role="tab"][aria-selected="false"]'),
        ("fieldset label:has(:checked)", "fieldset label:not(:has(:checked))"),
    ):
        looks = [_style(page, each, "outlineStyle") for each in (chosen, other)]
        assert looks == ["solid", "none"], (chosen, looks)
    assert _style(page, "fieldset input[type=radio]", "appearance") == "auto"
    assert _style(page, f"#{ids.DOWNLOAD}", "borderTopWidth") == "1px"
    page.locator(f"#{ids.CORRECT}").click()
    expect(page.locator("dialog.editor")).to_have_attribute("data-state", "ready")
    used, other = (
        _style(page, f".editor button[aria-pressed={is_used}]", "backgroundColor") for is_used in ("true", "false")
    )
    assert used != other


def _style(page: Page, selector: str, property: str) -> str:
    """Of the first element that is seen."""
    found = page.locator(f"{selector} >> visible=true").first
    return str(found.evaluate("(element, property) => getComputedStyle(element)[property]", property))


def test_who_is_far_away_reads_that_the_server_has_the_photos() -> None:
    for words, wrong in ((EN, "this machine"), (ZH, "本机")):
        assert [key for key, text in words.items() if wrong in text] == []


def test_about_speaks_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    run = {"engine": "OpenVINO 2026.4.1 bf16, 2 threads", "device": "CPU", "instances": 1, "size": 512, "places": 64}
    batches = {"images": 1, "mean_batch": 1.0, "queue_ms": 1.0, "infer_ms": 1.0}
    status = {"server": {"version": "2"}, "batches": batches, "run": {**run, "max_batch": 8, "contract": {}}}
    assert "bf16, 2 个线程" in server_card(status, ZH) and "bf16, 2 threads" in server_card(status, EN)
    third_party = (Path(__file__).parents[2] / "THIRD_PARTY.md").read_text(encoding="utf-8")
    monkeypatch.setattr(card, "distributions", lambda name: [SimpleNamespace(read_text=lambda _: third_party)])
    assert "<tr><th>软件包</th><th>许可证</th><th>用途</th></tr>" in model_card(MODEL, None, ZH)


def test_an_idle_page_draws_nothing(visit: Visit) -> None:
    """Gradio's first screen would go on asking for 60 frames a second, for good."""
    page = visit().context.new_page()
    page.add_init_script(
        """window.frames_asked = 0;
        const ask = window.requestAnimationFrame.bind(window);
        window.requestAnimationFrame = (call) => { window.frames_asked += 1; return ask(call); };"""
    )
    page.goto(visit.site.url)
    expect(page.locator(f"#{ids.PHOTO} input[type=file]")).to_be_attached()
    assert page.evaluate("window.frames_asked") > 0
    still = "(before) => { if (window.frames_asked === before.count) return true; before.count = window.frames_asked; }"
    page.wait_for_function(still, arg={"count": -1}, polling=1000)
