"""Opens the editor over a kept cutout, and goes on when it is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from matting_ui.context import Studio, words_of
from matting_ui.gradio_patches import sender

_OPEN = """async (info) => {
  const changed = info ? await MattingEditor.open(info) : false;
  if (changed) matting.corrected();
  return changed;
}"""
_WORDS = "editor_"  # in front of the names of the editor's words


def info_of(studio: Studio, key: str | None, request: gr.Request) -> dict[str, Any] | None:
    """What the browser needs to correct a kept cutout; None when it is gone, which the visitor is told."""
    kept = studio.kept(key, request)
    if kept is None or key is None:
        return None
    words = {name.removeprefix(_WORDS): text for name, text in words_of(request).items() if name.startswith(_WORDS)}
    return {**studio.editor.begin(key, kept, sender(request)), "words": words}


def on_click(button: Any, studio: Studio, key: Any) -> Any:
    """Open the editor when a button is pressed; returns what happens next, once it is closed.

    Parameters
    ----------
    button : what is pressed.
    key : state with the key of the kept cutout.
    """

    def begin(key: str | None, request: gr.Request) -> dict[str, Any] | None:
        return info_of(studio, key, request)

    return wire_editor(button.click, begin, key, studio.light)


def wire_editor(event: Callable[..., Any], begin: Callable[..., Any], inputs: Any, limits: dict[str, Any]) -> Any:
    """The same for any event; `begin` returns what `info_of` does, within limits such as `Studio.light`."""
    info = gr.JSON(visible=False)
    changed = gr.Checkbox(visible=False)
    began = event(begin, inputs, info, trigger_mode="once", api_visibility="private", **limits)
    return began.success(None, info, changed, js=_OPEN, api_visibility="private")
