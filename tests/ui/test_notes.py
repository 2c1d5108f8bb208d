"""What was repaired or left out of a photo is said beside its result."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from matting_client.imaging import reading
from matting_ui import ids
from matting_ui.i18n import EN, ZH
from matting_ui.notes import told
from PIL import Image
from playwright.sync_api import expect

from tests.ui.browser import Visit, choose


def test_what_was_left_out_of_a_photo_is_said_beside_it(visit: Visit, photos: Path, tmp_path: Path) -> None:
    """In the visitor's language, and of that photo alone."""
    page = visit(locale="zh-CN")
    frames = [Image.new("RGB", (320, 240), (90, 120, shade)) for shade in (150, 40)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    choose(page, ids.PHOTO, tmp_path / "two.gif")
    status = page.locator(f"#{ids.STATUS}")
    expect(status).to_contain_text("320 × 240")
    expect(status).to_contain_text(f"⚠ {ZH['note_frames']}")
    expect(page.locator(".toast-body")).to_have_count(0)
    choose(page, ids.PHOTO, photos / "rocket.jpg")
    expect(status).to_contain_text("1280 × 854")
    expect(status).not_to_contain_text("⚠")


def test_notes_in_both_languages() -> None:
    lost = ("the file is incomplete: about 3 of 80 rows missing", "something new")
    assert told(lost, EN) == [f"⚠ {note}" for note in lost]
    assert told(lost, ZH) == ["⚠ 文件不完整：约 3 / 80 行缺失", "⚠ something new"]
    known = re.findall(r'notes\.append\("([^"]+)"\)', inspect.getsource(reading))
    assert len(known) == 3 and all(told((note,), ZH) != told((note,), EN) for note in known)
