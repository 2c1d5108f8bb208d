"""The page's photo inputs: Gradio's, but bytes stay what they are."""

from __future__ import annotations

from typing import Any

import gradio as gr

from matting_ui.gradio_import import components_in_no_file

with components_in_no_file():

    class PhotoInput(gr.Image):  # type: ignore[misc]  # Gradio has no types
        """An image that hands over the path of the uploaded file, unopened.

        A class, for Gradio makes the component anew for a visitor for whom it was shown or hidden.
        """

        is_template = True  # the page draws it as its parent

        def preprocess(self, payload: Any) -> str | None:
            """The uploaded file's path, which `Visitors.check` has seen."""
            return None if payload is None or payload.path is None else str(payload.path)


def photo_input(
    label: Any,
    elem_id: str,
    sources: tuple[str, ...] = ("upload", "webcam"),
    height: int = 300,
    **more: Any,
) -> Any:
    """An image that hands over the path of the uploaded file, unopened.

    Gradio would open it first, and answer a broken one with an error of its own. A pasted picture comes through the
    page's own script, which needs no clipboard permission and so works on plain http, too.
    """
    return PhotoInput(
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
