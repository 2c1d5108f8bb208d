"""Number fields: what is shown and downloaded is of the number that stands there, whatever was typed."""

from __future__ import annotations

from pathlib import Path

from matting_ui import ids
from matting_ui.i18n import EN
from playwright.sync_api import Locator, Page, expect

from tests.ui.browser import changed, choose, download, notice, open_tab, pick, set_slider, shown, unfold
from tests.unit.client.video_clips import FRAMES, write_clip


def field(page: Page, element: str) -> Locator:
    return page.locator(f"#{element} input[type=number]")


def leave(page: Page, element: str, text: str) -> None:
    """Type a number as a person does, and go on to the next field."""
    field(page, element).click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.type(text)
    page.keyboard.press("Tab")


def test_numbers_of_one_photo(page: Page, photos: Path) -> None:
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    shown(page, ids.RESULT)
    unfold(page, ids.ADVANCED)
    for element, typed, stands in (
        (ids.THRESHOLD, "", "0"),
        (ids.THRESHOLD, "999", "50"),
        (ids.ERODE, "-", "0"),
        (ids.ERODE, "1e9", "5"),
        (ids.ERODE, "-99", "-5"),
    ):
        leave(page, element, typed)
        expect(field(page, element)).to_have_value(stands)
        page.wait_for_timeout(500)
        expect(notice(page, ids.TAB_SINGLE)).to_be_hidden()


def test_an_id_photo_is_downloaded_as_it_is_shown(page: Page, photos: Path, tmp_path: Path) -> None:
    """An emptied size of the head is the one before; one too small is the smallest, shown and downloaded."""
    open_tab(page, ids.TAB_IDPHOTO)
    choose(page, ids.ID_PHOTO, photos / "astronaut.jpg")
    before, first = shown(page, ids.ID_RESULT), download(page, ids.ID_DOWNLOAD, tmp_path).read_bytes()
    leave(page, ids.ID_ZOOM, "")
    expect(field(page, ids.ID_ZOOM)).to_have_value("1")
    assert download(page, ids.ID_DOWNLOAD, tmp_path).read_bytes() == first
    changed(page, ids.ID_RESULT, before, lambda: leave(page, ids.ID_ZOOM, "0.1"))
    expect(field(page, ids.ID_ZOOM)).to_have_value("0.7")
    assert download(page, ids.ID_DOWNLOAD, tmp_path).read_bytes() != first
    expect(notice(page, ids.TAB_IDPHOTO)).to_be_hidden()


def test_a_subject_keeps_its_size(page: Page, photos: Path) -> None:
    open_tab(page, ids.TAB_SCENE)
    choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    result = shown(page, ids.SCENE_RESULT)
    result = changed(page, ids.SCENE_RESULT, result, lambda: pick(page, ids.SCENE_GROUND, "meadow"))
    leave(page, ids.SCENE_SCALE, "")
    expect(field(page, ids.SCENE_SCALE)).to_have_value("85")
    changed(page, ids.SCENE_RESULT, result, lambda: leave(page, ids.SCENE_SCALE, "120"))
    expect(field(page, ids.SCENE_SCALE)).to_have_value("120")
    expect(notice(page, ids.TAB_SCENE)).to_be_hidden()


def test_the_second_of_a_clip(page: Page, tmp_path: Path) -> None:
    """Emptied it is the one before; one past the end shows the last frame."""
    open_tab(page, ids.TAB_VIDEO)
    write_clip(tmp_path / "clip.mp4", sound=None)
    choose(page, ids.VIDEO_CLIP, tmp_path / "clip.mp4")
    expect(page.locator(f"#{ids.VIDEO_STATUS}")).to_contain_text(f"{FRAMES} frames")
    box = notice(page, ids.TAB_VIDEO)
    for typed in ("", "-3"):
        leave(page, ids.VIDEO_SECOND, typed)
        expect(field(page, ids.VIDEO_SECOND)).to_have_value("0")
    page.wait_for_timeout(500)
    expect(box).to_be_hidden()
    leave(page, ids.VIDEO_SECOND, "999")
    expect(page.locator(f"#{ids.VIDEO_STATUS}")).to_contain_text(f"{FRAMES} frames · {EN['video_last']}")
    expect(box).to_be_hidden()


def test_back_to_the_first_number_is_followed(page: Page, photos: Path) -> None:
    """In every tab: what is shown is of the number that stands there."""

    def there_and_back(result: str, element: str, other: float, first: str) -> None:
        before = changed(page, result, shown(page, result), lambda: set_slider(page, element, other))
        changed(page, result, before, page.locator(f"#{element} .reset-button").click)
        expect(field(page, element)).to_have_value(first)

    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    shown(page, ids.RESULT)
    unfold(page, ids.ADVANCED)
    there_and_back(ids.RESULT, ids.ERODE, 3, "0")
    open_tab(page, ids.TAB_IDPHOTO)
    there_and_back(ids.ID_RESULT, ids.ID_ZOOM, 1.2, "1")
    open_tab(page, ids.TAB_SCENE)
    result = shown(page, ids.SCENE_RESULT)
    changed(page, ids.SCENE_RESULT, result, lambda: pick(page, ids.SCENE_GROUND, "meadow"))
    there_and_back(ids.SCENE_RESULT, ids.SCENE_X, 20, "50")
