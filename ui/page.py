"""The page's layout and wiring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from matting_client import presets
from matting_client.options import MAX_ERODE, MAX_THRESHOLD

from ui import names
from ui.handlers import NO_PRESET, Cut, Handlers
from ui.photo import photo_input, take_no_addresses
from ui.store import Store
from ui.texts import EN, ZH

CACHE_EVERY_SECONDS, CACHE_SECONDS = 600, 3600  # how often Gradio looks for old files, and how long they stay
STORE_BYTES = 512 * 2**20
QUEUE_SIZE = 32
WORK, LIGHT = "cutout", "light"  # queues that share a limit


def build_page(cut: Cut, folder: Path, model: str, workers: int) -> gr.Blocks:
    """The page.

    Parameters
    ----------
    cut : makes a cutout of a file's bytes.
    folder : Gradio's temporary folder, where results are written too.
    model : name to show.
    workers : photos worked on at once.
    """
    i18n = translations()
    store = Store(STORE_BYTES, CACHE_SECONDS)
    do = Handlers(cut, store, folder, model)
    cache = (CACHE_EVERY_SECONDS, CACHE_SECONDS)
    with gr.Blocks(title="unet-matting", analytics_enabled=False, delete_cache=cache, fill_width=True) as page:
        with gr.Column(elem_id="hero", elem_classes="hero"):
            # One text each: the browser translates a value only when it is one text from end to end.
            gr.Markdown(i18n("title"), elem_classes="title")
            gr.Markdown(i18n("subtitle"))
        key = gr.State(None, time_to_live=CACHE_SECONDS, delete_callback=store.drop)
        with gr.Row(elem_id="main", equal_height=False):
            with gr.Column(scale=4, min_width=320, elem_id="inputs"):
                photo = _photo(i18n)
                with gr.Column(elem_id="settings"):
                    controls = _controls(i18n)
            with gr.Column(scale=7, min_width=320, elem_id="outputs"):
                outputs = _outputs(i18n)
        _wire(do, photo, controls, outputs, key, workers)
        gr.Markdown(i18n("privacy"), elem_classes="privacy")
    page.queue(max_size=QUEUE_SIZE, api_open=False)
    take_no_addresses(page)
    return page


def translations() -> gr.I18n:
    """Every word of the page; the browser's language chooses."""
    codes: dict[str, dict[str, str]] = {"en": dict(EN), "zh": dict(ZH)}
    for name, preset in presets().items():
        for code, words in codes.items():
            words[name] = preset.title[code]
    return gr.I18n(**{"en": codes["en"], "zh": codes["zh"], "zh-CN": codes["zh"], "zh-TW": codes["zh"]})


def _photo(i18n: gr.I18n) -> Any:
    return photo_input(
        sources=["upload", "clipboard"],
        label=i18n("photo"),
        buttons=["fullscreen"],
        height=300,
        elem_id=names.PHOTO,
    )


def _controls(i18n: gr.I18n) -> list[Any]:
    choices = [(i18n(name), name) for name in (NO_PRESET, *presets())]
    preset = gr.Radio(choices, value=NO_PRESET, label=i18n("preset"), info=i18n("preset_info"), elem_id=names.PRESET)
    backgrounds = [(i18n(name), name) for name in names.BACKGROUNDS]
    background = gr.Radio(backgrounds, value=names.TRANSPARENT, label=i18n("background"), elem_id=names.BACKGROUND)
    colour = gr.ColorPicker("#7c5cff", label=i18n("colour"), visible=False, elem_id=names.COLOUR)
    format = gr.Radio(
        [(name.upper(), name) for name in names.FORMATS], value="png", label=i18n("format"), elem_id=names.FORMAT
    )
    with gr.Accordion(i18n("options"), open=True):
        threshold = gr.Slider(
            0, MAX_THRESHOLD, 0, step=1, label=i18n("threshold"), info=i18n("threshold_info"), elem_id=names.THRESHOLD
        )
        erode = gr.Slider(0, MAX_ERODE, 0, step=0.5, label=i18n("erode"), info=i18n("erode_info"), elem_id=names.ERODE)
        feather = gr.Checkbox(False, label=i18n("feather"), elem_id=names.FEATHER)
    return [preset, background, colour, format, threshold, erode, feather]


def _outputs(i18n: gr.I18n) -> list[Any]:
    with gr.Row(equal_height=True):
        result = gr.Image(
            label=i18n("result"),
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            elem_id=names.RESULT,
            elem_classes="checkerboard",
            height=520,
            scale=3,
            min_width=280,
        )
        alpha = gr.Image(
            label=i18n("alpha"),
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            elem_id=names.ALPHA,
            height=520,
            scale=2,
            min_width=220,
        )
    status = gr.Markdown(i18n("waiting"), elem_id=names.STATUS)
    download = gr.DownloadButton(i18n("download"), variant="primary", interactive=False, elem_id=names.DOWNLOAD)
    return [result, alpha, status, download]


def _wire(do: Handlers, photo: Any, controls: list[Any], outputs: list[Any], key: Any, workers: int) -> None:
    preset, background, colour, format, threshold, erode, feather = controls
    result, *_, download = outputs
    work = {"concurrency_limit": workers, "concurrency_id": WORK}
    light = {"concurrency_limit": 2 * workers, "concurrency_id": LIGHT, "show_progress": "hidden"}

    def then_file(event: Any, **naming: Any) -> None:
        wiring = {"trigger_mode": "always_last", "show_progress": "hidden", **work, **naming}
        event.success(do.file, [key, *controls], download, **wiring)

    cleared = photo.change(do.reset, key, [*outputs, key], api_visibility="private", **light)
    done = cleared.then(
        do.cutout, [photo, *controls], [*outputs, key], api_name=names.API_CUTOUT, show_progress_on=[result], **work
    )
    then_file(done, api_name=names.API_FILE)
    preview: dict[str, Any] = {"fn": do.recompose, "inputs": [key, *controls], "outputs": outputs, **light}
    moves = [each.input for each in (background, colour, format, threshold, erode, feather)]
    then_file(
        gr.on(moves, api_name=names.API_RECOMPOSE, trigger_mode="always_last", **preview), api_visibility="private"
    )
    background.input(_show_colour, background, colour, api_visibility="private", **light)
    settings = [*controls[1:], preset]
    chosen = preset.input(do.preset, preset, settings, api_name=names.API_PRESET, **light)
    then_file(chosen.then(api_visibility="private", **preview), api_visibility="private")


def _show_colour(background: str) -> Any:
    return gr.update(visible=background == names.CUSTOM)
