"""Makes the pictures of the page in docs/: `python -m tests.ui.screenshots`; needs a Chinese font, as wqy-microhei."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from matting_ui import ids
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.ui.browser import (
    ARGUMENTS,
    MODEL,
    Site,
    Visit,
    choose,
    chromium,
    open_tab,
    set_slider,
    start_site,
    write_photos,
)

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
SCREEN, LARGE, PHONE = (1366, 657), (1440, 900), (390, 844)
QUALITY = 70
SETTLE_MS = 700.0  # for pictures to be drawn


def single(page: Page, photos: Path) -> None:
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text(MODEL)
    page.wait_for_timeout(SETTLE_MS)


def device(page: Page, photos: Path) -> None:
    page.locator(f"#{ids.DEVICE} .device-switch input").check()
    page.locator(".device-photo input").set_input_files(str(photos / "astronaut.jpg"))
    expect(page.locator(".device-download")).to_be_visible()


def empty(page: Page, photos: Path) -> None:
    expect(page.locator("[data-sample]").first).to_be_visible()


def id_photo(page: Page, photos: Path) -> None:
    open_tab(page, ids.TAB_IDPHOTO)
    choose(page, ids.ID_PHOTO, photos / "astronaut.jpg")
    expect(page.locator(f"#{ids.ID_STATUS}")).to_contain_text("295 × 413")


def batch(page: Page, photos: Path) -> None:
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, *sorted((photos / "many").iterdir()))
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text("20 photos")
    page.locator(f"#{ids.BATCH_START}").click()
    page.wait_for_function("() => document.querySelectorAll('.card.done').length >= 18")
    page.locator("#batch-doubtful-first").check()


def background(page: Page, photos: Path) -> None:
    open_tab(page, ids.TAB_SCENE)
    choose(page, ids.SCENE_PHOTO, photos / "astronaut.jpg")
    choose(page, ids.SCENE_BACKGROUND, photos / "rocket.jpg")
    expect(page.locator(f"#{ids.SCENE_STATUS}")).to_contain_text("1280 × 854")
    for element, value in (
        (ids.SCENE_X, 34),
        (ids.SCENE_BLUR, 2),
        (ids.SCENE_LIGHT, 70),
        (ids.SCENE_SHADOW, 0),
    ):
        set_slider(page, element, value)


def about(page: Page, photos: Path) -> None:
    open_tab(page, ids.TAB_ABOUT)
    page.locator(f"#{ids.ABOUT_REFRESH}").click()
    expect(page.locator(f"#{ids.ABOUT_SERVER}")).to_contain_text("Triton 2.")


PICTURES: dict[str, tuple[Callable[[Page, Path], None], tuple[int, int], str]] = {
    "empty": (empty, SCREEN, "en-US"),
    "single": (single, SCREEN, "en-US"),
    "device": (device, SCREEN, "en-US"),
    "idphoto": (id_photo, SCREEN, "zh-CN"),
    "batch": (batch, LARGE, "en-US"),
    "background": (background, SCREEN, "en-US"),
    "about": (about, LARGE, "en-US"),
    "phone": (single, PHONE, "zh-CN"),
}


def save(png: bytes, path: Path) -> None:
    """Write as a WebP that a reader of the docs need not wait for."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    path.parent.mkdir(exist_ok=True)
    picture.save(path, "WEBP", quality=QUALITY, method=6)
    print(f"{path.name}: {picture.width} x {picture.height} px, {path.stat().st_size / 1e3:.0f} kB")


def make(site: Site, photos: Path, wanted: list[str]) -> None:
    with sync_playwright() as playwright, ExitStack() as contexts:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        visit = Visit(site, browser, contexts)
        for name in wanted:
            fill, size, locale = PICTURES[name]
            page = visit(locale=locale, size=size)
            fill(page, photos)
            page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
            page.wait_for_timeout(SETTLE_MS)
            save(page.screenshot(), IMAGES / f"page-{name}.webp")
        visit.check()
        browser.close()


def main() -> None:
    """Make all of them, or those named."""
    site = start_site()
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_photos(Path(folder))
            make(site, Path(folder), sys.argv[1:] or list(PICTURES))
    finally:
        site.server.stop()


if __name__ == "__main__":
    main()
