"""The model, its scores and licences, and how the server is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from matting_client import EngineError

from matting_ui import ids
from matting_ui.card import model_card, server_card
from matting_ui.context import Studio, words_of


@dataclass(frozen=True)
class Handlers:
    """What happens on the tab."""

    studio: Studio

    def about(self, request: gr.Request) -> tuple[str, str]:
        """The server's state and the model's card, as HTML."""
        words = words_of(request)
        try:
            status = self.studio.status()
        except EngineError:
            status = None
        return server_card(status, words), model_card(self.studio.model, status, words)


def build(studio: Studio, tab: Any, i18n: gr.I18n) -> None:
    """Lay the tab out; the server is asked when the tab is opened."""
    do = Handlers(studio)
    with gr.Column(elem_classes="about"):
        server = gr.HTML(elem_id=ids.ABOUT_SERVER, apply_default_css=False)
        with gr.Row(elem_classes="buttons"):
            refresh = gr.Button(i18n("about_refresh"), elem_id=ids.ABOUT_REFRESH)
        card = gr.HTML(elem_id=ids.ABOUT_CARD, apply_default_css=False)
    gr.on([tab.select, refresh.click], do.about, None, [server, card], api_name=ids.API_ABOUT, **studio.light)
