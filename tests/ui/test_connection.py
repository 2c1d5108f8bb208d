"""What is fetched at first; a connection that breaks, and a server that is started anew: the page goes on with that."""

from __future__ import annotations

import re
from pathlib import Path

from matting_ui import ids
from matting_ui.assets import PATH, PRELOADED
from matting_ui.batch_state import MOST
from matting_ui.i18n import EN, ZH
from PIL import Image
from playwright.sync_api import Browser, Dialog, Page, Request, Route, expect

from tests.support.relay import Relay
from tests.ui.browser import Site, Visit, choose, download, notice, open_tab, pick
from tests.ui.test_editor import SUIT, Editor, alpha_of
from tests.ui.test_states import state

JOIN, ANSWERS = "**/queue/join*", "**/queue/data*"
UPLOAD = re.compile(r"/gradio_api/upload(\?|$)")  # not its progress


def corrected(page: Page, photos: Path) -> None:
    """The astronaut without a part of her suit."""
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    state(page, ids.TAB_SINGLE, "done")
    editor = Editor(page).open()
    page.keyboard.press("x")
    editor.stroke((260, 720), SUIT, (380, 720))
    editor.wait().done()


def test_what_a_visit_asks_for_is_what_is_fetched_at_once(site: Site, browser: Browser) -> None:
    """`preloaded.txt` has what the page asks for by itself, and nothing else."""
    asked: set[str] = set()
    links = re.compile(r'<link rel="(?:module)?preload"[^>]*>')
    first = ""

    def without_links(route: Route) -> None:
        nonlocal first
        first = route.fetch().text()
        assert len(links.findall(first)) > 50
        route.fulfill(body=links.sub("", first), content_type="text/html")

    def remember(request: Request) -> None:
        name = request.url.partition(PATH)[2]
        if name.endswith((".js", ".css")) and name not in links.sub("", first):
            asked.add(name)

    with browser.new_context(locale="en-US") as context:
        page = context.new_page()
        page.route(f"{site.url}/", without_links)
        page.on("request", remember)
        page.goto(f"{site.url}/")
        expect(page.locator(".samples button").first).to_be_visible()
        page.wait_for_function("performance.now() - performance.getEntries().at(-1).startTime > 2000")
    assert asked == set(PRELOADED.read_text(encoding="utf-8").split())


def test_a_photo_and_its_correction_outlast_the_connection(visit: Visit, photos: Path, tmp_path: Path) -> None:
    """A call waits for the network, and the page is neither dead afterwards nor loaded again."""
    visit.expected = "ERR_INTERNET_DISCONNECTED"
    page = visit()
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    corrected(page, photos)
    told, status = notice(page, ids.TAB_SINGLE), page.locator(f"#{ids.STATUS}")
    page.context.set_offline(True)
    pick(page, ids.FORMAT, "jpeg")
    expect(told.locator(".notice-text")).to_have_text(EN["error_unreachable"])
    expect(told.locator(".notice-retry")).to_be_hidden()  # it would begin anew, without the correction
    page.wait_for_timeout(3000)
    page.context.set_offline(False)
    expect(status).to_contain_text("JPEG")
    expect(told).to_be_hidden()
    page.wait_for_timeout(3000)
    assert not asked
    pick(page, ids.FORMAT, "png")
    expect(status).to_contain_text("PNG")
    assert alpha_of(page, tmp_path)[SUIT[1], SUIT[0]] == 0


def test_an_answer_that_is_lost_ends_its_call(visit: Visit, photos: Path, tmp_path: Path) -> None:
    """The stream of answers breaks while a photo is on its way: Retry does it, and the page goes on."""
    visit.expected = "ERR_FAILED"
    page = visit()
    told = notice(page, ids.TAB_SINGLE)
    lost: list[Route] = []

    def lose(route: Route) -> None:
        lost.append(route)
        route.abort()

    page.route(ANSWERS, lose)
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    state(page, ids.TAB_SINGLE, "failed")
    known = 0
    while known < len(lost):  # the tab is cleared in one call, the photo cut out in the next
        known = len(lost)
        page.wait_for_timeout(3000)
    expect(told.locator(".notice-text")).to_have_text(EN["error_unreachable"])
    page.unroute(ANSWERS)
    told.locator(".notice-retry").click()
    state(page, ids.TAB_SINGLE, "done")
    expect(told).to_be_hidden()
    with Image.open(download(page, ids.DOWNLOAD, tmp_path)) as file:
        assert file.size == (1024, 1024)


def test_a_photo_that_comes_through_after_all_takes_its_notice_away(page: Page) -> None:
    told = notice(page, ids.TAB_SINGLE)
    page.evaluate("matting.state('single', 'working')")
    page.evaluate("matting.refused('unreachable', '', { tab: 'single', of: 0, outputs: [] })")
    state(page, ids.TAB_SINGLE, "failed")
    expect(told).to_be_visible()
    page.evaluate("matting.state('single', 'done')")
    expect(told).to_be_hidden()


def test_what_the_page_asks_by_itself_is_of_the_tab_that_it_fills(page: Page) -> None:
    """Its failure is not that of the photo which is in work in the open tab."""
    tabs = page.evaluate(
        """() => window.gradio_config.dependencies
          .filter(({ targets }) => targets.some(([, event]) => event === "load"))
          .map(({ id }) => window.mattingCall({ fn_index: id, trigger_id: null }).tab)"""
    )
    assert tabs == [ids.TAB_IDPHOTO]


def test_a_batch_goes_on_when_the_connection_breaks(visit: Visit, site: Site, photos: Path) -> None:
    """Its photos are worked on all the while: they are shown again, and the page is not loaded anew."""
    with Relay(site.port) as network:
        visit.expected = "ERR_"
        visit.site = Site(site.server, network.port)
        page = visit()
        choose(page, ids.PHOTO, photos / "rocket.jpg")
        state(page, ids.TAB_SINGLE, "done")
        status = page.locator(f"#{ids.BATCH_STATUS}")
        open_tab(page, ids.TAB_BATCH)
        choose(page, ids.BATCH_DROP, *sorted((photos / "many").glob("photo-1*.jpg")))
        expect(status).to_contain_text("8 photos: 8 waiting")
        page.locator(f"#{ids.BATCH_START}").click()
        expect(page.locator(".card.running").first).to_be_visible()
        network.cut()
        expect(notice(page, ids.TAB_BATCH).locator(".notice-text")).to_have_text(EN["error_unreachable"])
        expect(status).to_contain_text("8 photos: 0 waiting, 0 running, 8 done, 0 failed")
        expect(notice(page, ids.TAB_BATCH)).to_be_hidden()
        open_tab(page, ids.TAB_SINGLE)
        expect(page.locator(f"#{ids.RESULT}")).to_be_visible()


def test_a_batch_of_a_server_that_was_started_anew(visit: Visit, site: Site, photos: Path, tmp_path: Path) -> None:
    """The end of the heartbeat, which the page opens first of all, makes it look which server answers; a full batch, of
    which that one knows nothing, leaves room for another."""
    with Relay(site.port) as network:
        visit.expected = "ERR_"
        visit.site = Site(site.server, network.port)
        page = visit()
        status = page.locator(f"#{ids.BATCH_STATUS}")
        open_tab(page, ids.TAB_BATCH)
        files = [tmp_path / f"{number}.png" for number in range(MOST)]
        for file in files:
            Image.new("RGB", (8, 8)).save(file)
        choose(page, ids.BATCH_DROP, *files)
        expect(status).to_contain_text(f"{MOST} waiting")
        page.route("**/gradio_api/app_id", lambda route: route.fulfill(json={"app_id": 1}))
        network.cut()
        page.locator(f"#{ids.BATCH_CLEAR}").click()
        expect(notice(page, ids.TAB_BATCH).locator(".notice-text")).to_have_text(EN["error_restarted"])
        expect(status).to_contain_text(f"{MOST} waiting")
        with page.expect_request(UPLOAD):
            choose(page, ids.BATCH_DROP, photos / "rocket.jpg")


def test_an_upload_waits_for_the_connection(visit: Visit, photos: Path) -> None:
    """It replaces what the tab shows of a server that was started anew meanwhile."""
    visit.expected = "ERR_FAILED"
    page = visit()
    lost: list[Route] = []

    def break_twice(route: Route) -> None:
        lost.append(route)
        route.abort() if len(lost) <= 2 else route.continue_()

    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    state(page, ids.TAB_SINGLE, "done")
    page.route(UPLOAD, break_twice)
    page.route("**/gradio_api/app_id", lambda route: route.fulfill(json={"app_id": 1}))
    choose(page, ids.PHOTO, photos / "rocket.jpg")
    expect(notice(page, ids.TAB_SINGLE).locator(".notice-text")).to_have_text(EN["error_unreachable"])
    expect(page.locator(f"#{ids.STATUS}")).to_contain_text("1280 × 854 px")
    expect(notice(page, ids.TAB_SINGLE)).to_be_hidden()
    assert len(lost) == 3


def test_an_upload_that_breaks_off_is_told_in_the_visitors_language(visit: Visit, photos: Path) -> None:
    visit.expected = "ERR_FAILED"
    page = visit(locale="zh-CN")
    page.route(UPLOAD, lambda route: route.abort())
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg")
    told = ZH["batch_upload_failed"].format(reason=ZH["error_unreachable"])
    expect(page.locator(".card.failed .reason")).to_have_text(told)


def test_what_a_batch_could_not_send_is_sent_again(visit: Visit, photos: Path) -> None:
    """In its place, as often as it takes; what the server refuses has no Retry."""
    visit.expected = "Failed to load resource"
    page = visit()
    page.route(UPLOAD, lambda route: route.abort())
    open_tab(page, ids.TAB_BATCH)
    choose(page, ids.BATCH_DROP, photos / "rocket.jpg", photos / "astronaut.jpg")
    failed, again = page.locator(".card.failed .reason"), page.locator(".card[data-name='rocket.jpg'] [data-action]")
    expect(failed).to_have_count(2)
    again.first.click()
    expect(again.first).to_be_disabled()
    expect(again.first).to_be_enabled()  # it has failed once more
    page.unroute(UPLOAD)
    again.first.click()
    expect(page.locator(f"#{ids.BATCH_STATUS}")).to_contain_text("2 photos: 1 waiting, 0 running, 0 done, 1 failed")
    assert page.locator(".card .name").all_inner_texts() == ["rocket.jpg", "astronaut.jpg"]
    expect(again).to_have_text([EN["discard"]])
    page.route(UPLOAD, lambda route: route.fulfill(status=413, body="too large"))
    choose(page, ids.BATCH_DROP, photos / "many" / "photo-00.jpg")
    expect(page.locator(".card[data-name='photo-00.jpg'] [data-action]")).to_have_text([EN["discard"]])


def test_a_server_that_was_started_anew_says_so(visit: Visit, photos: Path) -> None:
    """It has nothing of what a tab shows; the tab keeps it, says so, and takes another photo."""
    visit.expected = "ERR_FAILED"
    page = visit()
    told, status = notice(page, ids.TAB_SINGLE), page.locator(f"#{ids.STATUS}")
    choose(page, ids.PHOTO, photos / "astronaut.jpg")
    state(page, ids.TAB_SINGLE, "done")
    expect(status).to_contain_text("1024 × 1024")
    lost: list[Route] = []

    def break_once(route: Route) -> None:
        lost.append(route)
        route.abort() if len(lost) == 1 else route.continue_()

    page.route(JOIN, break_once)
    page.route("**/gradio_api/app_id", lambda route: route.fulfill(json={"app_id": 1}))
    for press in (lambda: pick(page, ids.FORMAT, "jpeg"), page.locator(f"#{ids.DOWNLOAD}").click):
        press()
        expect(told.locator(".notice-text")).to_have_text(EN["error_restarted"])
        told.locator(".notice-close").click()
    assert len(lost) == 1  # the new server is not asked for what it cannot know
    expect(page.locator(f"#{ids.RESULT}")).to_be_visible()
    choose(page, ids.PHOTO, photos / "rocket.jpg")
    expect(status).to_contain_text("1280 × 854 px · JPEG")
    expect(told).to_be_hidden()
