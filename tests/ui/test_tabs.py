"""The other tabs, languages, screens, keyboards, and programs that call the page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from matting_ui import card, ids
from matting_ui.i18n import EN, ZH
from PIL import Image
from playwright.sync_api import Page, expect
from skimage import data

from tests.ui.browser import (
    MODEL,
    Site,
    Visit,
    changed,
    choose,
    download,
    notice,
    open_tab,
    pick,
    set_slider,
    shown,
    unfold,
)

SLIDERS = {"x": ids.SCENE_X, "y": ids.SCENE_Y, "scale": ids.SCENE_SCALE}


def size_of(address: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(httpx.get(address, timeout=60).raise_for_status().content)) as picture:
        return picture.size


def test_id_photo(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    open_tab(page, ids.TAB_IDPHOTO)
    counted = site.photos()
    choose(page, ids.ID_PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.ID_STATUS}")).to_contain_text("USA · 600 × 600 px · 2 on a sheet")
    page.locator(f"#{ids.ID_SIZE} input").click()
    page.get_by_role("option", name=re.compile("1 inch")).click()
    expect(page.locator(f"#{ids.ID_STATUS}")).to_contain_text("1 inch · 295 × 413 px · 12 on a sheet")
    result = shown(page, ids.ID_RESULT)
    assert size_of(result) == (295, 413)
    page.locator(f"#{ids.ID_SIZE} input").click()
    assert "USA" in page.get_by_role("listbox").get_by_role("option").first.inner_text()  # of a reader of English
    page.get_by_role("option", name=re.compile("Visa and passport, USA")).click()
    expect(page.locator(f"#{ids.ID_STATUS}")).to_contain_text("600 × 600 px · 2 on a sheet")
    result = changed(page, ids.ID_RESULT, result, lambda: pick(page, ids.ID_BACKGROUND, "blue"))
    result = changed(page, ids.ID_RESULT, result, lambda: set_slider(page, ids.ID_ZOOM, 1.2))
    changed(page, ids.ID_RESULT, result, lambda: set_slider(page, ids.ID_SHIFT, 5))
    assert site.photos() == counted + 1
    file = download(page, ids.ID_DOWNLOAD, tmp_path)
    assert file.name == "astronaut-us-visa.jpg"
    with Image.open(file) as picture:
        assert picture.size == (600, 600) and picture.info["dpi"][0] == pytest.approx(299, abs=1)
        assert np.abs(np.asarray(picture)[:8, :8].astype(int) - (0x43, 0x8E, 0xDB)).max() < 8
    with Image.open(download(page, ids.ID_DOWNLOAD_SHEET, tmp_path)) as sheet:
        assert sorted(sheet.size) == [1200, 1800] and sheet.info["dpi"] == (300, 300)
    pick(page, ids.ID_FORMAT, "pdf")
    pdf = download(page, ids.ID_DOWNLOAD_SHEET, tmp_path)
    assert pdf.suffix == ".pdf" and pdf.read_bytes().startswith(b"%PDF")
    expect(page.locator(f"#{ids.ID_STATUS}")).to_contain_text("refuses photos whose background was changed")


def test_an_id_photo_wants_one_face(visit: Visit, tmp_path: Path) -> None:
    """A cup has none and a pair has two: a sentence with its code, and neither photo nor sheet."""
    page = visit(locale="zh-CN")
    open_tab(page, ids.TAB_IDPHOTO)
    astronaut = data.astronaut()
    for name, picture in (("no_face", data.coffee()), ("several_faces", np.hstack([astronaut, astronaut[:, ::-1]]))):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        choose(page, ids.ID_PHOTO, tmp_path / f"{name}.png")
        expect(notice(page, ids.TAB_IDPHOTO)).to_contain_text(ZH[f"error_{name}"])
        expect(notice(page, ids.TAB_IDPHOTO).locator("code")).to_have_text(name)
        expect(page.locator(f"#{ids.ID_RESULT}")).to_be_hidden()
        expect(page.locator(f"#{ids.ID_SHEET}")).to_be_hidden()
        expect(page.locator(f"#{ids.ID_DOWNLOAD_SHEET}")).to_be_hidden()


def test_background(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    open_tab(page, ids.TAB_SCENE)
    counted = site.photos()
    choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    choose(page, ids.SCENE_BACKGROUND, photos / "rocket.jpg")
    status = page.locator(f"#{ids.SCENE_STATUS}")
    expect(status).to_contain_text(f"1280 × 854 px · {MODEL}")
    expect(status).to_contain_text("cut off below")
    result = shown(page, ids.SCENE_RESULT)
    sliders = {
        ids.SCENE_X: 30,
        ids.SCENE_SCALE: 60,
        ids.SCENE_Y: 110,
        ids.SCENE_BLUR: 8,
        ids.SCENE_LIGHT: 90,
        ids.SCENE_SHADOW: 0,
    }
    for element, value in sliders.items():
        result = changed(page, ids.SCENE_RESULT, result, lambda e=element, v=value: set_slider(page, e, v))
    assert site.photos() == counted + 1
    pick(page, ids.SCENE_FORMAT, "jpeg")
    with Image.open(download(page, ids.SCENE_DOWNLOAD, tmp_path)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1280, 854))


def test_backgrounds_of_ours_and_hands_in_the_picture(page: Page, site: Site, photos: Path, tmp_path: Path) -> None:
    """Drawn scenes and the photo's own, blurred; the subject is dragged and scaled where it stands."""
    open_tab(page, ids.TAB_SCENE)
    choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    result = shown(page, ids.SCENE_RESULT)
    counted = site.photos()
    result = changed(page, ids.SCENE_RESULT, result, lambda: pick(page, ids.SCENE_GROUND, "meadow"))
    expect(page.locator(f"#{ids.SCENE_BACKGROUND}")).to_be_hidden()
    sliders = {name: page.locator(f"#{element} input[type=number]") for name, element in SLIDERS.items()}
    before = {name: float(slider.input_value()) for name, slider in sliders.items()}
    box = page.locator(f"#{ids.SCENE_RESULT} img").bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 0.2 * box["height"], middle[1] - 0.1 * box["height"], steps=6)
    page.mouse.up()
    expect(sliders["y"]).to_have_value(re.compile(r"^(89|90|91)$"))
    moved = float(sliders["x"].input_value())
    assert moved == pytest.approx(before["x"] + 20, abs=2)  # the background has the photo's shape, a square
    page.mouse.move(*middle)
    page.mouse.wheel(0, 200)
    expect(sliders["scale"]).not_to_have_value(f"{before['scale']:g}")
    assert float(sliders["scale"].input_value()) < before["scale"]
    result = changed(page, ids.SCENE_RESULT, result, lambda: pick(page, ids.SCENE_GROUND, "blur"))
    expect(page.locator(f"#{ids.SCENE_PLACE}")).to_be_hidden()
    expect(page.locator(f"#{ids.SCENE_BLUR} input[type=number]")).to_have_value("12")
    changed(page, ids.SCENE_RESULT, result, lambda: set_slider(page, ids.SCENE_BLUR, 30))
    assert site.photos() == counted
    with (
        Image.open(download(page, ids.SCENE_DOWNLOAD, tmp_path)) as made,
        Image.open(photos / "astronaut.jpg") as photo,
    ):
        assert made.size == photo.size
        difference = np.abs(np.asarray(made.convert("RGB")).astype(int) - np.asarray(photo)).max(2)
    assert np.median(difference[560:700, 240:560]) <= 3 < np.percentile(difference[:300, :150], 60)


def test_the_page_travels_compressed(site: Site) -> None:
    zipped, plain = (
        httpx.get(site.url, headers={"Accept-Encoding": coding}, timeout=60) for coding in ("br, gzip", "identity")
    )
    assert zipped.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in zipped.headers["Vary"]
    for page in (zipped.text, plain.text):  # what About says of the server may differ between the two
        assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert int(zipped.headers["Content-Length"]) < 120_000 < int(plain.headers["Content-Length"])


def test_about(page: Page) -> None:
    open_tab(page, ids.TAB_ABOUT)
    card = page.locator(f"#{ids.ABOUT_CARD}")
    for text in (MODEL, "Apache-2.0", "Portraits with measured alpha", "SAD", "gradio"):
        expect(card).to_contain_text(text)
    server = page.locator(f"#{ids.ABOUT_SERVER}")
    expect(server).to_contain_text("Triton 2.")
    for text in ("threads", "CPU, 1 at once", "512 × 512 px", "64 places, up to 8 photos in a batch"):
        expect(server).to_contain_text(text)
    before = server.inner_text()
    page.wait_for_timeout(1500)
    page.locator(f"#{ids.ABOUT_REFRESH}").click()
    expect(server).not_to_have_text(before)


def test_facts_of_the_server_are_in_the_visitors_language() -> None:
    run = {"size": 512, "places": 64, "engine": "X, 2 threads", "device": "CPU", "instances": 1, "max_batch": 8}
    told = card._run(run, ZH)
    assert "512 × 512 像素" in told and "px" not in told and "threads" not in told


@pytest.mark.parametrize(("locale", "words"), [("zh-HK", ZH), ("de-DE", EN)])
def test_language_follows_the_browser(visit: Visit, photos: Path, locale: str, words: dict[str, str]) -> None:
    """Any kind of Chinese; and no word in a language that is not the page's, Gradio's own included."""
    page = visit(locale=locale)
    expect(page.locator("#hero")).to_contain_text(words["title"])
    open_tab(page, ids.TAB_VIDEO)
    expect(page.locator(f"#{ids.VIDEO_CLIP}")).to_contain_text("点击上传" if words is ZH else "Click to Upload")
    open_tab(page, ids.TAB_BATCH)
    expect(page.locator(f"#tab-{ids.TAB_BATCH}-button")).to_have_text(words["tab_batch"])
    choose(page, ids.BATCH_DROP, photos / "notes.png")
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text("等待 1" if words is ZH else "1 waiting")


@pytest.mark.parametrize("size", [(360, 740), (3840, 2160)], ids=["phone", "4K"])
def test_every_tab_fits_the_screen(visit: Visit, photos: Path, size: tuple[int, int]) -> None:
    page = visit(size=size, has_touch=size[0] < 500)
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    for tab in (ids.TAB_SINGLE, ids.TAB_IDPHOTO, ids.TAB_BATCH, ids.TAB_SCENE, ids.TAB_VIDEO, ids.TAB_ABOUT):
        _show_tab(page, tab)
        wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1], tab


@pytest.mark.parametrize(("wide", "lines"), [(320, 2), (360, 1)])
def test_every_tab_is_seen_on_a_narrow_screen(visit: Visit, wide: int, lines: int) -> None:
    tabs = visit(size=(wide, 640)).locator("#tabs [role=tab]:visible").all()
    places = [each.bounding_box() or {} for each in tabs]
    assert len(places) == 6 and len({each["y"] for each in places}) == lines
    assert all(each["x"] >= 0 and each["x"] + each["width"] <= wide for each in places)


def _show_tab(page: Page, tab: str) -> None:
    """Open a tab that may be behind the button for those that do not fit."""
    button = page.locator(f"#tab-{tab}-button")
    if not button.is_visible():
        page.get_by_label("More tabs").click()
        button = page.locator(".overflow-dropdown").get_by_text(EN[f"tab_{tab}"], exact=True)
    button.click()
    expect(page.locator(f"#tab-{tab}")).to_be_visible()


def test_everything_is_reached_with_the_keyboard(page: Page, photos: Path) -> None:
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    for folded in (ids.ADVANCED, ids.DETAILS):
        unfold(page, folded)
    page.locator(f"#{ids.RESULT}").focus()
    reached = {ids.RESULT}
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("() => document.activeElement.id || document.activeElement.closest('[id]')?.id || ''")
        )
    wanted = (ids.RESULT, ids.DOWNLOAD, ids.DOWNLOAD_ALPHA, ids.PRESET, ids.BACKGROUND, ids.FORMAT)
    wanted += (ids.THRESHOLD, ids.ERODE, ids.FEATHER)
    missing = [name for name in wanted if not any(name in each for each in reached)]
    assert missing == []


@pytest.fixture
def client(site: Site, tmp_path: Path) -> Client:
    # httpx's own 5 s are too few on a busy machine.
    return Client(site.url, download_files=str(tmp_path), verbose=False, httpx_kwargs={"timeout": 60})


def test_programs_can_call_it(client: Client, photos: Path) -> None:
    functions = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert functions.keys() == {f"/{name}" for name in _FUNCTIONS}
    photo = handle_file(str(photos / "astronaut.jpg"))
    (before, after), alpha, status = client.predict(photo=photo, erode=1, api_name="/cutout")
    assert all(Path(each).is_file() for each in (before, after, alpha)) and MODEL in status
    with Image.open(client.predict(erode=1, format="webp", api_name="/file")) as picture:
        assert (picture.format, picture.size, picture.mode) == ("WEBP", (1024, 1024), "RGBA")
    archive = client.predict(files=[photo, handle_file(str(photos / "notes.png"))], api_name="/batch")
    assert Path(archive).name == "batch_results.zip"
    with Image.open(client.predict(photo=photo, shop="taobao", api_name="/cut_out")) as picture:
        assert (picture.format, picture.size) == ("JPEG", (800, 800))
    with pytest.raises(AppError, match=r"notes\.png"):
        client.predict(files=[handle_file(str(photos / "notes.png"))], api_name="/batch")
    client.predict(photo=photo, api_name="/id_photo")
    assert Path(client.predict(sheet_format="pdf", api_name="/id_sheet")).suffix == ".pdf"
    client.close()


_FUNCTIONS = (
    ids.API_CUTOUT,
    ids.API_RECOMPOSE,
    ids.API_FILE,
    ids.API_ALPHA,
    ids.API_PRESET,
    ids.API_ID,
    ids.API_ID_AGAIN,
    ids.API_ID_FILE,
    ids.API_ID_SHEET,
    ids.API_SCENE,
    ids.API_SCENE_AGAIN,
    ids.API_SCENE_FILE,
    ids.API_ONE,
    ids.API_TOLD,
    ids.API_VIDEO,
    ids.API_VIDEO_FRAME,
    ids.API_BATCH,
    ids.API_ABOUT,
)


def test_another_visitor_sees_nothing(visit: Visit, photos: Path, site: Site) -> None:
    first, second = visit(), visit()
    choose(first, ids.PHOTO, photos / "astronaut.jpg")
    expect(first.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    expect(second.locator(f"#{ids.PHOTO}")).to_contain_text("Drop a photo")
    assert second.locator(f"#{ids.RESULT} img").count() == 0
    folder = site.folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in (folder, f"{folder}/", f"{folder}/nothing.png"):
        assert httpx.get(f"{site.url}/gradio_api/file={path}", timeout=60).status_code in (403, 404)
