"""What was repaired or left out of a photo is said beside its result."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

import pytest
from matting_client.notes import SENTENCES, Note
from matting_ui import ids
from matting_ui.i18n import EN, ZH
from matting_ui.notes import note_lines
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


@pytest.mark.parametrize("code", SENTENCES)
def test_every_note_is_said_in_both_languages_with_its_numbers(code: str) -> None:
    values = {name: 7.25 for _, name, _, _ in Formatter().parse(SENTENCES[code]) if name}
    note = Note(code, values)
    (english,), (chinese,) = note_lines([note], EN), note_lines([note], ZH)
    assert chinese != english
    for text in (str(note), english, chinese):
        assert text.count("7.2") == len(values)
