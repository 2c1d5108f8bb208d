"""The page's components: Gradio's, but bytes stay what they are and nothing is fetched for a visitor."""

from __future__ import annotations

from pathlib import Path
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
    """The uploaded file's path; Gradio has checked that it lies in the folder of uploads."""
    return None if payload is None or payload.path is None else str(payload.path)


def take_no_addresses(page: gr.Blocks) -> None:
    """Make every component refuse a web address where a file is expected: Gradio would download it."""
    for block in page.blocks.values():
        block.async_move_resource_to_block_cache = _local_only(block.async_move_resource_to_block_cache)


def _local_only(move: Any) -> Any:
    async def checked(place: str | Path | None) -> str | None:
        if place is not None and "://" in str(place):
            raise gr.Error("got a web address, expected an uploaded file", print_exception=False)
        moved: str | None = await move(place)
        return moved

    return checked
