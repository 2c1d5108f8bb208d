"""Hands a file over exactly as it was written, when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

# Follows a link to the file, as a click on it would.
_FOLLOW = """(file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""


def on_click(button: Any, make: Callable[..., Any], naming: dict[str, Any], **event: Any) -> None:
    """Make a file when a button is pressed, and download it.

    Parameters
    ----------
    button : what is pressed.
    make : returns the path of the file.
    naming : `api_name` and other settings of the call that makes it.
    event : its inputs and limits.
    """
    file = gr.File(visible=False)
    private: dict[str, Any] = {"api_visibility": "private"}
    button.click(None, None, None, js=_busy(button, True), **private)
    made = button.click(make, outputs=file, trigger_mode="once", **{**event, **naming})
    made.success(None, file, None, js=_FOLLOW, **private)
    for over in (made.success, made.failure):  # `then` comes after a success alone
        over(None, None, None, js=_busy(button, False), **private)


def _busy(button: Any, is_busy: bool) -> str:
    """A script that makes a button say whether its file is being made."""
    return f"() => {{ matting.busy('{button.elem_id}', {str(is_busy).lower()}); }}"
