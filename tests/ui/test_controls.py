"""Every control that is shown does something: backgrounds, shops, kinds of ID photos, and what is said of them."""

from __future__ import annotations

import io
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from matting_client.idsizes import sizes
from matting_ui import ids
from matting_ui.i18n import EN
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect
from skimage import data

from tests.support.portrait import CHIN, CROWN
from tests.ui.browser import MODEL, Visit, changed, choose, download, open_tab, pick, shown, unfold
from tests.ui.test_shop_and_samples import choose_shop


def pixels(address: str) -> NDArray[np.uint8]:
    """A picture that the page shows."""
    with Image.open(io.BytesIO(httpx.get(address, timeout=60).raise_for_status().content)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_background_is_asked_for_before_there_are_sliders(page: Page, photos: Path, tmp_path: Path) -> None:
    """Of all kinds of background the own picture alone has to be chosen first; taken away, it is asked for again."""
    open_tab(page, ids.TAB_SCENE)
    choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    shown(page, ids.SCENE_RESULT)
    line, button = page.locator(f"#{ids.SCENE_STATUS}"), page.locator(f"#{ids.SCENE_DOWNLOAD}")
    sliders = [page.locator(f"#{each}") for each in (ids.SCENE_X, ids.SCENE_SCALE, ids.SCENE_BLUR, ids.SCENE_SHADOW)]

    def waits() -> None:
        expect(line).to_have_text(EN["scene_choose"])
        expect(button).to_be_disabled()
        for each in sliders:
            expect(each).to_be_hidden()

    waits()
    pick(page, ids.SCENE_GROUND, "meadow")
    expect(button).to_be_enabled()
    for each in sliders:
        expect(each).to_be_visible()
    expect(line).to_contain_text(MODEL)
    pick(page, ids.SCENE_GROUND, ids.FROM_PICTURE)
    waits()
    choose(page, ids.SCENE_BACKGROUND, photos / "rocket.jpg")
    expect(line).to_contain_text("1280 × 854 px")
    for each in sliders:
        expect(each).to_be_visible()
    assert download(page, ids.SCENE_DOWNLOAD, tmp_path).name == "astronaut-scene.png"
    page.locator(f"#{ids.SCENE_BACKGROUND} .icon-button-wrapper button").last.click()
    waits()


def test_the_blurred_background_is_that_of_the_photo(page: Page, photos: Path) -> None:
    """At once, as blurred as its slider says."""
    open_tab(page, ids.TAB_SCENE)
    choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    result = shown(page, ids.SCENE_RESULT)
    made = pixels(changed(page, ids.SCENE_RESULT, result, lambda: pick(page, ids.SCENE_GROUND, "blur")))
    with Image.open(photos / "astronaut.jpg") as file:
        photo = np.asarray(file.resize((made.shape[1], made.shape[0])))
    corner = np.s_[: len(made) // 4, : len(made) // 6]
    assert np.abs(made[corner].mean((0, 1)) - photo[corner].mean((0, 1))).max() < 8
    assert made[corner].std() < 0.98 * photo[corner].std()
    expect(page.locator(f"#{ids.SCENE_BLUR} input[type=number]")).to_have_value("12")


@pytest.mark.parametrize("prefix", ["", "batch-"], ids=["single", "batch"])
def test_a_shop_says_crop_and_size(page: Page, photos: Path, prefix: str) -> None:
    """They cannot be moved while one is chosen, and nothing of it stays behind."""
    shop, format = (ids.BATCH_SHOP, ids.BATCH_FORMAT) if prefix else (ids.SHOP, ids.FORMAT)
    background = ids.BATCH_BACKGROUND if prefix else ids.BACKGROUND
    if prefix:
        open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP if prefix else ids.PHOTO, photos / "astronaut.jpg")
    unfold(page, prefix + ids.OUTPUT)
    crop, size = (page.locator(f"#{prefix}{each} input") for each in (ids.CROP, ids.SIZE))
    margin = page.locator(f"#{prefix}{ids.MARGIN}")
    crop.check()
    expect(margin).to_be_visible()
    choose_shop(page, shop, "Taobao white picture")
    expect(page.locator(f"#{format} input[value=jpeg]")).to_be_checked()
    expect(crop).to_be_disabled()
    expect(size).to_be_disabled()
    expect(margin).to_be_hidden()
    choose_shop(page, shop, "None")
    expect(crop).to_be_enabled()
    expect(size).to_be_enabled()
    expect(crop).not_to_be_checked()
    expect(page.locator(f"#{format} input[value=png]")).to_be_checked()
    expect(page.locator(f"#{background} input[value=transparent]")).to_be_checked()


@pytest.mark.parametrize(("locale", "first"), [("en-US", "USA"), ("zh-CN", "一寸")])
def test_the_first_kind_of_id_photo_is_chosen(visit: Visit, photos: Path, locale: str, first: str) -> None:
    page = visit(locale=locale)
    open_tab(page, ids.TAB_IDPHOTO)
    choose(page, ids.ID_PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.ID_STATUS}")).to_contain_text(first)
    kind = page.locator(f"#{ids.ID_SIZE} input")
    expect(kind).to_have_value(re.compile(first))
    kind.click()
    listed = page.get_by_role("listbox").get_by_role("option").first
    expect(listed).to_contain_text(kind.input_value())


def choose_uk_passport(page: Page) -> None:
    """The size with the most pixels."""
    page.locator(f"#{ids.ID_SIZE} input").click()
    page.get_by_role("option", name=re.compile("|".join(sizes()["uk-passport"].title.values()))).click()
    expect(page.locator(f"#{ids.ID_STATUS}")).to_contain_text("827 × 1063")


def test_a_small_head_that_is_blown_up_is_warned_of(visit: Visit, tmp_path: Path) -> None:
    page = visit(locale="zh-CN")
    open_tab(page, ids.TAB_IDPHOTO)
    Image.fromarray(data.astronaut()).resize((160, 160), Image.Resampling.LANCZOS).save(tmp_path / "small.png")
    choose(page, ids.ID_PHOTO, tmp_path / "small.png")
    line = page.locator(f"#{ids.ID_STATUS}")
    expect(line).to_contain_text("295 × 413")
    choose_uk_passport(page)
    (times,) = re.findall(r"⚠ 照片被放大 ([\d.]+) 倍", line.inner_text())
    head = (CHIN - CROWN) * 160 / 512
    assert float(times) == pytest.approx(sizes()["uk-passport"].head * 1063 / head, rel=0.15)


def test_the_photo_counts_and_not_its_preview(page: Page, tmp_path: Path) -> None:
    """What is shown of a large photo is made of a small copy, of which a head is soft sooner."""
    photo = Image.new("RGB", (2560, 1440), (196, 200, 206))
    photo.paste(Image.fromarray(data.astronaut()).resize((1200, 1200), Image.Resampling.LANCZOS), (680, 240))
    photo.save(tmp_path / "large.jpg")
    open_tab(page, ids.TAB_IDPHOTO)
    choose(page, ids.ID_PHOTO, tmp_path / "large.jpg")
    line = page.locator(f"#{ids.ID_STATUS}")
    expect(line).to_contain_text("600 × 600")
    choose_uk_passport(page)
    expect(line).not_to_contain_text("enlarged")  # 2.1 times of the photo, 4.2 of its copy; told from 2.5
