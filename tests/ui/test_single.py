"""The tab for one photo."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from matting_client import Options, connect
from matting_ui import ids
from matting_ui.i18n import EN
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from tests.ui.browser import (
    MODEL,
    Site,
    Visit,
    changed,
    choose,
    download,
    drop,
    notice,
    open_tab,
    pick,
    picture,
    set_slider,
    shown,
    unfold,
)

HEIC = Path(__file__).parents[1] / "data" / "iphone.heic"


def cut_out(page: Page, photos: Path) -> None:
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)


def loaded(page: Page, element: str, index: int = -1) -> np.ndarray:
    """The pixels of a picture that is shown."""
    address = shown(page, element, index)
    return np.asarray(Image.open(io.BytesIO(httpx.get(address, timeout=60).raise_for_status().content)))


def test_cut_out_look_and_download(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    before = site.settled_photos()
    cut_out(page, photos)
    assert site.photos() == before + 1
    unfold(page, ids.DETAILS)
    for word in ("1024 × 1024", "queue", "model", "in all"):
        expect(page.locator(f"#{ids.STATUS}")).to_contain_text(word, use_inner_text=True)
    photo, result = loaded(page, ids.RESULT, 0), loaded(page, ids.RESULT, 1)
    alpha = loaded(page, ids.ALPHA)
    assert photo.shape == result.shape == (*alpha.shape, 3)
    sky, suit = (slice(0, 40), slice(700, 760)), (slice(700, 740), slice(300, 340))
    assert alpha[sky].max() == 0 and alpha[suit].min() == 255
    assert np.abs(photo[suit].astype(int) - result[suit]).mean() < 6
    assert set(np.unique(result[sky] // 16)) <= {13, 15}  # squares
    file = download(page, ids.DOWNLOAD, tmp_path)
    assert file.name == "astronaut-cutout.png"
    with connect(url=site.server.grpc, model=MODEL) as client:
        assert file.read_bytes() == client.cutout(photos / "astronaut.jpg", Options()).to_bytes()
    with Image.open(download(page, ids.DOWNLOAD_ALPHA, tmp_path)) as grey:
        assert (grey.mode, grey.size) == ("L", (1024, 1024))


def test_finest_hair_asks_the_larger_model(page: Page, photos: Path) -> None:
    cut_out(page, photos)
    unfold(page, ids.ADVANCED)
    page.locator(f"#{ids.FINE} input").check()
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(ids.FINE_MODEL)


def test_nothing_found_is_said(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (320, 240), (90, 120, 150)).save(tmp_path / "sky.jpg")
    choose(page, ids.PHOTO, tmp_path / "sky.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(EN["nothing_found"])


def test_settings_need_no_inference(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    with Image.open(photos / "astronaut.jpg") as known:
        ImageOps.mirror(known).save(tmp_path / "astronaut.jpg")  # one that the page has not kept
    before = site.model_seconds()
    cut_out(page, tmp_path)
    counted, spent, result = site.photos(), site.model_seconds(), shown(page, ids.RESULT)
    unfold(page, ids.ADVANCED)
    for element, value in ((ids.THRESHOLD, 20), (ids.ERODE, 3), (ids.THRESHOLD, 5)):
        result = changed(page, ids.RESULT, result, lambda e=element, v=value: set_slider(page, e, v))
    result = changed(page, ids.RESULT, result, lambda: page.locator(f"#{ids.FEATHER} input").check())
    result = changed(page, ids.RESULT, result, lambda: pick(page, ids.BACKGROUND, "blue"))
    assert np.abs(loaded(page, ids.RESULT)[5, 600].astype(int) - (0x43, 0x8E, 0xDB)).max() < 6
    page.locator(f"#{ids.OUTPUT} button").first.click()
    result = changed(page, ids.RESULT, result, lambda: page.locator(f"#{ids.CROP} input").check())
    expect(page.locator(f"#{ids.MARGIN}")).to_be_visible()
    result = changed(page, ids.RESULT, result, lambda: set_slider(page, ids.MARGIN, 20))
    result = changed(page, ids.RESULT, result, lambda: pick(page, ids.FORMAT, "webp"))
    changed(page, ids.RESULT, result, lambda: set_slider(page, ids.QUALITY, 60))
    assert site.photos() == counted
    assert site.model_seconds() - spent < spent - before  # of nine changes; the checks take far less
    file = download(page, ids.DOWNLOAD, tmp_path)
    wanted = Options(
        background="#438edb",
        format="webp",
        quality=60,
        alpha_threshold=5,
        erode=3,
        feather=True,
        crop=True,
        crop_margin="20%",
    )
    with connect(url=site.server.grpc, model=MODEL) as client:
        assert file.read_bytes() == client.cutout(tmp_path / "astronaut.jpg", wanted).to_bytes()


def test_presets_colours_and_pictures(page: Page, site: Site, photos: Path) -> None:
    cut_out(page, photos)
    counted, result = site.photos(), shown(page, ids.RESULT)
    result = changed(page, ids.RESULT, result, lambda: pick(page, ids.PRESET, "id-photo"))
    assert loaded(page, ids.RESULT)[5, 600].min() > 250
    expect(page.locator(f"#{ids.PRESET}")).to_contain_text("plain white")
    expect(page.locator(f"#{ids.FORMAT} input[value=jpeg]")).to_be_checked()
    expect(page.locator(f"#{ids.QUALITY}")).to_be_visible()
    result = changed(page, ids.RESULT, result, lambda: pick(page, ids.BACKGROUND, "custom"))
    expect(page.locator(f"#{ids.COLOUR}")).to_be_visible()
    result = changed(page, ids.RESULT, result, lambda: pick(page, ids.BACKGROUND, "picture"))
    changed(page, ids.RESULT, result, lambda: choose(page, ids.PICTURE, photos / "rocket.jpg"))
    assert np.ptp(loaded(page, ids.RESULT)[:200, 600:].astype(int)) > 60
    assert site.photos() == counted


def test_quick_changes_are_all_followed(page: Page, photos: Path) -> None:
    """Each made in the moment when the answer to the one before comes, and so the end of the stream of answers."""
    cut_out(page, photos)
    result = shown(page, ids.RESULT)
    for index in range(20):
        colour = ("white", "blue", "red")[index % 3]
        result = changed(page, ids.RESULT, result, lambda c=colour: pick(page, ids.BACKGROUND, c))


@pytest.mark.parametrize("far", [False, True], ids=["localhost", "plain http"])
def test_paste(visit: Visit, site: Site, far: bool) -> None:
    """A picture from the real clipboard, with Ctrl+V; from afar the page may not read it by itself."""
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async () => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 321, height: 234 });
          canvas.getContext("2d").fillRect(60, 60, 100, 100);
          const png = await new Promise((done) => canvas.toBlob(done, "image/png"));
          await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
        }"""
    )
    if far:
        page = visit(site.far_url)
        assert page.evaluate("[window.isSecureContext, typeof navigator.clipboard]") == [False, "undefined"]
    status = page.locator(f"#{ids.STATUS}")
    page.keyboard.press("Control+V")
    expect(status).to_contain_text("321 × 234")
    first = shown(page, ids.RESULT)
    changed(page, ids.RESULT, first, lambda: page.keyboard.press("Control+V"))  # in place of the one that is there
    expect(status).to_contain_text("321 × 234")


def test_a_pasted_file_that_is_no_picture_is_answered(page: Page) -> None:
    page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File(["%PDF"], "letter.pdf", { type: "application/pdf" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }"""
    )
    expect(notice(page, ids.TAB_SINGLE)).to_contain_text("letter.pdf")


def test_drop(page: Page, photos: Path) -> None:
    drop(page, f"#{ids.PHOTO} button:has(input[type=file])", (photos / "astronaut.jpg", "image/jpeg"))
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)


def test_the_file_decides_not_its_type(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    """What is no picture is refused by name and goes to no other tab; a photo of no known type is taken."""
    box = notice(page, ids.TAB_SINGLE)
    (tmp_path / "letter.txt").write_text("Dear Sir")
    drop(page, "#hero", (tmp_path / "letter.txt", "text/plain"))
    expect(box).to_have_attribute("data-code", "invalid_image")
    expect(box).to_contain_text(EN["no_photo"])
    expect(box).to_contain_text("letter.txt")
    choose(page, ids.PHOTO, tmp_path / "letter.txt")  # with the file dialogue, too
    expect(box).to_contain_text(EN["no_photo"])
    drop(page, "#hero", (photos / "notes.png", ""))  # only the server can tell
    expect(box).to_contain_text("notes.png: got no known picture format")
    before = site.photos()
    open_tab(page, ids.TAB_SCENE)
    page.wait_for_timeout(1500)
    expect(notice(page, ids.TAB_SCENE)).to_be_hidden()
    expect(page.locator(f"#tab-{ids.TAB_SCENE}[data-state]")).to_have_count(0)
    assert site.photos() == before
    open_tab(page, ids.TAB_SINGLE)
    for kind in ("", "application/octet-stream"):
        drop(page, "#hero", (HEIC, kind))
        expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-state", "working")
        expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-state", "done")
        expect(page.locator(f"#{ids.STATUS}")).to_contain_text("320 × 320")


def test_many_photos_go_to_the_batch(page: Page, photos: Path) -> None:
    files = [(file, "image/jpeg") for file in sorted((photos / "many").glob("photo-0*.jpg"))]
    drop(page, "#hero", *files)
    expect(page.locator(f"#tab-{ids.TAB_BATCH}")).to_be_visible()
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text(f"{len(files)} photos: {len(files)} waiting")
    open_tab(page, ids.TAB_IDPHOTO)
    drop(page, "#hero", *files)
    expect(notice(page, ids.TAB_IDPHOTO)).to_contain_text(EN["one_only"])
    expect(page.locator(f"#tab-{ids.TAB_IDPHOTO}[data-state]")).to_have_count(0)


def test_quick_choices_end_with_the_last(page: Page, photos: Path, tmp_path: Path) -> None:
    """Of purposes, backgrounds and photos: none that comes while another is in work is left out."""
    with Image.open(photos / "rocket.jpg") as photo:
        photo.resize((5000, 4000)).save(tmp_path / "large.jpg")  # takes a while
    choose(page, ids.PHOTO, tmp_path / "large.jpg")
    expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-state", "working")
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text("1024 × 1024")
    for tab, preset, format, background in (
        (ids.TAB_SINGLE, ids.PRESET, ids.FORMAT, ids.BACKGROUND),
        (ids.TAB_BATCH, "batch-preset", ids.BATCH_FORMAT, ids.BATCH_BACKGROUND),
    ):
        open_tab(page, tab)
        if tab == ids.TAB_BATCH:
            choose(page, ids.BATCH_DROP, photos / "rocket.jpg")
        page.locator(f"#{preset}").wait_for()
        for last, kind, ground in (("id-photo", "jpeg", "white"), ("none", "png", ids.TRANSPARENT)):
            names = ("product", "none", "id-photo", "product", last)
            page.locator(f"#{preset}").evaluate(
                """async (box, names) => {
                  for (const name of names) {
                    box.querySelector(`input[value='${name}']`).click();
                    await new Promise((done) => setTimeout(done, 20)); // Gradio takes the last of those made at once
                  }
                }""",
                names,
            )
            expect(page.locator(f"#{format} input[value={kind}]")).to_be_checked()
            expect(page.locator(f"#{background} input[value={ground}]")).to_be_checked()
            page.wait_for_timeout(500)
            expect(page.locator(f"#{preset} input[value={last}]")).to_be_checked()
            expect(page.locator(f"#{format} input[value={kind}]")).to_be_checked()


def test_webcam(visit: Visit) -> None:
    page = visit(permissions=["camera"])
    photo = page.locator(f"#{ids.PHOTO}")
    photo.get_by_label("Capture from camera").click()
    photo.get_by_text("Click to Access Webcam").click()
    photo.locator("video").wait_for()
    page.wait_for_function("() => document.querySelector('#photo video')?.videoWidth > 0")
    photo.locator("button[aria-label='capture photo']").click()
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)


def test_a_broken_file_is_explained(page: Page, photos: Path) -> None:
    choose(page, ids.PHOTO, photos / "notes.png")
    expect(notice(page, ids.TAB_SINGLE)).to_contain_text("notes.png: got no known picture format")
    expect(page.locator(f"#{ids.STATUS} p")).to_have_text(EN["error_invalid_image"])


def test_slider_follows_the_keyboard(page: Page, photos: Path) -> None:
    cut_out(page, photos)
    result = picture(page, ids.RESULT)
    expect(result).to_have_attribute("style", _containing("50%"))
    page.locator(f"#{ids.RESULT}").focus()
    page.keyboard.press("ArrowLeft")
    expect(result).not_to_have_attribute("style", _containing("50%"))


def _containing(text: str) -> object:
    import re

    return re.compile(re.escape(text))
