"""Many photos with common settings, as an archive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr

from matting_ui import controls, correct, download, ids
from matting_ui.batch_handlers import Handlers
from matting_ui.batch_state import MOST
from matting_ui.context import Studio
from matting_ui.i18n import LANGUAGES, texts
from matting_ui.theme import STATIC

RUNS = 8  # batches worked on at once; they share the workers


def build(studio: Studio, page: gr.Blocks, i18n: gr.I18n) -> None:
    """Lay the tab out and wire it."""
    do = Handlers(studio, ThreadPoolExecutor(studio.workers, "batch"))
    batch = gr.State(None)
    with gr.Row(elem_classes="split", equal_height=False):
        with gr.Column(scale=3, min_width=320, elem_classes="inputs"):
            drop = _drop()
            with gr.Column(elem_classes="settings"):
                values = _settings(i18n)
        with gr.Column(scale=8, min_width=320, elem_classes="outputs batch"):
            with gr.Row(elem_classes="buttons"):
                start = gr.Button(i18n("batch_start"), variant="primary", elem_id=ids.BATCH_START, scale=3)
                archive = gr.Button(i18n("batch_zip"), elem_id=ids.BATCH_ZIP, scale=3)
                clear = gr.Button(i18n("batch_clear"), elem_id=ids.BATCH_CLEAR, scale=1, min_width=90)
            status = gr.Markdown(i18n("batch_waiting"), elem_id=ids.BATCH_STATUS, elem_classes="status")
            board = _board()
    parts = [board, drop, status]
    _wire(do, batch, values, parts, start, clear)
    archive.click(do.watch, batch, parts, **{**studio.light, "api_visibility": "private"})  # some may be gone by now
    download.on_click(archive, do.zip, {"api_visibility": "private"}, inputs=batch, **studio.light)
    _for_programs(do, values)


def _drop() -> Any:
    keys = {"drop": "batch_drop", "uploading": "batch_uploading"}
    words = {code: {short: texts(code)[key] for short, key in keys.items()} for code in LANGUAGES}
    template = (
        '<label class="drop"><input type="file" multiple accept="image/*"><span class="drop-icon" aria-hidden="true">'
        '</span><span class="drop-line" aria-live="polite"></span></label>'
    )
    return gr.HTML(
        0,
        html_template=template,
        js_on_load=(STATIC / "drop.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=ids.BATCH_DROP,
        elem_classes="takes-files",
        most=MOST,
        words=words,
    )


def _board() -> Any:
    names = (
        "look_first",
        "correct",
        "download",
        "download_alpha",
        "close",
        "view",
        "batch_progress",
        "previous",
        "next",
    )
    return gr.HTML(
        [],
        html_template='<div class="board-bar"></div><div class="cards"></div>',
        js_on_load=(STATIC / "board.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=ids.BATCH_BOARD,
        words={code: {name: texts(code)[name] for name in names} for code in LANGUAGES},
    )


def _settings(i18n: gr.I18n) -> dict[str, Any]:
    """Every control of the single photo's tab, and whether alphas are kept, too."""
    values = {"preset": controls.preset_choice(i18n, "batch-preset")}
    values["background"] = controls.background_choice(i18n, tuple(ids.BACKGROUNDS), ids.BATCH_BACKGROUND)
    values["colour"] = controls.colour_choice(i18n, ids.BATCH_COLOUR)
    values["picture"] = controls.picture_choice(i18n, "batch-picture")
    values["format"] = controls.format_choice(i18n, ids.BATCH_FORMAT)
    values["quality"] = controls.quality_slider(i18n, "batch-quality")
    values["alpha"] = gr.Checkbox(False, label=i18n("save_alpha"), elem_id=ids.BATCH_ALPHA)
    values["shop"] = controls.shop_choice(i18n, ids.BATCH_SHOP)
    with gr.Accordion(i18n("tuning"), open=False, elem_id=ids.BATCH_ADVANCED):
        values.update(controls.edge_knobs(i18n, "batch-"))
    with gr.Accordion(i18n("output"), open=False, elem_id="batch-output"):
        values.update(controls.file_knobs(i18n, "batch-"))
    return values


def _wire(do: Handlers, batch: Any, values: dict[str, Any], parts: list[Any], start: Any, clear: Any) -> None:
    board, drop, _ = parts
    light: dict[str, Any] = {**do.studio.light, "api_visibility": "private"}
    quick: dict[str, Any] = {**light, "trigger_mode": "multiple"}
    look: dict[str, Any] = {"fn": do.watch, "inputs": batch, "outputs": parts}
    work: dict[str, Any] = {**quick, "concurrency_limit": RUNS, "concurrency_id": "batch"}
    # Two at once would each begin a batch.
    alone: dict[str, Any] = {**quick, "concurrency_limit": 1, "concurrency_id": "batch-begin"}
    drop.upload(do.add, batch, batch, **alone).then(**look, **quick)
    start.click(do.run, batch, parts, inputs_kwargs=values, **work)
    board.select(do.act, batch, None, inputs_kwargs=values, **quick).then(**look, **work)
    board.resume(do.resume, batch, parts, **work)
    found = board.back(do.come_back, batch, batch, **alone)
    found.then(do.choose, batch, None, inputs_kwargs=values, **quick).then(do.resume, batch, parts, **work)
    closed = correct.wire_editor(board.edit, do.edit, batch, do.studio.work)
    closed.then(do.take_over, batch, None, **quick).then(**look, **work)
    clear.click(do.clear, batch, None, **quick).then(**look, **quick)
    _wire_settings(do, batch, values, look)


def _wire_settings(do: Handlers, batch: Any, values: dict[str, Any], look: dict[str, Any]) -> None:
    """What goes with what, and whether the results are of these settings."""
    light: dict[str, Any] = {**do.studio.light, "api_visibility": "private", "trigger_mode": "always_last"}
    again: dict[str, Any] = {**light, "trigger_mode": "multiple"}
    choose: dict[str, Any] = {"fn": do.choose, "inputs": batch, "outputs": None, "inputs_kwargs": values, **light}
    gr.on([each.input for name, each in values.items() if name not in ("preset", "shop")], **choose).then(
        **look, **again
    )
    dependent = [values[name] for name in ("colour", "picture", "quality", "margin")]
    deciding = [values[name] for name in ("background", "format", "crop")]
    show: dict[str, Any] = {"fn": controls.show_for, "inputs": deciding, "outputs": dependent, **light}
    gr.on([each.input for each in deciding], **show)
    preset = values["preset"]
    set_by_preset = [values[name] for name in controls.SET_BY_PRESET]
    chosen = preset.input(controls.apply_preset, preset, [*set_by_preset, preset], **light)
    set_by_shop = [values[name] for name in controls.SET_BY_SHOP]
    listed = values["shop"].input(controls.apply_shop, values["shop"], set_by_shop, **light)
    for followed in (chosen, listed):
        followed.then(**show)
        followed.then(**choose).then(**look, **again)


def _for_programs(do: Handlers, values: dict[str, Any]) -> None:
    """The batch as one function, which the page itself does not call."""
    files = gr.File(file_count="multiple", type="filepath", visible=False)
    archive = gr.File(visible=False)
    call = gr.Button(visible=False)
    call.click(do.whole, files, archive, inputs_kwargs=values, api_name=ids.API_BATCH, **do.studio.work)
