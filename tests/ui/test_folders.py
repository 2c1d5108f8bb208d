"""Folders and addresses that fall on the page, and a photo that falls on it while another one fails."""

from __future__ import annotations

import shutil
from pathlib import Path

from matting_ui import ids
from matting_ui.i18n import EN
from PIL import Image
from playwright.sync_api import Page, expect
from skimage import data

from tests.ui.browser import choose, drop, notice, open_tab


def fall(page: Page, *paths: Path) -> None:
    """Let files and folders fall on the page, as the system does it."""
    session = page.context.new_cdp_session(page)
    carried = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 300, "data": carried})


def test_a_folder_gives_its_photos(page: Page, photos: Path, tmp_path: Path) -> None:
    """With those in folders within it, and without what lies beside them; several go to the batch."""
    folder = tmp_path / "shoes"
    for name in ("shoe-2.jpg", "shoe-10.jpg", ".hidden.jpg", "deep/shoe.jpg", "@eaDir/shoe.jpg", "deep/__MACOSX/a.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / "rocket.jpg", folder / name)
    (folder / "notes.txt").write_text("none")
    fall(page, folder, photos / "astronaut.jpg")
    status = page.locator(f"#{ids.BATCH_STATUS}")
    expect(status).to_contain_text("4 photos: 4 waiting")
    names = page.locator(".card .name").all_inner_texts()
    assert names == ["astronaut.jpg", "shoe.jpg", "shoe-2.jpg", "shoe-10.jpg"]
    shutil.rmtree(folder / "deep")
    for photo in folder.glob("*.jpg"):
        photo.unlink()
    fall(page, folder)
    expect(notice(page, ids.TAB_BATCH)).to_contain_text(EN["no_files"])
    expect(status).to_contain_text("4 photos: 4 waiting")
    open_tab(page, ids.TAB_IDPHOTO)
    shutil.copy(photos / "rocket.jpg", folder)
    fall(page, folder)  # the one that lies in it
    expect(page.locator(f"#tab-{ids.TAB_IDPHOTO}")).to_have_attribute("data-state", "failed")
    expect(notice(page, ids.TAB_IDPHOTO)).to_have_attribute("data-code", "no_face")


def test_an_address_is_no_photo(page: Page) -> None:
    """Nor is a link that falls on the page followed, which would lose all."""
    box = notice(page, ids.TAB_SINGLE)
    for made in ('DragEvent("drop", { dataTransfer: data,', 'ClipboardEvent("paste", { clipboardData: data,'):
        script = f"""const data = new DataTransfer();
          data.setData("text/uri-list", "https://photos.test/a.jpg");
          document.querySelector("#hero").dispatchEvent(new {made} bubbles: true, cancelable: true }}))"""
        assert page.evaluate(f"() => {{ {script.replace('document', 'return document', 1)} }}") is ("paste" in made)
        expect(box).to_contain_text(EN["no_files"])
        box.locator(".notice-close").click()


def test_a_photo_that_fails_takes_none_along(page: Page, photos: Path, tmp_path: Path) -> None:
    panel = page.locator(f"#tab-{ids.TAB_IDPHOTO}")
    Image.fromarray(data.coffee()).resize((4000, 2000)).save(tmp_path / "cup.jpg")
    open_tab(page, ids.TAB_IDPHOTO)
    choose(page, ids.ID_PHOTO, tmp_path / "cup.jpg")
    expect(panel).to_have_attribute("data-state", "working")
    drop(page, "#hero", (photos / "astronaut.jpg", "image/jpeg"))
    expect(panel).to_have_attribute("data-state", "done")
    expect(notice(page, ids.TAB_IDPHOTO)).to_be_hidden()
