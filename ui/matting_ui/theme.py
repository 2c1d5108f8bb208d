"""Colours, fonts and style sheet and script of the page; nothing comes from other hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
from matting_client.imaging import litter

from matting_ui import ids
from matting_ui.i18n import RETRY, script_words

STATIC = Path(__file__).with_name("static")


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


CSS = "\n".join(_read(f"{name}.css") for name in ("style", "machine", "device", "batch", "video", "about", "editor"))
PHONE_CSS = _read("phone.css")
EARLY = "\n".join(_read(f"{name}.js") for name in ("language", "idle", "heartbeat"))
SCRIPT = "\n".join(
    (
        f"window.mattingWords = {json.dumps(script_words(), ensure_ascii=False)};",
        f"window.mattingRetry = {json.dumps(RETRY)};",
        f"window.mattingClips = {json.dumps(ids.CLIPS)};",
        f"window.mattingLitter = {json.dumps(litter.FILES + litter.FOLDERS)};",
        *(
            _read(f"{name}.js")
            for name in (
                "files",
                "machine",
                "device_link",
                "calls",
                "stream",
                "page",
                "focus",
                "numbers",
                "touches",
                "editor_canvas",
                "editor_link",
                "editor_box",
                "editor_parts",
                "editor_hands",
                "editor",
            )
        ),
    )
)
# Gradio's own, in units that grow with the text size a visitor has set in the browser.
TEXT = gr.themes.Size("0.5625rem", "0.625rem", "0.75rem", "0.875rem", "1rem", "1.375rem", "1.625rem", name="text_rem")
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei"]


def theme() -> Any:
    """Violet and blue; fonts of the visitor's own system, as names alone are never fetched."""
    look = gr.themes.Soft(
        primary_hue="violet",
        secondary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        text_size=TEXT,
        font=[*FONTS, "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
    return look.set(
        body_background_fill="linear-gradient(180deg, #f3f0ff 0%, #eef4ff 45%, #f8fafc 100%)",
        body_background_fill_dark="linear-gradient(180deg, #17132b 0%, #101a33 45%, #0b1020 100%)",
        block_shadow="0 1px 2px rgba(30, 20, 90, .06), 0 6px 20px rgba(60, 40, 160, .06)",
        body_text_color_subdued="#475569",
        body_text_color_subdued_dark="#b4c0d4",
        block_info_text_color="#475569",
        block_info_text_color_dark="#b4c0d4",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_text_color="#1e1b4b",
        block_title_text_color_dark="#ece9ff",
        block_title_padding="0",
        block_label_background_fill="rgba(255, 255, 255, .92)",
        block_label_background_fill_dark="rgba(20, 24, 45, .9)",
        block_label_text_color="#3b2a9c",
        block_label_text_color_dark="#e4e0ff",
        block_border_width="1px",
        block_border_color="#e3e1f5",
        block_border_color_dark="#2c3352",
        checkbox_label_background_fill="#f5f4fd",
        checkbox_label_background_fill_hover="#ebe8fb",
        checkbox_label_background_fill_selected="#6a3de8",
        checkbox_label_background_fill_selected_dark="#6a3de8",
        checkbox_label_text_color_selected="white",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="#dcd8f3",
        checkbox_label_border_color_dark="#3a4266",
        checkbox_border_color="#8f88b8",
        checkbox_border_color_dark="#8f88b8",
        checkbox_border_color_hover="#8f88b8",
        checkbox_background_color_selected="#6a3de8",
        checkbox_border_color_selected="white",
        checkbox_label_shadow="none",
        slider_color="#6a3de8",
        slider_color_dark="#8b6bff",
        button_primary_background_fill="linear-gradient(90deg, #6d3df0 0%, #3b63e6 100%)",
        button_primary_background_fill_hover="linear-gradient(90deg, #5f2fe4 0%, #2f55d4 100%)",
        button_primary_background_fill_dark="linear-gradient(90deg, #6d3df0 0%, #3b63e6 100%)",
        button_primary_background_fill_hover_dark="linear-gradient(90deg, #7a4df5 0%, #4a70ee 100%)",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
    )
