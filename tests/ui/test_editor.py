"""The editor over a result: strokes show at once, come back snapped, and stay in every download."""

from __future__ import annotations

import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from matting_ui import ids
from matting_ui.i18n import ZH
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.visitor import Visitor
from tests.ui.browser import MODEL, Site, Visit, changed, choose, download, open_tab, pick, shown, unfold

SUIT = (320, 720)  # a place of the astronaut's suit in the photo, of 1024 x 1024 px
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
FLAG = (150, 200)  # and one of the background


def cut_out(page: Page, photo: Path) -> None:
    choose(page, ids.PHOTO, photo)
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)


def alpha_of(page: Page, folder: Path) -> np.ndarray:
    unfold(page, ids.DETAILS)
    with Image.open(download(page, ids.DOWNLOAD_ALPHA, folder)) as grey:
        return np.asarray(grey).astype(int)


class Editor:
    """The open editor, as a hand uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialog = page.locator("dialog.editor")

    def open(self) -> Editor:
        self.page.locator(f"#{ids.CORRECT}").click()
        return self.ready()

    def ready(self) -> Editor:
        expect(self.dialog).to_have_attribute("data-state", "ready")
        return self

    def button(self, name: str) -> Locator:
        return self.dialog.get_by_role("button", name=name, exact=True)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the photo is on the page."""
        script = """([x, y]) => {
          const editor = document.querySelector("dialog.editor").editor;
          const frame = editor.canvas.getBoundingClientRect();
          const { zoom, x: left, y: top } = editor.picture;
          return [frame.left + (left + x * zoom) / editor.ratio, frame.top + (top + y * zoom) / editor.ratio];
        }"""
        left, top = self.page.evaluate(script, [x, y])
        return left, top

    def seen(self, x: float, y: float) -> list[int]:
        """The colour on the screen at a pixel of the photo."""
        script = """([x, y]) => {
          const { picture } = document.querySelector("dialog.editor").editor;
          const at = [x * picture.zoom + picture.x, y * picture.zoom + picture.y].map(Math.round);
          return [...picture.screen.getImageData(...at, 1, 1).data];
        }"""
        return list(self.page.evaluate(script, [x, y]))

    def stroke(self, *points: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.place(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.place(*point), steps=4)
        mouse.up()

    def wait(self) -> Editor:
        expect(self.dialog).to_have_attribute("data-pending", "0")
        return self

    def done(self) -> None:
        self.button("Done").click()
        expect(self.dialog).to_have_count(0)


@pytest.fixture
def editor(page: Page, photos: Path) -> Editor:
    cut_out(page, photos / "astronaut.jpg")
    return Editor(page)


def test_strokes_are_in_every_download(page: Page, editor: Editor, site: Site, tmp_path: Path) -> None:
    before = alpha_of(page, tmp_path)
    asked, result = site.photos(), shown(page, ids.RESULT)
    editor.open()
    expect(editor.button("Undo")).to_be_disabled()
    editor.button("Remove").click()
    editor.stroke((260, 720), SUIT, (380, 720))
    editor.wait().button("Keep").click()
    editor.stroke(FLAG, (190, 200))
    editor.wait()
    changed(page, ids.RESULT, result, editor.done)
    after = alpha_of(page, tmp_path)
    assert before[SUIT[1], SUIT[0]] == 255 and after[SUIT[1], SUIT[0]] == 0
    assert before[FLAG[1], FLAG[0]] == 0 and after[FLAG[1], FLAG[0]] == 255
    far = np.ones(before.shape, bool)
    far[600:840, 180:460] = far[100:300, 50:290] = False
    assert (after[far] == before[far]).all()
    result = shown(page, ids.RESULT)
    changed(page, ids.RESULT, result, lambda: pick(page, ids.BACKGROUND, "blue"))
    with Image.open(download(page, ids.DOWNLOAD, tmp_path)) as made:
        assert np.abs(np.asarray(made)[SUIT[1], SUIT[0], :3].astype(int) - (0x43, 0x8E, 0xDB)).max() <= 2
    assert site.photos() == asked, "the model is not asked again"


def test_undo_redo_and_start_over_go_back_on_the_server(page: Page, editor: Editor, tmp_path: Path) -> None:
    before = alpha_of(page, tmp_path)
    editor.open()
    page.keyboard.press("x")
    editor.stroke(SUIT)
    editor.stroke((320, 800))
    editor.wait()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    editor.wait()
    expect(editor.button("Undo")).to_be_disabled()
    editor.done()
    assert (alpha_of(page, tmp_path) == before).all()
    editor.open()  # steps outlive the editor
    page.keyboard.press("Control+y")
    editor.wait()
    expect(editor.button("Redo")).to_be_enabled()
    editor.done()
    once = alpha_of(page, tmp_path)
    assert once[SUIT[1], SUIT[0]] == 0 and once[800, 320] == 255
    editor.open().button("Start over").click()
    editor.wait().done()
    assert (alpha_of(page, tmp_path) == before).all()


def test_a_stroke_shows_before_the_server_has_answered(page: Page, editor: Editor) -> None:
    editor.open()
    held: list[Route] = []
    page.route("**/editor/*/stroke", lambda route: route.continue_() if held else held.append(route))
    places = (SUIT, (320, 800))
    plain = [editor.seen(*place) for place in places]
    page.keyboard.press("x")
    editor.stroke(SUIT)
    page.wait_for_function("document.querySelector('dialog.editor').dataset.pending === '1'")
    page.evaluate(DRAWN)
    assert held and editor.seen(*SUIT) != plain[0]
    editor.stroke(places[1])  # the next one is made, and stays, while the first is on its way
    page.evaluate(DRAWN)
    assert editor.seen(*places[1]) != plain[1]
    held[0].continue_()
    editor.wait()
    page.evaluate(DRAWN)
    assert all(editor.seen(*place) != before for place, before in zip(places, plain, strict=True))
    editor.done()


def test_what_fails_is_said_and_shown_as_it_is_kept(page: Page, editor: Editor, visit: Visit) -> None:
    visit.expected = "Failed to load resource"
    editor.open()
    plain = editor.seen(*SUIT)
    page.route("**/editor/*/stroke", lambda route: route.abort())
    page.keyboard.press("x")
    editor.stroke(SUIT)
    editor.wait()
    expect(editor.dialog.get_by_role("status")).to_contain_text("does not answer")
    page.evaluate(DRAWN)
    assert editor.seen(*SUIT) == plain
    page.unroute("**/editor/*/stroke")
    editor.stroke(SUIT)
    editor.wait()
    expect(editor.dialog).to_have_attribute("data-state", "ready")
    editor.done()


def test_keys_alone(page: Page, editor: Editor, tmp_path: Path) -> None:
    editor.open()
    state = "(name) => document.querySelector('dialog.editor').editor[name]"
    zoom = "() => document.querySelector('dialog.editor').editor.picture.zoom"
    radius, fitted = page.evaluate(state, "radius"), page.evaluate(zoom)
    page.keyboard.press("]")
    assert page.evaluate(state, "radius") > radius
    page.keyboard.press("[")
    page.keyboard.press("+")
    assert page.evaluate(zoom) > fitted
    page.keyboard.press("-")
    page.keyboard.press("0")
    assert page.evaluate(zoom) == pytest.approx(fitted)
    page.keyboard.press("x")
    expect(editor.button("Remove")).to_have_attribute("aria-pressed", "true")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # a dab in the middle, a little lower: the face or suit
    editor.wait()
    expect(editor.button("Undo")).to_be_enabled()
    page.keyboard.press("b")
    expect(editor.button("Keep")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(editor.dialog).to_have_count(0)


def draw_with_a_pen(devtools: Any, touch: Any, x: float, y: float) -> None:
    """While the palm of its hand touches the screen, too."""
    palms = {15: "touchStart", 30: "touchMove", 45: "touchEnd"}
    for kind, far in (("mousePressed", 0), *(("mouseMoved", far) for far in palms), ("mouseReleased", 60)):
        place = {"x": x - 60 + far, "y": y + 60, "button": "left", "buttons": 1, "clickCount": 1}
        devtools.send("Input.dispatchMouseEvent", {"type": kind, **place, "pointerType": "pen", "force": 0.5})
        if far in palms:
            touch(palms[far], *[(x + far, y - 60)] * (far < 45))


def test_two_fingers_zoom_and_one_or_a_pen_paints(visit: Visit, photos: Path) -> None:
    page = visit(size=(390, 844), has_touch=True, is_mobile=True)
    cut_out(page, photos / "astronaut.jpg")
    editor = Editor(page).open()
    box = editor.dialog.locator(".editor-done").bounding_box()
    assert box and box["x"] + box["width"] <= 390 and box["height"] >= 44
    devtools = page.context.new_cdp_session(page)
    x, y = editor.place(512, 512)

    def of(name: str) -> Any:
        return page.evaluate(f"document.querySelector('dialog.editor').editor.{name}")

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": px, "y": py, "id": n} for n, (px, py) in enumerate(points)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    before = of("picture.zoom")
    touch("touchStart", (x - 30, y))
    touch("touchStart", (x - 30, y), (x + 30, y))
    for step in range(1, 5):
        touch("touchMove", (x - 30 - 10 * step, y), (x + 30 + 10 * step, y))
    touch("touchEnd")
    assert of("picture.zoom") > 1.5 * before
    assert of("link.pending") == 0
    below = page.locator(f"#{ids.RESULT} img").first.evaluate("(image) => getComputedStyle(image).transform")
    assert below == "matrix(1, 0, 0, 1, 0, 0)"  # the picture under the editor has not moved along
    expect(editor.button("Undo")).to_be_disabled()
    editor.button("Remove").tap()
    touch("touchStart", (x, y))
    touch("touchMove", (x + 20, y))
    touch("touchEnd")
    editor.wait()
    expect(editor.button("Undo")).to_be_enabled()

    made = of("changes")
    editor.button("Box").click()  # Chromium takes a tap right after a stroke for the end of that
    assert of("picture.zoom") > 1.5 * before  # as it was
    bar = editor.dialog.locator(".editor-bar").bounding_box()
    assert bar and bar["width"] <= 390 and bar["height"] <= 3 * 44  # two lines
    before = of("picture.zoom")
    touch("touchStart", (x - 30, y))
    touch("touchStart", (x - 30, y), (x + 30, y))
    touch("touchMove", (x - 10, y), (x + 10, y))
    touch("touchEnd")
    assert of("picture.zoom") < 0.5 * before
    assert of("changes") == made  # two fingers draw none
    touch("touchStart", (x - 40, y - 40))
    touch("touchMove", (x, y))
    touch("touchMove", (x + 40, y + 40))
    page.wait_for_function("document.querySelector('dialog.editor').editor.picture.boxes.length === 1")
    touch("touchEnd")
    editor.wait()
    assert of("changes") == made + 1

    editor.button("Brush").click()
    before = of("picture.zoom")
    draw_with_a_pen(devtools, touch, x, y)
    editor.wait()
    assert (of("palms.hasPen"), of("picture.zoom"), of("changes")) == (True, before, made + 2)
    editor.done()


def test_whole_subjects(visit: Visit, tmp_path: Path, photos: Path) -> None:
    """Two people side by side: one is clicked away, and the other alone is kept after that."""
    with Image.open(photos / "astronaut.jpg") as one:
        pair = Image.new("RGB", (2 * one.width + 400, one.height), (200, 205, 210))
        pair.paste(one, (0, 0))
        pair.paste(one, (one.width + 400, 0))
    pair.save(tmp_path / "pair.jpg", quality=95)
    page = visit(locale="zh-CN")
    cut_out(page, tmp_path / "pair.jpg")
    before = alpha_of(page, tmp_path)
    first, second = SUIT, (1424 + SUIT[0], SUIT[1])
    assert before[first[1], first[0]] == before[second[1], second[0]] == 255
    editor = Editor(page).open()
    editor.button("整个主体").click()
    page.wait_for_function("document.querySelector('dialog.editor').editor.picture.boxes.length >= 2")
    corner = page.evaluate(
        "(({ left, top }) => [left + 3, top + 3])(document.querySelector('dialog.editor').editor.picture.boxes[0])"
    )
    visit.expected = "400"  # the browser writes it down
    page.mouse.click(*editor.place(*corner))
    expect(editor.dialog.get_by_role("status")).to_have_text(ZH["editor_no_subject"])
    editor.button("移除").click()
    page.mouse.click(*editor.place(*first))
    editor.wait()
    editor.button("撤销").click()
    editor.wait()
    editor.button("保留").click()
    page.mouse.click(*editor.place(*first))
    editor.wait()
    editor.button("完成").click()
    expect(editor.dialog).to_have_count(0)
    after = alpha_of(page, tmp_path)
    assert after[first[1], first[0]] == 255 and after[second[1], second[0]] == 0


def test_a_box_chooses_the_subject(page: Page, editor: Editor, tmp_path: Path) -> None:
    """Drawn with the mouse, with keys alone, and written into the fields."""
    before = alpha_of(page, tmp_path)
    editor.open().button("Box").click()
    expect(editor.dialog.get_by_label("Size of the brush")).to_be_hidden()
    editor.stroke((150, 10), (500, 400))
    editor.wait()
    page.evaluate(DRAWN)
    editor.button("Remove").click()
    fields = [editor.dialog.get_by_label(name, exact=True) for name in ("Left", "Top", "Right", "Bottom")]
    for field, number in zip(fields, (400, 100, 600, 200), strict=True):
        field.fill(str(number))
    assert page.evaluate("document.querySelector('dialog.editor').editor.picture.boxes.length") == 1
    fields[3].press("Enter")
    editor.wait().done()
    after = alpha_of(page, tmp_path)
    inside = np.zeros(before.shape, bool)
    inside[10:400, 150:500] = True
    inside[100:200, 400:600] = False
    rim = 4  # pixels of the photo within one of the screen
    assert (after[~inside] == 0).mean() > 0.999 and after[SUIT[1], SUIT[0]] == 0
    core = np.zeros(before.shape, bool)
    core[10 + rim : 400 - rim, 150 + rim : 396] = True
    assert (after[core] == before[core]).all() and before[core].max() == 255

    editor.open().button("Start over").click()
    editor.wait()
    page.keyboard.press("r")
    page.keyboard.press("x")
    page.keyboard.press("Enter")  # from the middle of the photo ...
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")  # ... to a corner below it
    editor.wait()
    expect(editor.button("Undo")).to_be_enabled()
    editor.done()
    removed = (before > 0) & (alpha_of(page, tmp_path) == 0)
    rows, columns = np.nonzero(removed)
    assert len(rows) > 100 and rows.min() >= 510 and columns.min() >= 510


def test_a_card_of_a_batch(page: Page, photos: Path, tmp_path: Path) -> None:
    """What was corrected is in the archive, and stays when the batch is made again with other settings."""
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "astronaut.jpg", photos / "rocket.jpg")
    page.locator(f"#{ids.BATCH_START}").click()
    status = page.locator(f"#{ids.BATCH_STATUS}")
    expect(status).to_contain_text("2 done")
    card = page.locator(f"#{ids.BATCH_BOARD} .card[data-name='astronaut.jpg']")
    thumbnail = str(card.locator("img").get_attribute("src"))
    card.get_by_text("Correct").click()
    editor = Editor(page).ready()
    page.keyboard.press("x")
    editor.stroke((260, 720), SUIT, (380, 720))
    editor.wait().done()
    expect(card.locator("img")).not_to_have_attribute("src", thumbnail)
    assert _archived(page, tmp_path, "astronaut-cutout.png")[SUIT[1], SUIT[0], 3] == 0
    images = [page.locator(f"#{ids.BATCH_BOARD} .card[data-name='{name}.jpg'] img") for name in ("astronaut", "rocket")]
    transparent = [str(image.get_attribute("src")) for image in images]
    pick(page, ids.BATCH_BACKGROUND, "white")
    page.locator(f"#{ids.BATCH_START}").click()
    for image, before in zip(images, transparent, strict=True):  # the status says "2 done" of those before, too
        expect(image).not_to_have_attribute("src", before)
    expect(status).to_contain_text("0 running, 2 done")
    assert _archived(page, tmp_path, "astronaut-cutout.png")[SUIT[1], SUIT[0]].tolist() == [255, 255, 255]


def _archived(page: Page, folder: Path, name: str) -> np.ndarray:
    with zipfile.ZipFile(download(page, ids.BATCH_ZIP, folder)) as archive, archive.open(name) as file:
        return np.asarray(Image.open(file))


def test_nobody_else_reaches_a_drawing(page: Page, editor: Editor, site: Site) -> None:
    addresses: list[str] = []
    page.on("request", lambda asked: addresses.append(asked.url) if "/editor/" in asked.url else None)
    editor.open()
    alpha = next(each for each in addresses if each.endswith("/alpha"))
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    stranger = Visitor(site.url, "a-stranger")
    base = alpha.removesuffix("alpha")
    stroke: dict[str, Any] = {"keep": True, "radius": 5, "points": [[10, 10]]}
    with httpx.Client(cookies=cookies, timeout=60) as own, closing(stranger.http):
        assert own.get(alpha).status_code == 200
        assert stranger.http.get(alpha).status_code == 404
        assert stranger.http.get(base + "photo").status_code == 404
        assert stranger.http.post(base + "stroke", json=stroke).status_code == 404
        assert own.get(f"{site.url}/editor/nothing/alpha").status_code == 404
        foreign = {"Origin": "https://elsewhere.example"}
        assert own.post(base + "stroke", json=stroke, headers=foreign).status_code == 403
        for body, status in (
            (b"no json", 400),
            (b"[" * 50_000, 400),
            (b" " * 200_000, 413),
            (b"[]", 400),
            (b"{}", 400),
            (b'{"keep": true, "radius": 5, "points": [[1]]}', 400),
            (b'{"keep": 1, "radius": 5, "points": [[1, 1]]}', 400),
            (b'{"keep": true, "radius": 1e999, "points": [[1, 1]]}', 400),
            (b'{"keep": true, "radius": "5", "points": [[1, 1]]}', 400),
            (b'{"keep": true, "radius": 5, "points": [[NaN, 1]]}', 400),
            (b'{"keep": true, "radius": 5, "points": [[90000, 1]]}', 400),
            (b'{"keep": true, "radius": 5, "points": []}', 400),
        ):
            answer = own.post(base + "stroke", content=body)
            assert answer.status_code == status and answer.json()["errors"][0]["code"], body[:60]
        assert own.post(base + "pick", json={"keep": True, "x": 1, "y": 1}).status_code == 400
        sides: dict[str, Any] = {"keep": True, "left": 1, "top": 1, "right": 9, "bottom": 9}
        for wrong in ({"right": 0}, {"left": 5000, "right": 6000}, {"top": "1"}, {"keep": 1}, {"left": None}):
            assert own.post(base + "box", json=sides | wrong).status_code == 400, wrong
        endless = b'{"keep": true, "left": 1e999, "top": NaN, "right": 9, "bottom": 9}'
        assert own.post(base + "box", content=endless).status_code == 400
        assert own.post(base + "stroke", json=stroke).headers["x-undo"] == "1"
    editor.done()
