"""The page as a visitor has it: started, opened, filled in."""

from __future__ import annotations

import base64
import re
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from matting_bench.server_process import free_ports
from matting_ui import ids
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from skimage import data

from tests.protocol.serving import Served

FAR_HOST = "photos.test"  # as another machine sees it: plain http under a name, which browsers do not trust
ARGUMENTS = [
    "--no-sandbox",
    f"--host-resolver-rules=MAP {FAR_HOST} 127.0.0.1",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
MODEL = "matting_512"
SECONDS = 60_000.0  # milliseconds, for Playwright; generous: the machine may be busy with something else
expect.set_options(timeout=SECONDS)


def chromium() -> str:
    """The browser of the system; the shell without a window of its own takes half the time."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    assert path, "got no chromium; install chromium-headless-shell or chromium"
    return path


@dataclass
class Site:
    """A running server with its page."""

    server: Served
    port: int
    samples: Path | None = None  # the box

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def far_url(self) -> str:
        return f"http://{FAR_HOST}:{self.port}"

    def photos(self) -> int:
        """Photos that the page and the API have had cut out."""
        text = self.server.get("/metrics", self.port)[1].decode()
        return int(float(re.findall(r"^matting_photos_total ([\d.]+)", text, re.MULTILINE)[0]))

    def settled_photos(self) -> int:
        """`photos`, once those of visitors who have left are done, too: it has stood still for two seconds."""
        count, since = self.photos(), time.monotonic()
        while time.monotonic() - since < 2:
            time.sleep(0.2)
            if (now := self.photos()) != count:
                count, since = now, time.monotonic()
        return count

    def model_seconds(self) -> float:
        """What requests have spent in Triton, the supervisor's checks, of a few ms each, among them."""
        return self.server.counts(MODEL)["nv_inference_request_duration_us"] / 1e6

    def images_and_batches(self) -> tuple[int, int]:
        """What Triton has counted, with the supervisor's checks, which go through alone."""
        counts = self.server.counts(MODEL)
        return counts["nv_inference_count"], counts["nv_inference_exec_count"]

    def folder(self) -> Path:
        """Where this page keeps uploads and results."""
        processes = psutil.Process(self.server.process.pid).children(recursive=True)
        places = [
            Path(each.environ()["TMPDIR"]) for each in processes if "matting_api.main" in " ".join(each.cmdline())
        ]
        (found,) = places[0].glob("unet-matting-page-*")
        return found


def start_site(samples: Path | None = None) -> Site:
    """With a box of samples, where a folder is given."""
    (port,) = free_ports(1)
    environment = {"MATTING_API_ALLOWED_HOSTS": FAR_HOST}
    if samples:
        environment["MATTING_API_SAMPLES"] = str(samples)
    return Site(
        Served(["--page", "--page-port", str(port)], environment=environment).wait_ready(),
        port,
        samples,
    )


@dataclass
class Visit:
    """Opens pages and remembers what they complained about."""

    site: Site
    browser: Browser
    contexts: ExitStack
    complaints: list[str] = field(default_factory=list)
    expected: str | None = None  # part of complaints that a test is about

    def __call__(
        self, url: str | None = None, locale: str = "en-US", size: tuple[int, int] = (1440, 1000), **more: Any
    ) -> Page:
        context = self.browser.new_context(
            locale=locale, viewport={"width": size[0], "height": size[1]}, accept_downloads=True, **more
        )
        self.contexts.callback(context.close)
        page = context.new_page()
        page.set_default_timeout(SECONDS)
        self.watch(page)
        page.goto(url or self.site.url)
        expect(page.locator(f"#{ids.PHOTO} input[type=file]")).to_be_attached()
        return page

    def watch(self, page: Page) -> None:
        own = (self.site.url, self.site.far_url, "data:", "blob:")
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(own) or self.complaints.append(f"asked {asked.url}"))

    def check(self) -> None:
        assert [each for each in self.complaints if self.expected is None or self.expected not in each] == []


def open_tab(page: Page, name: str) -> None:
    page.locator(f"#tab-{name}-button").click()
    expect(page.locator(f"#tab-{name}")).to_be_visible()


def choose(page: Page, element: str, *files: Path) -> None:
    """Choose files as with the file dialogue."""
    page.locator(f"#{element} input[type=file]").set_input_files([str(file) for file in files])


def drop(page: Page, target: str, *files: tuple[Path, str]) -> None:
    """Let files, each with the type that the system gives it, fall on an element."""
    carried = [(path.name, kind, base64.b64encode(path.read_bytes()).decode()) for path, kind in files]
    handle = page.evaluate_handle(
        """async (carried) => {
          const files = new DataTransfer();
          for (const [name, type, data] of carried) {
            const bytes = await (await fetch(`data:;base64,${data}`)).arrayBuffer();
            files.items.add(new File([bytes], name, { type }));
          }
          return files;
        }""",
        carried,
    )
    page.locator(target).first.dispatch_event("drop", {"dataTransfer": handle})


def pick(page: Page, element: str, value: str) -> None:
    """Choose in a group of radio buttons."""
    page.locator(f"#{element} input[value='{value}']").check()


def unfold(page: Page, element: str) -> None:
    """Open what is folded at the start."""
    button = page.locator(f"#{element} button.label-wrap").first
    if "open" not in str(button.get_attribute("class")).split():
        button.click()


def notice(page: Page, tab: str) -> Locator:
    """Where a tab tells what went wrong."""
    return page.locator(f"#{ids.NOTICE.format(tab=tab)} .notice")


def set_slider(page: Page, element: str, value: float) -> None:
    """Move a slider as a person with a keyboard does, to be followed at once."""
    number = page.locator(f"#{element} input[type=number]")
    number.fill(str(value))
    number.press("Enter")


def shown(page: Page, element: str, index: int = -1) -> str:
    """Address of a picture that is shown."""
    image = picture(page, element, index)
    expect(image).to_be_visible()
    return str(image.get_attribute("src"))


def picture(page: Page, element: str, index: int = -1) -> Locator:
    return page.locator(f"#{element} img").nth(index)


def changed(page: Page, element: str, before: str, do: Callable[[], None], index: int = -1) -> str:
    """Do something that makes another picture be shown; returns its address."""
    do()
    expect(picture(page, element, index)).not_to_have_attribute("src", before)
    return shown(page, element, index)


def download(page: Page, button: str, folder: Path) -> Path:
    """Press a button that downloads a file."""
    with page.expect_download(timeout=SECONDS) as waiting:
        page.locator(f"#{button}").click()
    target = folder / waiting.value.suggested_filename
    waiting.value.save_as(target)
    return target


def serious(page: Page, axe: str, rule: str | None = None) -> list[Any]:
    """What `axe`, the accessibility checker, finds serious or worse, by all of its rules or by one."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    found: list[Any] = page.evaluate(
        """async (rule) => (await axe.run(document, {
            resultTypes: ["violations"], ...(rule && { runOnly: { type: "rule", values: [rule] } }),
          })).violations
          .filter((each) => ["serious", "critical"].includes(each.impact))
          .map((each) => `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 120)).join(" ")}`)""",
        rule,
    )
    return found


def write_photos(folder: Path) -> None:
    """`astronaut.jpg`, `rocket.jpg`, twenty different ones in `many/` of which two are broken, and no photo at all."""
    astronaut = Image.fromarray(data.astronaut())
    astronaut.resize((1024, 1024), Image.Resampling.LANCZOS).save(folder / "astronaut.jpg", quality=95)
    Image.fromarray(data.rocket()).resize((1280, 854), Image.Resampling.LANCZOS).save(folder / "rocket.jpg", quality=95)
    (folder / "notes.png").write_text("not a picture")
    many = folder / "many"
    many.mkdir()
    for index in range(18):
        turned = np.roll(np.asarray(astronaut), 6 * index, axis=1)
        Image.fromarray(turned).resize((400 + 16 * index, 480)).save(many / f"photo-{index:02}.jpg", quality=90)
    whole = (many / "photo-03.jpg").read_bytes()
    (many / "photo-broken.jpg").write_bytes(whole[: len(whole) // 3])
    (many / "words.png").write_text("not a picture either")
