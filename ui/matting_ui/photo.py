"""The page's photo inputs: Gradio's, but bytes stay what they are."""

from __future__ import annotations

from typing import Any

import gradio as gr


def photo_input(
    label: Any,
    elem_id: str,
    sources: tuple[str, ...] = ("upload", "webcam"),
    height: int = 300,
    **more: Any,
) -> Any:
    """An image that hands over the path of the uploaded file, unopened.

    Gradio would open it first, and answer a broken one with an error of its own. (Not a subclass: Gradio writes a stub
    file beside the source of each one.) A pasted picture comes through the page's own script, which needs no clipboard
    permission and so works on plain http, too.
    """
    image = gr.Image(
        label=label,
        type="filepath",
        sources=list(sources),
        buttons=["fullscreen"],
        webcam_options=gr.WebcamOptions(mirror=False),
        height=height,
        elem_id=elem_id,
        elem_classes="takes-photo",
        **more,
    )
    image.preprocess = _path
    return image


def _path(payload: Any) -> str | None:
    """The uploaded file's path, which `Visitors.check` has seen."""
    return None if payload is None or payload.path is None else str(payload.path)
