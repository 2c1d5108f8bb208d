"""The page: its head, its tabs and its foot."""

from __future__ import annotations

import gradio as gr
from matting_client import presets
from matting_client.idphoto import sizes

from matting_ui import ids
from matting_ui.context import Studio
from matting_ui.gradio_patches import FairQueue, check_files
from matting_ui.i18n import EN, ZH
from matting_ui.queue import SIZE
from matting_ui.tabs import about, batch, idphoto, scene, single, video
from matting_ui.visitors import Visitors

TABS = (
    (ids.TAB_SINGLE, single.build),
    (ids.TAB_IDPHOTO, idphoto.build),
    (ids.TAB_BATCH, batch.build),
    (ids.TAB_SCENE, scene.build),
    (ids.TAB_VIDEO, video.build),
    (ids.TAB_ABOUT, about.build),
)


def build_page(studio: Studio, visitors: Visitors) -> gr.Blocks:
    """The page, whose calls name files of their own visitor only."""
    i18n = translations()
    with gr.Blocks(title="unet-matting", analytics_enabled=False, fill_width=True) as page:
        with gr.Column(elem_id="hero", elem_classes="hero"):
            # One text each: the browser translates a value only when it is one text from end to end.
            gr.Markdown(i18n("title"), elem_classes="title")
            gr.Markdown(i18n("subtitle"))
        with gr.Tabs(elem_id="tabs"):
            for name, build in TABS:
                with gr.Tab(i18n(f"tab_{name}"), id=name, elem_id=f"tab-{name}"):
                    build(studio, page, i18n)
        gr.Markdown(i18n("privacy"), elem_classes="privacy")
    page.queue(max_size=SIZE, api_open=False)
    check_files(page, visitors)
    page.line = FairQueue(page, visitors)
    return page


def translations() -> gr.I18n:
    """Every word of the page; the browser's language chooses."""
    codes: dict[str, dict[str, str]] = {"en": dict(EN), "zh": dict(ZH)}
    for name, preset in presets().items():
        for code, words in codes.items():
            words[name] = preset.title[code]
    for size in sizes().values():
        for code, line in idphoto.size_words(size).items():
            codes[code][f"id_{size.name}"] = line
    return gr.I18n(**{"en": codes["en"], "zh": codes["zh"], "zh-CN": codes["zh"], "zh-TW": codes["zh"]})
