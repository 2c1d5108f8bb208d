"""The tab for backgrounds: hands in the picture, and what the file is beside what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from matting_ui import ids
from matting_ui.i18n import EN
from PIL import Image
from playwright.sync_api import Page, expect

from tests.ui.browser import changed, choose, download, open_tab, pick, shown

PICTURE = f"#{ids.SCENE_RESULT} img"


@pytest.fixture
def tab(page: Page) -> Page:
    open_tab(page, ids.TAB_SCENE)
    return page


def place_of(page: Page) -> list[float]:
    sliders = [page.locator(f"#{each} input[type=number]") for each in (ids.SCENE_X, ids.SCENE_Y)]
    return [float(each.input_value()) for each in sliders]


def test_a_drag_outlasts_the_pictures_it_makes(tab: Page, photos: Path) -> None:
    """While another picture is fetched the one that is shown has no size; and the pointer may be let go beside it."""
    choose(tab, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    before = shown(tab, ids.SCENE_RESULT)
    before = changed(tab, ids.SCENE_RESULT, before, lambda: pick(tab, ids.SCENE_GROUND, "meadow"))
    stops = tab.locator(f"#{ids.SCENE_RESULT} button:not([tabindex='-1'])")
    expect(stops).to_have_count(1)  # full screen; the picture is none
    box = tab.locator(PICTURE).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.evaluate("(place) => (document.querySelector(place).src = 'data:,')", PICTURE)
    tab.mouse.move(x - 0.1 * box["height"], y)
    tab.evaluate("(place) => document.querySelector(place).remove()", PICTURE)
    tab.mouse.move(x - 0.2 * box["height"], y - 0.1 * box["height"])
    tab.mouse.move(x - 0.2 * box["height"], 2)
    tab.mouse.up()
    tab.mouse.move(x, y, steps=3)
    expect(tab.locator(f"#{ids.SCENE_Y} input[type=number]")).not_to_have_value("100")
    tab.wait_for_timeout(500)
    assert place_of(tab) == [pytest.approx(30, abs=2), pytest.approx(100 - 100 * (y - 2) / box["height"], abs=2)]


def test_the_file_is_as_large_as_it_is_said_to_be(tab: Page, photos: Path, tmp_path: Path) -> None:
    """As the photo before a scene that is drawn, and as the background of the visitor's own."""
    with Image.open(photos / "astronaut.jpg") as photo:
        photo.resize((2400, 2000)).save(tmp_path / "photo.jpg")
    with Image.open(photos / "rocket.jpg") as wall:
        wall.resize((2560, 1708)).save(tmp_path / "wall.jpg")
    choose(tab, ids.SCENE_PHOTO, tmp_path / "photo.jpg")
    pick(tab, ids.SCENE_FORMAT, "jpeg")
    before = shown(tab, ids.SCENE_RESULT)
    for size, do in (
        ((2400, 2000), lambda: pick(tab, ids.SCENE_GROUND, "studio")),
        ((2400, 2000), lambda: pick(tab, ids.SCENE_GROUND, "blur")),
        ((2560, 1708), lambda: own(tab, tmp_path / "wall.jpg")),
    ):
        before = changed(tab, ids.SCENE_RESULT, before, do)
        expect(tab.locator(f"#{ids.SCENE_STATUS}")).to_contain_text(f"{size[0]} × {size[1]} px")
        with Image.open(download(tab, ids.SCENE_DOWNLOAD, tmp_path)) as picture:
            assert picture.size == size


def own(page: Page, wall: Path) -> None:
    pick(page, ids.SCENE_GROUND, ids.FROM_PICTURE)
    choose(page, ids.SCENE_BACKGROUND, wall)


def test_nothing_to_put_there_is_said(tab: Page, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), (200, 200, 200)).save(tmp_path / "blank.png")
    choose(tab, ids.SCENE_PHOTO, tmp_path / "blank.png")
    status = tab.locator(f"#{ids.SCENE_STATUS}")
    expect(status).to_have_text(EN["nothing_found"])
    pick(tab, ids.SCENE_GROUND, "meadow")
    expect(status).to_contain_text("640 × 480 px")
    expect(status).to_contain_text(EN["nothing_found"])
    expect(status).not_to_contain_text("Drag")
