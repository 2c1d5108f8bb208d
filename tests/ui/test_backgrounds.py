"""Background pictures are taken as photos are: HEIC, too, and of a broken one the page says so and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from matting_ui import ids
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.ui.browser import changed, choose, download, notice, open_tab, pick, set_slider, shown, unfold

HEIC = Path(__file__).resolve().parents[1] / "data" / "iphone.heic"


@pytest.fixture
def half(photos: Path, tmp_path: Path) -> Path:
    """A picture whose header alone is whole."""
    whole = (photos / "rocket.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 3])
    return tmp_path / "half.jpg"


def tells_of(page: Page, tab: str, name: str) -> None:
    """That a file cannot be used, by its name alone."""
    box = notice(page, tab)
    expect(box).to_be_visible()
    expect(box).to_have_attribute("data-code", "invalid_image")
    expect(box.locator(".notice-detail")).to_contain_text(f"{name}: got")
    assert box.locator(".notice-detail").inner_text().startswith(name)


def done(page: Page, tab: str) -> Locator:
    panel = page.locator(f"#tab-{tab}")
    expect(panel).to_have_attribute("data-state", "done")
    return panel


def another(page: Page, tab: str, element: str, photo: Path) -> None:
    choose(page, element, photo)
    expect(page.locator(f"#tab-{tab}")).to_have_attribute("data-state", "working")
    done(page, tab)


@pytest.mark.parametrize("kind", ["notes", "half"])
def test_photos_are_cut_out_with_a_broken_background_chosen(page: Page, photos: Path, half: Path, kind: str) -> None:
    """Which stays at hand, to be replaced."""
    broken = half if kind == "half" else photos / "notes.png"
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    done(page, ids.TAB_SINGLE)
    pick(page, ids.BACKGROUND, ids.FROM_PICTURE)
    choose(page, ids.PICTURE, broken)
    tells_of(page, ids.TAB_SINGLE, broken.name)
    another(page, ids.TAB_SINGLE, ids.PHOTO, photos / "rocket.jpg")
    tells_of(page, ids.TAB_SINGLE, broken.name)
    before = shown(page, ids.RESULT)
    expect(page.locator(f"#{ids.PICTURE}")).to_be_visible()
    changed(page, ids.RESULT, before, lambda: pick(page, ids.BACKGROUND, "blue"))


def test_a_background_of_a_phone_in_one_photo(page: Page, photos: Path, tmp_path: Path) -> None:
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    before = shown(page, ids.RESULT)
    pick(page, ids.BACKGROUND, ids.FROM_PICTURE)
    before = changed(page, ids.RESULT, before, lambda: choose(page, ids.PICTURE, HEIC))
    unfold(page, ids.ADVANCED)
    changed(page, ids.RESULT, before, lambda: set_slider(page, ids.ERODE, 3))
    expect(notice(page, ids.TAB_SINGLE)).to_be_hidden()
    with Image.open(download(page, ids.DOWNLOAD, tmp_path)) as picture:
        assert picture.mode == "RGB"


def test_backgrounds_of_a_scene(page: Page, photos: Path, tmp_path: Path) -> None:
    open_tab(page, ids.TAB_SCENE)
    choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    before = shown(page, ids.SCENE_RESULT)
    before = changed(page, ids.SCENE_RESULT, before, lambda: choose(page, ids.SCENE_BACKGROUND, HEIC))
    changed(page, ids.SCENE_RESULT, before, lambda: set_slider(page, ids.SCENE_SCALE, 60))
    expect(notice(page, ids.TAB_SCENE)).to_be_hidden()
    assert download(page, ids.SCENE_DOWNLOAD, tmp_path).name == "astronaut-scene.png"
    page.locator(f"#{ids.SCENE_BACKGROUND} .icon-button-wrapper button").last.click()
    choose(page, ids.SCENE_BACKGROUND, photos / "notes.png")
    tells_of(page, ids.TAB_SCENE, "notes.png")
    another(page, ids.TAB_SCENE, ids.SCENE_PHOTO, photos / "rocket.jpg")
    tells_of(page, ids.TAB_SCENE, "notes.png")
    before = shown(page, ids.SCENE_RESULT)
    changed(page, ids.SCENE_RESULT, before, lambda: pick(page, ids.SCENE_GROUND, "meadow"))


def test_backgrounds_of_a_batch(page: Page, photos: Path, half: Path) -> None:
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "astronaut.jpg")
    status, start = page.locator(f"#{ids.BATCH_STATUS}"), page.locator(f"#{ids.BATCH_START}")
    expect(status).to_contain_text("1 waiting")
    pick(page, ids.BATCH_BACKGROUND, ids.FROM_PICTURE)
    choose(page, "batch-picture", photos / "notes.png")
    tells_of(page, ids.TAB_BATCH, "notes.png")
    start.click()
    expect(start).to_be_enabled()
    remove = page.locator("#batch-picture .icon-button-wrapper button").last
    remove.click()
    choose(page, "batch-picture", half)
    expect(remove).to_be_visible()
    start.click()
    expect(status).to_contain_text("1 failed")
    reason = page.locator(f"#{ids.BATCH_BOARD} .reason")
    expect(reason).to_contain_text("half.jpg: got")
    expect(reason).not_to_contain_text("/")
    remove.click()
    choose(page, "batch-picture", HEIC)
    expect(remove).to_be_visible()
    page.locator(f"#{ids.BATCH_BOARD} [data-action=retry]").click()
    expect(status).to_contain_text("1 done")
