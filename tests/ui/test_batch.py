"""The tab for many photos."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from matting_client.manifest import COLUMNS
from matting_ui import ids
from matting_ui.batch_state import MOST
from matting_ui.i18n import EN, ZH
from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.ui.browser import Site, Visit, choose, download, notice, open_tab, pick

BROKEN = ("photo-broken.jpg", "words.png")


def card(page: Page, name: str) -> Locator:
    return page.locator(f"#{ids.BATCH_BOARD} .card[data-name='{name}']")


def test_twenty_with_two_broken_ones(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    files = sorted((photos / "many").iterdir())
    assert len(files) == 20
    images, batches = site.images_and_batches()
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, *files)
    status = page.locator(f"#{ids.BATCH_STATUS}")
    expect(status).to_contain_text("20 photos: 20 waiting")
    pick(page, ids.BATCH_BACKGROUND, "white")
    pick(page, ids.BATCH_FORMAT, "jpeg")
    page.locator(f"#{ids.BATCH_START}").click()
    expect(page.locator(".card.running").first).to_be_visible()
    expect(page.locator(".card.done img").first).to_be_visible()
    assert page.locator(".card.done").count() < 18  # each appears when it is done, not all in the end
    expect(status).to_contain_text("0 waiting, 0 running, 18 done, 2 failed")
    assert _mean_batch(site, images, batches) > 1.0
    expect(card(page, BROKEN[0])).to_contain_text("got a damaged ")
    expect(card(page, BROKEN[1])).to_contain_text("got no known picture format")

    for name in BROKEN:  # another attempt would not help
        assert card(page, name).locator("[data-action]").all_inner_texts() == ["Discard"]
    card(page, "photo-17.jpg").get_by_text("Discard").click()
    expect(status).to_contain_text("19 photos: 0 waiting, 0 running, 17 done, 2 failed")
    _check_archive(download(page, ids.BATCH_ZIP, tmp_path))


def _mean_batch(site: Site, images: int, batches: int) -> float:
    now_images, now_batches = site.images_and_batches()
    return (now_images - images) / (now_batches - batches)


def _check_archive(path: Path) -> None:
    assert path.name == "batch_results.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        pictures = [name for name in archive.namelist() if name != "manifest.csv"]
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
        for name in pictures:
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                assert picture.format == "JPEG"
                assert np.asarray(picture)[:4, -4:].min() > 250
    assert len(pictures) == 17 and "photo-17-cutout.jpg" not in pictures
    assert tuple(rows[0]) == COLUMNS
    by_name = {row["photo"]: row for row in rows}
    assert len(by_name) == 19 and {row["file"] for row in rows if row["state"] == "done"} == set(pictures)
    for name, reason in zip(BROKEN, ("damaged", "no known picture format"), strict=True):
        assert by_name[name]["state"] == "failed" and reason in by_name[name]["reason"]
    assert all(row["found"] in ("yes", "no") and float(row["uncertainty"]) >= 0 for row in rows if row["file"])
    assert (by_name["photo-02.jpg"]["width"], by_name["photo-02.jpg"]["height"]) == ("432", "480")


def test_one_photo_is_retried_or_discarded_without_starting_the_others(
    page: Page, site: Site, photos: Path, tmp_path: Path
) -> None:
    whole = (photos / "rocket.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 3])
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "astronaut.jpg", photos / "rocket.jpg")
    status = page.locator(f"#{ids.BATCH_STATUS}")
    expect(status).to_contain_text("2 photos: 2 waiting")
    card(page, "rocket.jpg").get_by_text("Discard").click()
    expect(status).to_contain_text("1 photo: 1 waiting, 0 running")
    pick(page, ids.BATCH_BACKGROUND, ids.FROM_PICTURE)
    choose(page, "batch-picture", tmp_path / "half.jpg")
    expect(page.locator("#batch-picture .icon-button-wrapper button").last).to_be_visible()
    page.locator(f"#{ids.BATCH_START}").click()
    expect(status).to_contain_text("0 waiting, 0 running, 0 done, 1 failed")
    counted = site.photos()
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg")
    expect(status).to_contain_text("2 photos: 1 waiting, 0 running, 0 done, 1 failed")
    pick(page, ids.BATCH_BACKGROUND, "white")
    card(page, "astronaut.jpg").get_by_text("Retry").click()
    expect(status).to_contain_text("2 photos: 1 waiting, 0 running, 1 done, 0 failed")
    assert site.photos() == counted + 1


def test_results_of_other_settings_are_told(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    """Start is the next step exactly when it has something to do; a result that cannot be made anew stays."""
    start, archive = page.locator(f"#{ids.BATCH_START}"), page.locator(f"#{ids.BATCH_ZIP}")
    status, tab = page.locator(f"#{ids.BATCH_STATUS}"), page.locator(f"#tab-{ids.TAB_BATCH}")
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg", photos / "notes.png")
    start.click()
    expect(status).to_contain_text("1 done, 1 failed")
    expect(start).to_be_disabled()
    expect(tab).to_have_attribute("data-state", "done")
    for change, back in (
        (lambda: pick(page, ids.BATCH_BACKGROUND, "white"), lambda: pick(page, ids.BATCH_BACKGROUND, "transparent")),
        (lambda: pick(page, "batch-preset", "product"), lambda: pick(page, "batch-preset", "none")),
        (page.locator(f"#{ids.BATCH_ALPHA} input").check, page.locator(f"#{ids.BATCH_ALPHA} input").uncheck),
    ):
        change()
        expect(status).to_contain_text(EN["batch_other"])
        expect(start).to_be_enabled()
        expect(tab).to_have_attribute("data-state", "chosen")  # whose next step is Start
        back()
        expect(status).not_to_contain_text(EN["batch_other"])
        expect(start).to_be_disabled()
        expect(tab).to_have_attribute("data-state", "done")
    pick(page, ids.BATCH_FORMAT, "webp")
    start.click()
    expect(tab).to_have_attribute("data-state", "done")
    expect(start).to_be_disabled()
    expect(status).not_to_contain_text(EN["batch_other"])
    with zipfile.ZipFile(download(page, ids.BATCH_ZIP, tmp_path)) as made:
        assert "rocket-cutout.webp" in made.namelist()
    for path in site.folder().rglob("rocket.jpg"):
        path.unlink()  # as the sweep does
    pick(page, ids.BATCH_FORMAT, "jpeg")
    start.click()
    expect(card(page, "rocket.jpg")).to_contain_text(EN["batch_earlier"].format(reason=EN["batch_gone"]))
    with zipfile.ZipFile(download(page, ids.BATCH_ZIP, tmp_path)) as made:
        assert "rocket-cutout.webp" in made.namelist()
    expect(archive).to_be_enabled()


def test_the_51st_is_refused(page: Page, photos: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"copy-{index}.jpg" for index in range(MOST + 1)]
    for index, file in enumerate(files):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(file)
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, *files)
    expect(page.locator(".toast-body")).to_contain_text(f"A batch holds {MOST} photos: 1 more were not taken")
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text(f"{MOST} photos: {MOST} waiting")
    page.locator(".toast-close").click()
    expect(page.locator(".toast-body")).to_have_count(0)
    choose(page, ids.BATCH_DROP, photos / "astronaut.jpg")
    expect(page.locator(".toast-body")).to_contain_text("1 more were not taken")
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text(f"{MOST} photos: {MOST} waiting")
    page.locator(f"#{ids.BATCH_CLEAR}").click()
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text("No photos yet")
    choose(page, ids.BATCH_DROP, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text("1 photo: 1 waiting")


def test_a_card_can_be_corrected_just_after_another_was_pressed(visit: Visit, photos: Path) -> None:
    """However long the answer to the button before takes."""
    page = visit()
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, *(photos / "many" / f"photo-0{index}.jpg" for index in range(3)))
    page.locator(f"#{ids.BATCH_START}").click()
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text("3 done")
    slow = {"offline": False, "latency": 600, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    card(page, "photo-00.jpg").get_by_text("Discard").click()
    page.wait_for_timeout(250)
    card(page, "photo-01.jpg").get_by_text(EN["correct"]).click()
    expect(page.locator("dialog.editor")).to_have_attribute("data-state", "ready")


HOSTILE = (
    "${window.harmed = 1}.jpg",
    "${x.jpg",
    "`+(window.harmed = 1)+`.jpg",
    "\\`${window.harmed = 1}\\`.jpg",
    "a\\\\b\\u0024.jpg",
    "<img src=x onerror='window.harmed = 1'>.jpg",
    "<script>window.harmed = 1<.script>.jpg",
    "{{constructor}}{{#each this}}{{{this}}}{{.each}}.jpg",
    "&lt;b&gt; \" onmouseover=window.harmed=1 x='.jpg",
    "photo-\u202egpj.exe\u202c.jpg",
    "图" * 83 + ".jpg",
    "图" * 100 + ".jpg",
    "CON.jpg",
    "AUX.jpg",
    "aux.JPG",
)


def payload(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}


def test_the_focus_stays_in_a_batch(page: Page, photos: Path) -> None:
    """Cards are drawn anew with each photo that is done, and go; who works with keys stays where they are."""
    status = page.locator(f"#{ids.BATCH_STATUS}")
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, *sorted((photos / "many").glob("photo-1*.jpg")), photos / "notes.png")
    page.locator(f"#{ids.BATCH_START}").click()
    expect(status).to_have_attribute("aria-busy", "true")  # not each photo is said
    page.locator("button.thumb").first.focus()
    first = page.locator("button.thumb").first.get_attribute("aria-label")
    expect(status).to_have_role("status")
    expect(status).to_contain_text("8 done, 1 failed")
    expect(status).to_have_attribute("aria-busy", "false")
    expect(page.locator("button.thumb:focus")).to_have_attribute("aria-label", str(first))
    card(page, "photo-10.jpg").locator("button.thumb").press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(card(page, "photo-11.jpg").locator("button.thumb")).to_be_focused()  # the one that was looked at last
    card(page, "photo-11.jpg").locator("[data-action=discard]").press("Enter")
    expect(status).to_contain_text("8 photos")
    expect(card(page, "photo-12.jpg")).to_be_focused()  # not its button, which a second Enter would press
    page.locator("#batch-doubtful-first").press("Space")
    expect(page.locator("#batch-doubtful-first")).to_be_checked()
    expect(page.locator("#batch-doubtful-first")).to_be_focused()


def test_cards_tell_what_there_is_to_know_in_the_pages_language(page: Page, photos: Path, tmp_path: Path) -> None:
    """Of files, not of failures alone; also where the page is loaded again in another language."""
    with Image.open(photos / "astronaut.jpg") as photo:
        photo.resize((256, 256)).save(
            tmp_path / "moves.gif", save_all=True, append_images=[photo.resize((256, 256)).rotate(9)]
        )
    open_tab(page, ids.TAB_BATCH)
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(65 * 2**20)
    choose(page, ids.BATCH_DROP, tmp_path / "moves.gif", photos / "notes.png", tmp_path / "large.jpg")
    expect(page.locator(".card")).to_have_count(3)
    expect(card(page, "large.jpg").locator(".reason")).to_contain_text("large.jpg: 65 MB > 64 MB")
    page.locator(f"#{ids.BATCH_START}").click()
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text("1 done, 2 failed")
    told = {"moves.gif": "note_frames", "notes.png": "error_invalid_image"}
    for words in (EN, ZH):
        for name, key in told.items():
            expect(card(page, name).locator(".reason")).to_contain_text(words[key])
        page.locator("#hero .header-language").select_option("zh")


def test_names_can_do_no_harm(page: Page, photos: Path, tmp_path: Path) -> None:
    """What visitors call their files is text wherever it is shown, and the archive unpacks everywhere."""
    photo = (photos / "many" / "photo-00.jpg").read_bytes()
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    open_tab(page, ids.TAB_BATCH)
    files = [payload(name, photo) for name in HOSTILE]
    broken = [payload(f"broken {name}", photo[:500]) for name in HOSTILE[:9]]
    page.locator(f"#{ids.BATCH_DROP} input[type=file]").set_input_files([*files, *broken])
    status = page.locator(f"#{ids.BATCH_STATUS}")
    expect(status).to_contain_text(f"{len(HOSTILE) + 9} photos: {len(HOSTILE) + 9} waiting")
    shown = page.locator(".card .name").all_inner_texts()
    whole = [name for name in HOSTILE if len(name.encode()) <= 255]
    assert set(whole) <= set(shown) and "图" * 85 in shown
    page.locator(f"#{ids.BATCH_START}").click()
    expect(status).to_contain_text(f"0 waiting, 0 running, {len(HOSTILE)} done, 9 failed")
    with zipfile.ZipFile(download(page, ids.BATCH_ZIP, tmp_path)) as archive:
        pictures = [name for name in archive.namelist() if name != "manifest.csv"]
    assert len(pictures) == len(HOSTILE) == len({name.casefold() for name in pictures})
    for name in pictures:
        assert not set(name) & set('<>:"/\\|?*\u202e') and len(name.encode()) <= 130 and "-cutout" in name

    open_tab(page, ids.TAB_SINGLE)
    for name in (HOSTILE[0], HOSTILE[5], HOSTILE[8]):  # an error's text has the name, too
        page.locator(f"#{ids.PHOTO} input[type=file]").set_input_files([payload(name, photo[:500])])
        expect(notice(page, ids.TAB_SINGLE)).to_contain_text("jpg: got a damaged")
        page.locator(f"#{ids.NOTICE.format(tab=ids.TAB_SINGLE)} .notice-close").click()
        expect(notice(page, ids.TAB_SINGLE)).to_be_hidden()
    assert page.evaluate("window.harmed") is None
