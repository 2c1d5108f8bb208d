"""Hands a file over exactly as it was written, when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

# Begins: the values of the call go on to it as they are.
_BEGIN = "(...values) => {{ matting.busy('{button}', true); return values; }}"
_FAILED = "() => {{ matting.busy('{button}', false); }}"
# Follows a link to the file, as a click on it would.
_FOLLOW = """(file) => {{
  matting.busy('{button}', false);
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}}"""


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
    begin = _BEGIN.format(button=button.elem_id)
    made = button.click(make, outputs=file, trigger_mode="once", js=begin, **{**event, **naming})
    made.success(None, file, None, js=_FOLLOW.format(button=button.elem_id), **private)
    made.failure(None, None, None, js=_FAILED.format(button=button.elem_id), **private)
