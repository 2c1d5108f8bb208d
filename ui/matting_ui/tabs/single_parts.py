"""The controls and pictures of the tab for one photo."""

from __future__ import annotations

from typing import Any

import gradio as gr

from matting_ui import controls, ids


def settings(i18n: gr.I18n, model: str) -> tuple[dict[str, Any], Any]:
    """Every control of the tab by the name of its value, and the choice of the finer model."""
    values: dict[str, Any] = {"preset": controls.preset_choice(i18n, ids.PRESET)}
    values["background"] = controls.background_choice(i18n, tuple(ids.BACKGROUNDS), ids.BACKGROUND)
    values["colour"] = controls.colour_choice(i18n, ids.COLOUR)
    values["picture"] = controls.picture_choice(i18n, ids.PICTURE)
    values["format"] = controls.format_choice(i18n, ids.FORMAT)
    values["quality"] = controls.quality_slider(i18n, ids.QUALITY)
    with gr.Accordion(i18n("tuning"), open=False, elem_id=ids.ADVANCED):
        fine = gr.Checkbox(
            False, label=i18n("fine"), info=i18n("fine_info"), elem_id=ids.FINE, visible=model != ids.FINE_MODEL
        )
        values.update(controls.edge_knobs(i18n))
    values["shop"] = controls.shop_choice(i18n, ids.SHOP)
    with gr.Accordion(i18n("output"), open=False, elem_id=ids.OUTPUT):
        values.update(controls.file_knobs(i18n))
    return values, fine


def result(i18n: gr.I18n) -> Any:
    """The photo before and after."""
    return gr.ImageSlider(
        label=i18n("result"), type="filepath", interactive=False, buttons=["fullscreen"], elem_id=ids.RESULT, height=560
    )


def details_part(i18n: gr.I18n) -> tuple[Any, Any]:
    """The alpha and the button that downloads it."""
    alpha = gr.Image(
        label=i18n("alpha"),
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        elem_id=ids.ALPHA,
        height=260,
    )
    return alpha, gr.Button(i18n("download_alpha"), elem_id=ids.DOWNLOAD_ALPHA)
