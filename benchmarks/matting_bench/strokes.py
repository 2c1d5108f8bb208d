"""How soon a stroke shows in the page's editor: `python -m matting_bench.strokes URL PHOTO`.

The photo is scaled to 4000 x 3000 pixels and cut out by the running page; then 50 strokes are made by a mouse in
Chromium. A stroke shows with the first picture of the screen that was drawn after the button went down; it is snapped
when the server's answer has been drawn.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics

from matting_client.cli.parser import Parser
from PIL import Image
from playwright.sync_api import Page, sync_playwright

STROKES = 50
SIZE = (4000, 3000)
# Notes when the button goes down, when the picture with it is on its way to the screen, and when the answer is drawn.
WATCH = """() => {
  const editor = document.querySelector("dialog.editor").editor;
  const times = (window.times = []);
  editor.canvas.addEventListener("pointerdown", (event) => times.push({ down: event.timeStamp }), true);
  const draw = editor.picture.draw.bind(editor.picture);
  editor.picture.draw = () => {
    draw();
    editor.picture.screen.getImageData(0, 0, 1, 1); // waits until it is drawn
    const last = times.at(-1);
    if (last && !last.shown) last.shown = performance.now();
    else if (last && !editor.link.pending) last.snapped = performance.now();
  };
}"""


def open_editor(page: Page, url: str, photo: bytes) -> None:
    """Cut the photo out and open the editor over it."""
    page.goto(url)
    chooser = page.locator("#photo input[type=file]")
    chooser.set_input_files({"name": "large.jpg", "mimeType": "image/jpeg", "buffer": photo})
    page.locator("#result img").first.wait_for()
    page.locator("#correct:not([disabled])").click()
    page.locator("dialog.editor[data-state=ready]").wait_for()


def measure(page: Page) -> list[dict[str, float]]:
    """Make the strokes, each after the answer to the one before; times in milliseconds."""
    page.evaluate(WATCH)
    frame = page.locator(".editor-canvas").bounding_box()
    assert frame is not None
    for number in range(STROKES):
        page.keyboard.press("x")
        x = frame["x"] + frame["width"] * (0.3 + 0.4 * (number % 10) / 10)
        y = frame["y"] + frame["height"] * (0.2 + 0.6 * (number // 10) / 5)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 60, y + 25, steps=6)
        page.mouse.up()
        page.locator("dialog.editor[data-pending='0']").wait_for()
        page.wait_for_timeout(50)
    return list(page.evaluate("window.times"))


def main() -> None:
    """Print both times, median and worst."""
    p = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("url")
    p.add_argument("photo")
    given = p.parse_args()
    buffer = io.BytesIO()
    Image.open(given.photo).convert("RGB").resize(SIZE).save(buffer, "JPEG", quality=92)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        open_editor(page, given.url, buffer.getvalue())
        times = measure(page)
        browser.close()
    for name in ("shown", "snapped"):
        spent = [each[name] - each["down"] for each in times if name in each]
        print(f"{name}: {len(spent)} strokes, median {statistics.median(spent):.0f} ms, worst {max(spent):.0f} ms")


if __name__ == "__main__":
    main()
