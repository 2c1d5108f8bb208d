"""The video tab: a frame at once, progress, the file, and Cancel."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from matting_ui import ids
from matting_ui.i18n import EN, ZH
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.ui.browser import Site, Visit, choose, drop, notice, open_tab, pick, set_slider, shown
from tests.unit.client.video_clips import FRAMES, read_clip, write_clip, write_without_length


@pytest.fixture
def tab(page: Page) -> Page:
    open_tab(page, ids.TAB_VIDEO)
    return page


def test_a_clip_is_looked_at_and_cut_out(tab: Page, photos: Path, tmp_path: Path) -> None:
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
    pick(tab, ids.VIDEO_FORMAT, "mov")
    said = tab.locator("#said[role=status]")  # by readers of screens
    expect(said).to_have_text("")
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(said).to_have_text(EN["working"])
    expect(progress_line(tab)).to_have_text("Done")
    expect(said).to_have_text("Done")
    expect(cancel).to_be_disabled()
    link = tab.locator(f"#{ids.VIDEO_RESULT} a[download]")
    expect(link).to_be_in_viewport()
    expect(link).to_have_accessible_name(re.compile(r"clip-cutout\.mov · \d"))
    with tab.expect_download() as waiting:
        link.click()
    assert waiting.value.suggested_filename == "clip-cutout.mov"
    waiting.value.save_as(tmp_path / "result.mov")
    frames, _, heard = read_clip(tmp_path / "result.mov")
    assert len(frames) == FRAMES and heard > 0.3 and frames[0][..., 3].min() < 200
    pick(tab, ids.VIDEO_BACKGROUND, ids.FROM_PICTURE)
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(notice(tab, ids.TAB_VIDEO)).to_contain_text("expected a file for the background")
    choose(tab, ids.VIDEO_PICTURE, photos / "rocket.jpg")
    set_slider(tab, ids.VIDEO_TO, 0.2)
    expect(tab.locator(f"#{ids.VIDEO_RESULT}")).to_contain_text(EN["video_earlier"])
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(progress_line(tab)).to_have_text("Done")
    with tab.expect_download() as waiting:
        link.click()
    waiting.value.save_as(tmp_path / "result.mov")
    frames = read_clip(tmp_path / "result.mov")[0]
    assert len(frames) == 5 and frames[0][..., 3].min() > 250


def test_cancel_stops_the_work(tab: Page, site: Site, tmp_path: Path) -> None:
    write_clip(tmp_path / "long.mp4", frames=600, sound=None)
    choose(tab, ids.VIDEO_CLIP, tmp_path / "long.mp4")
    status = tab.locator(f"#{ids.VIDEO_STATUS}")
    expect(status).to_contain_text("600 frames")
    (upload,) = site.folder().rglob("long.mp4")
    os.utime(upload, (0, 0))
    tab.locator(f"#{ids.VIDEO_START}").click()
    line = progress_line(tab)
    expect(line).to_contain_text("of 600 frames")
    assert upload.stat().st_mtime > 0  # its hour begins anew
    cancel = tab.locator(f"#{ids.VIDEO_CANCEL}")
    cancel.click()
    expect(line).to_contain_text("Cancelled")
    expect(cancel).to_be_disabled()
    start = tab.locator(f"#{ids.VIDEO_START}")
    for _ in range(3):  # as quickly as the page allows
        start.click()
        cancel.click()
    expect(start).to_be_enabled()
    tab.wait_for_timeout(1000)
    expect(line).to_contain_text("Cancelled")  # nothing that was said before comes after it
    assert not list(site.folder().rglob("long-cutout*"))


def test_a_clip_is_dropped_on_its_box_or_the_window(tab: Page, tmp_path: Path) -> None:
    """In place of another one, too; what is no clip is refused by name and takes nothing away."""
    status, name = tab.locator(f"#{ids.VIDEO_STATUS}"), tab.locator(f"#{ids.VIDEO_CLIP} .filename")
    box = notice(tab, ids.TAB_VIDEO)
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(513 * 2**20)  # of which nothing lies on the disk
    choose(tab, ids.VIDEO_CLIP, large)
    expect(box).to_contain_text(EN["error_file_too_large"])
    expect(box).to_contain_text("large.mp4: 513 MB > 512 MB")
    for count, target in ((1, f"#{ids.VIDEO_CLIP}"), (12, "#hero"), (14, f"#{ids.VIDEO_CLIP}")):
        write_clip(tmp_path / f"clip-{count}.mp4", frames=count, sound=None)
        drop(tab, target, (tmp_path / f"clip-{count}.mp4", "video/mp4"))
        expect(status).to_have_text(re.compile(rf" {count} frame{'s' * (count > 1)}\b"))
    (tmp_path / "letter.txt").write_text("Dear Sir")
    drop(tab, "#hero", (tmp_path / "letter.txt", "text/plain"))
    expect(box).to_contain_text(EN["no_clip"])
    expect(box).to_contain_text("letter.txt")
    clips = [(tmp_path / f"clip-{count}.mp4", "video/mp4") for count in (1, 12)]
    drop(tab, "#hero", *clips)
    expect(box).to_contain_text(EN["one_only"])
    expect(name).to_have_attribute("aria-label", "clip-14.mp4")
    drop(tab, "#hero", clips[0])
    expect(status).to_have_text(re.compile(r" 1 frame\b"))
    expect(box).to_be_hidden()


def test_a_result_is_of_its_clip_and_settings(tab: Page, tmp_path: Path) -> None:
    """With other settings it says so; with another clip or none it goes. What MP4 cannot hold cannot be chosen."""
    for name in ("one.mp4", "two.mp4"):
        write_clip(tmp_path / name, sound=None)
    choose(tab, ids.VIDEO_CLIP, tmp_path / "one.mp4")
    status, result = tab.locator(f"#{ids.VIDEO_STATUS}"), tab.locator(f"#{ids.VIDEO_RESULT}")
    expect(status).to_contain_text(f"{FRAMES} frames")
    expect(tab.get_by_role("button", name="Share")).to_have_count(0)
    pick(tab, ids.VIDEO_FORMAT, "mp4")
    expect(tab.locator(f"#{ids.VIDEO_BACKGROUND} input[value=white]")).to_be_checked()
    pick(tab, ids.VIDEO_BACKGROUND, "transparent")
    expect(tab.locator(f"#{ids.VIDEO_FORMAT} input[value=webm]")).to_be_checked()
    pick(tab, ids.VIDEO_FORMAT, "mp4")
    drop(tab, "#hero", (tmp_path / "one.mp4", "video/mp4"), (tmp_path / "two.mp4", "video/mp4"))
    expect(notice(tab, ids.TAB_VIDEO)).to_be_visible()
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(notice(tab, ids.TAB_VIDEO)).to_be_hidden()
    expect(progress_line(tab)).to_have_text("Done")
    expect(result).to_contain_text("one-cutout")
    expect(result).not_to_contain_text(EN["video_earlier"])
    pick(tab, ids.VIDEO_BACKGROUND, "blue")
    expect(result).to_contain_text(EN["video_earlier"])
    pick(tab, ids.VIDEO_BACKGROUND, "white")
    expect(result).not_to_contain_text(EN["video_earlier"])
    pick(tab, ids.VIDEO_FORMAT, "webm")
    expect(result).to_contain_text(EN["video_earlier"])
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(result).to_be_hidden()
    expect(result).to_be_visible()
    expect(result).not_to_contain_text(EN["video_earlier"])
    drop(tab, "#hero", (tmp_path / "two.mp4", "video/mp4"))
    expect(result).to_be_hidden()
    expect(tab.locator(f"#{ids.VIDEO_CLIP} .filename")).to_have_attribute("aria-label", "two.mp4")
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(result).to_contain_text("two-cutout")
    tab.locator(f"#{ids.VIDEO_CLIP} .icon-button-wrapper button").click()
    expect(result).to_be_hidden()
    expect(progress_line(tab)).to_be_hidden()


def test_settings_that_change_during_the_work_are_told(tab: Page, tmp_path: Path) -> None:
    """Of the result; and what was said of a clip goes with it, in the middle of the work, too."""
    write_clip(tmp_path / "clip.mp4", frames=60, sound=None)
    choose(tab, ids.VIDEO_CLIP, tmp_path / "clip.mp4")
    start, line, result = tab.locator(f"#{ids.VIDEO_START}"), progress_line(tab), tab.locator(f"#{ids.VIDEO_RESULT}")
    start.click()
    expect(line).to_contain_text("of 60 frames")
    pick(tab, ids.VIDEO_FORMAT, "mp4")
    expect(line).to_have_text("Done")
    expect(result).to_contain_text(".webm")
    expect(result).to_contain_text(EN["video_earlier"])
    start.click()
    expect(line).to_contain_text("of 60 frames")
    tab.locator(f"#{ids.VIDEO_CLIP} .icon-button-wrapper button").click()
    expect(line).to_be_hidden()
    expect(tab.locator(f"#{ids.VIDEO_STATUS}")).to_have_text(EN["video_waiting"])


def test_who_waits_for_another_visitors_clip_is_told(tab: Page, visit: Visit, tmp_path: Path) -> None:
    write_clip(tmp_path / "long.mp4", frames=600, sound=None)
    write_clip(tmp_path / "short.mp4", sound=None)
    choose(tab, ids.VIDEO_CLIP, tmp_path / "long.mp4")
    tab.locator(f"#{ids.VIDEO_START}").click()
    expect(progress_line(tab)).to_contain_text("of 600 frames")
    other = visit(locale="zh-CN")
    open_tab(other, ids.TAB_VIDEO)
    choose(other, ids.VIDEO_CLIP, tmp_path / "short.mp4")
    other.locator(f"#{ids.VIDEO_START}").click()
    expect(progress_line(other)).to_have_text(ZH["video_queued"], use_inner_text=True)
    tab.locator(f"#{ids.VIDEO_CANCEL}").click()
    expect(progress_line(other)).to_have_text(ZH["video_done"], use_inner_text=True)


def test_a_frame_shows_what_is_transparent(tab: Page, tmp_path: Path) -> None:
    """By the squares that the other tabs show; and one beyond a clip that does not say its length is its last one."""
    write_without_length(tmp_path / "clip.webm")
    choose(tab, ids.VIDEO_CLIP, tmp_path / "clip.webm")
    status = tab.locator(f"#{ids.VIDEO_STATUS}")
    expect(status).to_contain_text(f"· {FRAMES} frames")
    corner = corner_of(tab, shown(tab, ids.VIDEO_FRAME))
    assert corner.min() < 225 and corner.max() > 245  # squares of grey and white
    set_slider(tab, ids.VIDEO_SECOND, 30)
    expect(status).to_contain_text(EN["video_last"])
    expect(notice(tab, ids.TAB_VIDEO)).to_be_hidden()


def corner_of(page: Page, address: str) -> Any:
    """The upper left pixels of a picture."""
    return np.asarray(Image.open(io.BytesIO(page.request.get(address).body())).convert("L"))[:24, :40]


def progress_line(page: Page) -> Locator:
    return page.locator(f"#{ids.VIDEO_PROGRESS}")


def test_another_clip_ends_the_work_untold(tab: Page, site: Site, tmp_path: Path) -> None:
    """What it says is of the new clip, and that can be started at once."""
    write_clip(tmp_path / "long.mp4", frames=600, sound=None)
    write_clip(tmp_path / "short.mp4", sound=None)
    choose(tab, ids.VIDEO_CLIP, tmp_path / "long.mp4")
    status, start = tab.locator(f"#{ids.VIDEO_STATUS}"), tab.locator(f"#{ids.VIDEO_START}")
    expect(status).to_contain_text("600 frames")
    start.click()
    line = progress_line(tab)
    expect(line).to_contain_text("of 600 frames")
    drop(tab, "#hero", (tmp_path / "short.mp4", "video/mp4"))
    expect(tab.locator(f"#{ids.VIDEO_CLIP} .filename")).to_have_attribute("aria-label", "short.mp4")
    expect(start).to_be_enabled()
    expect(status).to_contain_text(f"{FRAMES} frames")
    start.click()
    expect(tab.locator(f"#{ids.VIDEO_RESULT}")).to_contain_text("short-cutout")
    expect(line).to_have_text("Done")
    assert not list(site.folder().rglob("long-cutout*"))


def test_programs_get_the_whole_clip(site: Site, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4")
    client = Client(site.url, download_files=str(tmp_path), verbose=False, httpx_kwargs={"timeout": 60})
    line, file = client.predict(clip=handle_file(str(tmp_path / "clip.mp4")), format="mov", api_name="/video")
    client.close()
    assert line.startswith("Done") and Path(file).name == "clip-cutout.mov"
    assert len(read_clip(Path(file))[0]) == FRAMES


def test_a_broken_clip_is_no_video(tab: Page, site: Site, tmp_path: Path) -> None:
    """It says so in those words, and cannot be started, also after one that could; one that was swept is not broken."""
    write_clip(tmp_path / "clip.mp4", sound=None)
    choose(tab, ids.VIDEO_CLIP, tmp_path / "clip.mp4")
    start, box = tab.locator(f"#{ids.VIDEO_START}"), notice(tab, ids.TAB_VIDEO)
    expect(start).to_be_enabled()
    for path in site.folder().rglob("clip.mp4"):
        path.unlink()  # as the sweep does
    pick(tab, ids.VIDEO_BACKGROUND, "blue")
    expect(box).to_contain_text(EN["error_upload_gone"])
    (tmp_path / "bad.mp4").write_text("not a video")
    drop(tab, "#hero", (tmp_path / "bad.mp4", "video/mp4"))
    expect(box).to_contain_text(EN["error_invalid_image_video"])
    expect(box).to_contain_text("bad.mp4: got no readable video")
    expect(start).to_be_disabled()
    expect(tab.locator(f"#{ids.VIDEO_STATUS}")).to_have_text(EN["error_invalid_image_video"])
