"""Cutouts in the visitor's own browser: nothing is sent, and the network says what it says on the server."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import brotli
import httpx
import numpy as np
import onnxruntime as ort
import pytest
from matting_client import processing
from matting_client.repository import DEFAULT_MODEL, model_file
from matting_client.types import U8
from matting_ui import ids
from matting_ui.device import FOLDER, MODEL_NAME, PATH, RUNTIME, RUNTIME_BYTES, device_model
from matting_ui.i18n import EN, ZH
from matting_ui.stage import SAMPLES_PATH
from PIL import Image
from playwright.sync_api import Page, Request, expect
from skimage import data

from tests.ui.browser import Site, Visit, notice, open_tab, serious

SIZE = 512
RUNTIME_SCRIPT = "onnxruntime/ort.wasm.bundle.min.mjs"
# Of 262,144 bytes of the network's output none differs on the machine this was measured on, with ONNX Runtime 1.32 for
# Python and 1.30 for browsers. A CPU with other instructions rounds the last bit of a sum differently.
MOST_DIFFERENT = 26


def published(name: str) -> bytes:
    return bytes(brotli.decompress((FOLDER / f"{name}.br").read_bytes()))


def switch_on(page: Page) -> None:
    page.locator(f"#{ids.DEVICE} .device-switch input").check()
    state(page, "empty")


def state(page: Page, name: str) -> None:
    expect(page.locator(f"#tab-{ids.TAB_SINGLE}")).to_have_attribute("data-device", name)


def choose(page: Page, file: Path) -> None:
    page.locator(".device-photo input").set_input_files(str(file))


def status(page: Page) -> Any:
    return page.locator(".device-status")


def download(page: Page, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(".device-download").click()
    target = folder / waiting.value.suggested_filename
    waiting.value.save_as(target)
    return target


def check_results(page: Page, folder: Path) -> None:
    """Of `rocket.jpg`, as the file says and as the settings say."""
    expect(status(page)).to_contain_text("1280 × 854")
    with Image.open(download(page, folder)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (1280, 854))
    page.locator(".device-side input[value='#438edb']").check()
    page.locator(".device-side input[value=jpeg]").check()
    expect(status(page)).to_contain_text("JPEG")
    with Image.open(download(page, folder)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (1280, 854))
        assert np.allclose(picture.getpixel((0, 0)), (0x43, 0x8E, 0xDB), atol=3)


def test_a_photo_stays_in_the_browser(visit: Visit, site: Site, photos: Path, tmp_path: Path, axe: str) -> None:
    """No request carries it, the server's counters stand still, and the worker that has it could not send it.

    On the way the model cannot be fetched at first, and Retry cuts the photo out here, too.
    """
    visit.expected = "ERR_FAILED"
    page = visit(locale="zh-CN")
    secret, words = tmp_path / "stays.jpg", tmp_path / "stays.png"  # names that nobody has sent before
    secret.write_bytes((photos / "rocket.jpg").read_bytes())
    words.write_bytes((photos / "notes.png").read_bytes())
    before = site.settled_photos()
    switch_on(page)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.route(f"**{PATH}/{MODEL_NAME}", lambda route: route.abort())
    choose(page, secret)
    state(page, "failed")
    box = notice(page, ids.TAB_SINGLE)
    expect(box).to_have_attribute("data-code", "unreachable")
    expect(status(page)).to_have_text(ZH["error_unreachable"])
    page.unroute(f"**{PATH}/{MODEL_NAME}")
    box.locator(".notice-retry").click()
    state(page, "done")
    expect(box).to_be_hidden()
    check_results(page, tmp_path)
    assert serious(page, axe) == []
    open_tab(page, ids.TAB_IDPHOTO)  # where a photo of the server's would go along to
    page.wait_for_timeout(500)
    open_tab(page, ids.TAB_SINGLE)
    choose(page, words)
    expect(box).to_have_attribute("data-code", "invalid_image")
    expect(box.locator(".notice-retry")).to_be_hidden()

    sent = [each for each in asked if not each.url.startswith("blob:")]
    assert [each.url for each in sent if each.method != "GET" or each.post_data_buffer] == []
    assert {each.url.removeprefix(f"{site.url}{PATH}/") for each in sent} >= {"worker.js", MODEL_NAME, RUNTIME}
    ours = (f"{site.url}{PATH}/", f"{site.url}{SAMPLES_PATH}/")  # of which the latter has small pictures to choose from
    assert [each.url for each in sent if not each.url.startswith(ours)] == []
    assert site.settled_photos() == before
    assert list(site.folder().rglob("stays.*")) == []
    visit.check()

    visit.expected = "violates the following Content Security Policy"
    visit.complaints.clear()
    (worker,) = page.workers
    went = "(address) => fetch(address).then(() => 'went', () => 'refused')"
    assert page.evaluate(went, f"{site.url}{PATH}/worker.js") == "went"
    assert worker.evaluate(went, f"{site.url}{PATH}/worker.js") == "refused"

    page.reload()
    state(page, "empty")  # the choice is remembered, the photo is not
    page.locator(".device-switch input").uncheck()
    expect(page.locator(f"#{ids.PHOTO}")).to_be_visible()
    assert page.locator(f"#tab-{ids.TAB_SINGLE}").get_attribute("data-state") is None


@pytest.fixture(scope="module")
def network() -> ort.InferenceSession:
    """The same file as the browser gets, in ONNX Runtime on the CPU."""
    return ort.InferenceSession(model_file(DEFAULT_MODEL), providers=["CPUExecutionProvider"])


def infer(network: ort.InferenceSession, square: U8) -> U8:
    alpha: U8 = network.run(None, {"image": square[None]})[0][0, ..., 0]
    return alpha


def packed(pixels: U8) -> str:
    return base64.b64encode(np.ascontiguousarray(pixels)).decode()


def unpacked(text: str) -> U8:
    return np.frombuffer(base64.b64decode(text), np.uint8)


def in_browser(page: Page, script: str, **values: Any) -> Any:
    """What a function of `values` gives; it has `bytes` and `text`, from and to Base64, and `load`, which fetches."""
    return page.evaluate(
        f"""async (values) => {{
          const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
          const text = (data) => {{
            let all = "";
            for (let at = 0; at < data.length; at += 8192) all += String.fromCharCode(...data.subarray(at, at + 8192));
            return btoa(all);
          }};
          const load = async (name) => (await fetch("{PATH}/" + name)).arrayBuffer();
          return await ({script})(values);
        }}""",
        values,
    )


def check_network(page: Page, network: ort.InferenceSession) -> None:
    square, _ = processing.letterbox(data.astronaut(), SIZE)
    text = in_browser(
        page,
        f"""async ({{ square }}) => {{
          const {{ openNetwork }} = await import("{PATH}/network.js");
          const network = await openNetwork(await load("{RUNTIME}"), await load("{MODEL_NAME}"));
          return text(await network.run(bytes(square)));
        }}""",
        square=packed(square),
    )
    difference = np.abs(unpacked(text).reshape(SIZE, SIZE).astype(int) - infer(network, square))
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= MOST_DIFFERENT


def check_pixels(page: Page, network: ort.InferenceSession, height: int, width: int) -> None:
    photo = np.asarray(Image.fromarray(data.astronaut()).resize((width, height), Image.Resampling.BICUBIC))
    square, box = processing.letterbox(photo, SIZE)
    small = infer(network, square)
    solid = processing.solidify(small, box)
    alpha = processing.refine(photo, square, solid, box)
    dusk = np.rint(square * [0.9, 0.3, 0.1]).astype(np.uint8)
    daylight = processing.in_white_light(dusk, box, processing.to_white(processing.without_padding(dusk, box)))
    colours = processing.estimate_foreground(photo, alpha)
    made = in_browser(
        page,
        f"""async ({{ photo, width, height, small, dusk }}) => {{
          const {{ letterbox, refine, solidify, cutout }} = await import("{PATH}/pixels.js");
          const {{ inWhiteLight }} = await import("{PATH}/light.js");
          const given = {{ data: new Uint8ClampedArray(bytes(photo)), width, height, channels: 4 }};
          const {{ square, box }} = letterbox(given, {SIZE});
          const solid = solidify(bytes(small), box);
          const alpha = refine(given, square, solid, box);
          const made = {{ square, solid: solid.data, cutout: cutout(given, alpha).data }};
          made.daylight = inWhiteLight(bytes(dusk), box);
          return Object.fromEntries(Object.entries(made).map(([name, data]) => [name, text(data)]));
        }}""",
        photo=packed(np.dstack([photo, np.full((height, width), 255, np.uint8)])),
        width=width,
        height=height,
        small=packed(small),
        dusk=packed(dusk),
    )
    assert daylight[..., 1].max() > 1.9 * dusk[..., 1].max()
    assert np.array_equal(unpacked(made["daylight"]).reshape(square.shape), daylight)
    square_off = np.abs(unpacked(made["square"]).reshape(square.shape).astype(int) - square)
    assert square_off.max() <= 1 and np.mean(square_off > 0) <= 0.001
    assert (
        unpacked(made["solid"]).reshape(box.inner_height, box.inner_width) == processing.without_padding(solid, box)
    ).all()
    cutout = unpacked(made["cutout"]).reshape(height, width, 4).astype(int)
    alpha_off = np.abs(cutout[..., 3] - alpha)
    assert alpha_off.max() <= 6 and np.mean(alpha_off > 0) <= 0.02 and np.mean(alpha_off > 1) <= 0.001
    same = (alpha_off == 0) & (alpha > 0)
    assert np.abs(cutout[same][:, :3] - colours[same]).max(initial=0) <= 2


def test_the_browser_says_what_the_client_says(page: Page, network: ort.InferenceSession) -> None:
    """The network's bytes; its input within one level, the enlarged alpha within one but for a pixel in a thousand, the
    colours within two.

    Photos beyond twice the square's side, less, exactly twice, smaller, and hardly pictures are scaled in other ways.
    """
    check_network(page, network)
    for height, width in ((1100, 734), (400, 650), (240, 1024), (300, 211), (3, 1400)):
        check_pixels(page, network, height, width)


def test_the_files_are_kept_by_the_browser(site: Site) -> None:
    """And are what they say; the runtime is unpacked for browsers that cannot, which is all of them on plain http."""
    script = RUNTIME_SCRIPT, len(published(RUNTIME_SCRIPT))
    for name, size in ((MODEL_NAME, model_file(DEFAULT_MODEL).stat().st_size), script, (RUNTIME, RUNTIME_BYTES)):
        for encoding in ("br, gzip", "gzip"):
            answer = httpx.get(f"{site.url}{PATH}/{name}", headers={"Accept-Encoding": encoding}, timeout=60)
            assert len(answer.content) == size
        again = httpx.get(f"{site.url}{PATH}/{name}", headers={"If-None-Match": answer.headers["etag"]}, timeout=60)
        assert (again.status_code, again.content) == (304, b"")
    assert answer.headers["content-type"] == "application/wasm"
    assert httpx.get(f"{site.url}{PATH}/../../texts.json", timeout=60).status_code == 404


def test_the_runtime_is_the_published_one() -> None:
    table = (FOLDER / "onnxruntime" / "README.md").read_text(encoding="utf-8")
    for name in (RUNTIME_SCRIPT, RUNTIME):
        assert hashlib.sha256(published(name)).hexdigest() in table


def test_without_a_model_there_is_no_switch(tmp_path: Path, monkeypatch: Any, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(tmp_path))
    assert device_model(DEFAULT_MODEL) is None
    assert "no cutouts in the browser" in caplog.text


def test_photos_that_only_the_server_opens(visit: Visit) -> None:
    """The page names the file and the switch."""
    page = visit(locale="zh-CN")
    switch_on(page)
    choose(page, Path(__file__).resolve().parents[1] / "data" / "iphone.heic")
    state(page, "failed")
    box = notice(page, ids.TAB_SINGLE)
    expect(box).to_have_attribute("data-code", "invalid_image")
    expect(box).to_contain_text(ZH["device_format"].format(kind="HEIC"))
    expect(box).to_contain_text("iphone.heic")


def test_what_is_used_of_a_photo_and_how_large_it_may_be(page: Page, tmp_path: Path) -> None:
    switch_on(page)
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "still.gif")
    Image.new("L", (8000, 5001)).save(tmp_path / "large.png")
    for name, is_told in (("moves.gif", True), ("still.gif", False)):
        choose(page, tmp_path / name)
        state(page, "working")
        state(page, "done")
        assert (EN["note_frames"] in status(page).inner_text()) is is_told
    choose(page, tmp_path / "large.png")
    state(page, "failed")
    expect(notice(page, ids.TAB_SINGLE)).to_contain_text("large.png: 8000 × 5001 px; here at most 40 million")
