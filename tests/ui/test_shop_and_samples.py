"""Pictures for a shop, on the single and the batch tab; and results that went wrong, for the box of samples."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from matting_ui import ids
from matting_ui.i18n import ZH
from PIL import Image
from playwright.sync_api import Page, expect

from tests.ui.browser import MODEL, Site, Visit, choose, download, open_tab, pick
from tests.ui.test_editor import SUIT, Editor


def choose_shop(page: Page, element: str, title: str) -> None:
    page.locator(f"#{element} input").click()
    page.get_by_role("option", name=title, exact=True).click()


def test_a_picture_for_a_shop(page: Page, photos: Path, tmp_path: Path) -> None:
    """Size, white and JPEG come with the choice; what the shop objects to is said at once."""
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    line = page.locator(f"#{ids.STATUS} p").first
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    choose_shop(page, ids.SHOP, "Taobao white picture")
    expect(line).to_contain_text("✓ Taobao white picture: as the shop asks")
    expect(page.locator(f"#{ids.FORMAT} input[value=jpeg]")).to_be_checked()
    file = download(page, ids.DOWNLOAD, tmp_path)
    with Image.open(file) as made:
        assert (made.format, made.size) == ("JPEG", (800, 800)) and file.stat().st_size <= 300_000
        assert np.asarray(made)[:20].min() >= 253
    pick(page, ids.BACKGROUND, "blue")
    expect(line).to_contain_text("⚠ Taobao white picture: got a background that is not pure white")
    choose_shop(page, ids.SHOP, "None")
    expect(line).to_contain_text("1024 × 1024 px · PNG")
    expect(line).not_to_contain_text("Taobao")

    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg")
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text("1 waiting")
    choose_shop(page, ids.BATCH_SHOP, "Amazon main picture")
    expect(page.locator(f"#{ids.BATCH_FORMAT} input[value=jpeg]")).to_be_checked()
    pick(page, ids.BATCH_FORMAT, "webp")
    page.locator(f"#{ids.BATCH_START}").click()
    reason = page.locator(".card.done .reason")
    expect(reason).to_contain_text("got webp, expected jpeg or png")
    clipped = "(each) => each.scrollHeight > each.clientHeight + 1 || each.scrollWidth > each.clientWidth + 1"
    assert not reason.evaluate(clipped)


def samples(site: Site) -> dict[str, dict[str, Any]]:
    """Notes of what the box holds, by the folder's name."""
    assert site.samples is not None
    notes = site.samples.glob("*/sample.json")
    return {note.parent.name: json.loads(note.read_text(encoding="utf-8")) for note in notes}


def test_a_result_that_went_wrong_is_kept_with_its_correction(visit: Visit, site: Site, photos: Path) -> None:
    assert site.samples is not None
    page, known = visit(locale="zh-CN"), set(samples(site))
    button = page.locator(f"#{ids.REPORT}")
    expect(button).to_be_hidden()
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(re.compile("PNG"))
    button.click()
    expect(page.locator(".toast-body")).to_contain_text("已保存")
    (first,) = set(samples(site)) - known
    assert samples(site)[first]["name"] == "astronaut.jpg" and samples(site)[first]["tag"] == "page"
    assert (site.samples / first / "photo").read_bytes() == (photos / "astronaut.jpg").read_bytes()
    assert not (site.samples / first / "correction").exists()
    button.click()  # once more: the box has it
    expect(page.locator(".toast-body")).to_contain_text("已经保存过")
    expect(page.locator(".toast-title-row > span")).to_have_attribute("data-words", "提示")
    for name in ("close", "gradio_full"):
        expect(page.get_by_role("button", name=ZH[name], exact=True).first).to_be_visible()
    assert set(samples(site)) - known == {first}
    editor = Editor(page).open()
    page.keyboard.press("x")
    editor.stroke((260, 720), SUIT, (380, 720))
    editor.wait().button("完成").click()
    expect(editor.dialog).to_have_count(0)
    button.click()
    expect(page.locator(".toast-body").last).to_contain_text("已连同")
    (second,) = set(samples(site)) - known - {first}
    with Image.open(io.BytesIO((site.samples / second / "correction").read_bytes())) as correction:
        assert correction.mode == "L" and correction.size == (1024, 1024)
        assert np.asarray(correction)[SUIT[1], SUIT[0]] == 0 and np.asarray(correction).max() == 255
