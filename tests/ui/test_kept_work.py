"""What a visitor has made is not lost by the page's own doing."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
from matting_ui import ids
from matting_ui.i18n import EN, ZH
from PIL import Image
from playwright.sync_api import Dialog, Page, expect

from tests.ui.browser import MODEL, Site, Visit, choose, download, drop, open_tab, pick, picture, shown, unfold
from tests.ui.test_editor import SUIT, Editor, alpha_of


def test_nothing_is_lost_without_a_question(page: Page, photos: Path, visit: Visit) -> None:
    """Neither by choosing a language nor by loading the page again; it comes back with the tab that was open."""
    asked: list[str] = []
    answers = {"accept": False}

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept() if answers["accept"] else dialog.dismiss()

    page.on("dialog", answer)
    language, panel = page.locator(".header-language"), page.locator(f"#tab-{ids.TAB_IDPHOTO}")
    open_tab(page, ids.TAB_IDPHOTO)
    choose(page, ids.ID_PHOTO, photos / "astronaut.jpg")
    expect(panel).to_have_attribute("data-state", "done")
    language.select_option("zh")
    expect(language).to_have_value("en")
    panel.click(position={"x": 5, "y": 5})  # a page that nobody has touched is left without a question
    page.evaluate("void setTimeout(() => location.reload(), 0)")
    page.wait_for_timeout(1000)
    assert asked == ["confirm", "beforeunload"]
    expect(panel).to_have_attribute("data-state", "done")
    assert "matting_language" not in page.evaluate("document.cookie")
    answers["accept"] = True
    language.select_option("zh")
    expect(page.locator("h1")).to_have_text(ZH["title"])
    expect(panel).to_be_visible()
    assert asked == ["confirm", "beforeunload", "confirm"]
    expect(page.locator(f"#tab-{ids.TAB_IDPHOTO}[data-state]")).to_have_count(0)
    language.select_option("en")  # nothing to lose, nothing to ask
    expect(page.locator("h1")).to_have_text(EN["title"])
    assert len(asked) == 3
    visit.complaints.clear()  # of what was open when the page was loaded again


def test_what_is_being_corrected_is_not_replaced(page: Page, photos: Path) -> None:
    """By a photo that falls on the editor."""
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    editor = Editor(page).open()
    editor.button("Remove").click()
    editor.stroke(SUIT, (SUIT[0] + 40, SUIT[1]))
    drop(page, "dialog.editor canvas", (photos / "rocket.jpg", "image/jpeg"))
    expect(editor.dialog.locator(".editor-status")).to_have_text(EN["editor_no_drop"])
    editor.wait()
    expect(editor.dialog).to_have_attribute("data-state", "ready")
    editor.done()
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text("1024 × 1024")


def test_a_batch_outlives_the_page(page: Page, photos: Path, visit: Visit, tmp_path: Path) -> None:
    """Another language, or loading the page again, while it is at work; only what has not been sent is asked for."""
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    open_tab(page, ids.TAB_BATCH)
    page.route("**/gradio_api/upload**", lambda route: route.fulfill(status=429, body="too many"))
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg")
    expect(page.locator(".card.failed [data-action]")).to_have_text([EN["retry"], EN["discard"]])
    page.unroute("**/gradio_api/upload**")
    choose(page, ids.BATCH_DROP, *sorted((photos / "many").glob("photo-0*.jpg"))[:6])
    pick(page, ids.BATCH_BACKGROUND, "white")
    page.locator(f"#{ids.BATCH_START}").click()
    expect(page.locator(".card.running").first).to_be_visible()
    page.locator(".header-language").select_option("zh")
    expect(page.locator("h1")).to_have_text(ZH["title"])
    status, all_done = (
        page.locator(f"#{ids.BATCH_STATUS}"),
        {"all": 7, "waiting": 0, "running": 0, "done": 6, "failed": 1},
    )
    expect(status).to_contain_text(ZH["batch_counts"].format(**all_done))
    expect(status).to_contain_text(ZH["batch_other"])  # the settings begin anew
    expect(page.locator(".card.failed [data-action]")).to_have_text([ZH["discard"]])  # the page has its file no more
    assert asked == []
    assert download(page, ids.BATCH_ZIP, tmp_path).stat().st_size > 1000
    page.evaluate("void setTimeout(() => location.reload(), 0)")
    open_tab(page, ids.TAB_BATCH)
    expect(status).to_contain_text(ZH["batch_counts"].format(**all_done))
    visit.complaints.clear()  # of what was open when the page was loaded again


def test_a_correction_stays_and_goes_along(page: Page, photos: Path, tmp_path: Path) -> None:
    """To the other tabs, also to one that had the photo before; another photo chosen there does not replace it here."""
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    open_tab(page, ids.TAB_SCENE)
    before = shown(page, ids.SCENE_RESULT)
    assert not _is_empty(before)
    open_tab(page, ids.TAB_SINGLE)
    editor = Editor(page).open()
    page.keyboard.press("x")
    editor.stroke((260, 720), SUIT, (380, 720))
    editor.wait().done()
    open_tab(page, ids.TAB_SCENE)
    expect(picture(page, ids.SCENE_RESULT)).not_to_have_attribute("src", before)
    assert _is_empty(shown(page, ids.SCENE_RESULT))
    choose(page, ids.SCENE_PHOTO, photos / "rocket.jpg")
    expect(page.locator(f"#tab-{ids.TAB_SCENE}")).to_have_attribute("data-state", "working")
    expect(page.locator(f"#tab-{ids.TAB_SCENE}")).to_have_attribute("data-state", "done")
    open_tab(page, ids.TAB_SINGLE)
    page.wait_for_timeout(1500)
    assert alpha_of(page, tmp_path)[SUIT[1], SUIT[0]] == 0
    choose(page, ids.PHOTO, photos / "astronaut.jpg")  # asked for anew, it begins anew
    expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-state", "working")
    expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-state", "done")
    assert alpha_of(page, tmp_path)[SUIT[1], SUIT[0]] == 255


def test_another_model_does_not_discard_a_correction(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    """It can be chosen again once the correction is taken back, or for the next photo."""
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    unfold(page, ids.ADVANCED)
    fine = page.locator(f"#{ids.FINE}")
    expect(fine.locator("input")).to_be_enabled()
    editor = Editor(page).open()
    page.keyboard.press("x")
    editor.stroke((260, 720), SUIT, (380, 720))
    editor.wait().done()
    expect(fine.locator("input")).to_be_disabled()
    expect(fine).to_contain_text(EN["fine_corrected"])
    assert alpha_of(page, tmp_path)[SUIT[1], SUIT[0]] == 0
    editor.open().button("Undo").click()
    editor.wait().done()
    expect(fine.locator("input")).to_be_enabled()
    editor.open().button("Redo").click()
    editor.wait().done()
    expect(fine.locator("input")).to_be_disabled()
    choose(page, ids.PHOTO, photos / "rocket.jpg")
    expect(fine.locator("input")).to_be_enabled()
    expect(fine).to_contain_text(EN["fine_info"])
    expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-state", "done")
    for path in site.folder().rglob("rocket.jpg"):
        path.unlink()
    fine.locator("input").check()
    expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-state", "failed")
    expect(page.locator(f"#{ids.STATUS} p")).to_have_text(EN["error_upload_gone"])


def _is_empty(address: str) -> bool:
    """Whether a picture shows the squares of transparency where the suit was."""
    with Image.open(io.BytesIO(httpx.get(address, timeout=60).raise_for_status().content)) as picture:
        spot = np.asarray(picture.convert("RGB"))[SUIT[1] - 4 : SUIT[1] + 4, SUIT[0] - 4 : SUIT[0] + 4]
    return bool((np.minimum(abs(spot.astype(int) - 217), abs(spot.astype(int) - 255)) < 8).all())
