"""The controls of the tab for clips."""

from __future__ import annotations

from typing import Any

import gradio as gr
from matting_client.video.order import FORMATS

from matting_ui import controls, ids
from matting_ui.clips import BACKGROUNDS


def settings(i18n: gr.I18n) -> tuple[dict[str, Any], Any]:
    """Every control by the name of its value, and that of the second to look at."""

    def moment(name: str, elem_id: str) -> Any:
        return gr.Number(0, minimum=0, label=i18n(name), elem_id=elem_id, min_width=120)

    values: dict[str, Any] = {
        "format": gr.Radio(list(FORMATS), value="webm", label=i18n("format"), elem_id=ids.VIDEO_FORMAT),
        "background": controls.background_choice(i18n, BACKGROUNDS, ids.VIDEO_BACKGROUND),
        "colour": controls.colour_choice(i18n, ids.VIDEO_COLOUR),
        "picture": controls.picture_choice(i18n, ids.VIDEO_PICTURE),
    }
    second = moment("video_second", ids.VIDEO_SECOND)
    with gr.Row():
        values["start"] = moment("video_from", ids.VIDEO_FROM)
        values["end"] = moment("video_to", ids.VIDEO_TO)
    return values, second


def buttons(i18n: gr.I18n) -> tuple[Any, Any]:
    """Start and Cancel."""
    with gr.Row(elem_classes="buttons"):
        start = gr.Button(i18n("video_start"), variant="primary", elem_id=ids.VIDEO_START, scale=3, interactive=False)
        cancel = gr.Button(i18n("video_cancel"), elem_id=ids.VIDEO_CANCEL, scale=1, min_width=90, interactive=False)
    return start, cancel
