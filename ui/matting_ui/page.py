"""The page: its head, its tabs and its foot."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

import gradio as gr
from matting_client import presets, templates
from matting_client.idsizes import sizes

from matting_ui import ids, stage
from matting_ui.context import Studio
from matting_ui.gradio_patches import FairQueue, check_files, drop_empty_targets
from matting_ui.i18n import EN, LANGUAGES, ZH, texts
from matting_ui.queue import SIZE
from matting_ui.tabs import about, batch, idphoto, scene, single, video
from matting_ui.theme import STATIC
from matting_ui.visitors import Visitors

TABS = (
    (ids.TAB_SINGLE, single.build),
    (ids.TAB_IDPHOTO, idphoto.build),
    (ids.TAB_BATCH, batch.build),
    (ids.TAB_SCENE, scene.build),
    (ids.TAB_VIDEO, video.build),
)
REFERENCE = "./docs"
_MARK = "text_"


def build_page(studio: Studio, visitors: Visitors) -> gr.Blocks:
    """The page, whose calls name files of their own visitor only."""
    i18n = translations()
    with gr.Blocks(title="unet-matting", analytics_enabled=False, fill_width=True) as page:
        _header()
        with gr.Tabs(elem_id="tabs"):
            for name, build in TABS:
                with gr.Tab(i18n(f"tab_{name}"), id=name, elem_id=f"tab-{name}"):
                    stage.notice(name)
                    build(studio, page, i18n)
            with gr.Tab(i18n(f"tab_{ids.TAB_ABOUT}"), id=ids.TAB_ABOUT, elem_id=f"tab-{ids.TAB_ABOUT}") as tab:
                stage.notice(ids.TAB_ABOUT)
                about.build(studio, tab, i18n)
        gr.Markdown(i18n("privacy"), elem_classes="privacy")
    page.queue(max_size=SIZE, api_open=False)
    check_files(page, visitors)
    drop_empty_targets(page)
    page.line = FairQueue(page, visitors)
    return page


def _header() -> None:
    """One line: name, language, light or dark, help."""
    names = ("title", "help", "language", "dark_theme", "light_theme", "leave", *project_links())
    template = (
        '<header><h1></h1><select class="header-language"><option value="en">English</option>'
        '<option value="zh">中文</option></select><button type="button" class="header-theme"></button>'
        '<details class="header-help"><summary></summary><nav></nav></details></header>'
    )
    gr.HTML(
        html_template=template,
        js_on_load=(STATIC / "header.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id="hero",
        words={code: {name: texts(code)[name] for name in names} for code in LANGUAGES},
        links=project_links(),
    )


def project_links() -> dict[str, str]:
    """Addresses to help, by the key of their text: the API here, and what the installed project names as its own."""
    known = {"documentation": "help_docs", "source": "help_source", "issues": "help_support"}
    try:
        urls = metadata("unet-matting").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    named = (line.partition(", ")[::2] for line in urls)
    return {"help_api": REFERENCE, **{known[name.lower()]: url for name, url in named if name.lower() in known}}


class _Words(gr.I18n):  # type: ignore[misc]  # Gradio has no types
    """Words whose keys are no control's values: Gradio's script translates any text that is a key.

    In WebKit radio buttons then had and sent "As the office asks" in place of "official".
    """

    def __call__(self, key: str) -> Any:
        """The word of a key of texts.json."""
        return super().__call__(_MARK + key)


def translations() -> gr.I18n:
    """Every word of the page, by language."""
    codes: dict[str, dict[str, str]] = {"en": dict(EN), "zh": dict(ZH)}
    for name, preset in presets().items():
        for code, words in codes.items():
            words[name] = preset.title[code]
    for name, shop in templates().items():
        for code, words in codes.items():
            words[f"shop_{name}"] = shop.title[code]
    for size in sizes().values():
        for code, line in idphoto.size_words(size).items():
            codes[code][f"id_{size.name}"] = line
    en, zh = ({_MARK + key: text for key, text in codes[code].items()} for code in LANGUAGES)
    return _Words(**{"en": en, "zh-CN": zh})  # what static/language.js says that browsers speak
