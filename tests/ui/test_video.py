"""The video tab: a frame at once, progress, the file, and Cancel."""

from __future__ import annotations

from pathlib import Path

import pytest
from matting_ui import ids
from playwright.sync_api import Page, expect

from tests.ui.browser import Site, choose, open_tab, pick, shown
from tests.unit.client.video_clips import FRAMES, read_clip, write_clip


@pytest.fixture
def tab(page: Page) -> Page:
    open_tab(page, ids.TAB_VIDEO)
    return page


def test_a_clip_is_looked_at_and_cut_out(tab: Page, tmp_path: Path) -> None:
    later = [tab.locator(f"#{each}") for each in (ids.VIDEO_START, ids.VIDEO_FRAME, ids.VIDEO_FORMAT)]
    for each in later:  # one thing at a time: first where to put a clip
        expect(each).to_be_hidden()
    write_clip(tmp_path / "clip.mp4")
    choose(tab, ids.VIDEO_CLIP, tmp_path / "clip.mp4")
    status = tab.locator(f"#{ids.VIDEO_STATUS}")
    expect(status).to_contain_text(f"128 × 96 px · {FRAMES} frames")
    assert shown(tab, ids.VIDEO_FRAME)
    for each in later:
        expect(each).to_be_visible()
    cancel = tab.locator(f"#{ids.VIDEO_CANCEL}")
    expect(cancel).to_be_disabled()
    pick(tab, ids.VIDEO_FORMAT, "mp4")
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(tab.get_by_text("mp4 cannot be transparent").first).to_be_visible()
    expect(cancel).to_be_disabled()
    pick(tab, ids.VIDEO_FORMAT, "mov")
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(status).to_contain_text("Done")
    expect(cancel).to_be_disabled()
    with tab.expect_download() as waiting:
        tab.locator(f"#{ids.VIDEO_RESULT} a[download]").first.click()
    assert waiting.value.suggested_filename == "clip-cutout.mov"
    waiting.value.save_as(tmp_path / "result.mov")
    frames, _, heard = read_clip(tmp_path / "result.mov")
    assert len(frames) == FRAMES and heard > 0.3


def test_cancel_stops_the_work(tab: Page, site: Site, tmp_path: Path) -> None:
    write_clip(tmp_path / "long.mp4", frames=600, sound=None)
    choose(tab, ids.VIDEO_CLIP, tmp_path / "long.mp4")
    status = tab.locator(f"#{ids.VIDEO_STATUS}")
    expect(status).to_contain_text("600 frames")
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(status).to_contain_text("of 600 frames")
    cancel = tab.locator(f"#{ids.VIDEO_CANCEL}")
    cancel.click()
    expect(status).to_contain_text("Cancelled")
    expect(cancel).to_be_disabled()
    tab.wait_for_timeout(1000)
    assert not list(site.folder().rglob("long-cutout*"))
