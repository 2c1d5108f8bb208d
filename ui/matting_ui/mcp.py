"""The page's functions for programs as tools of the Model Context Protocol (MCP), which language models call."""

from __future__ import annotations

import gradio as gr

from matting_ui import ids
from matting_ui.gradio_patches import limit_tools

# The others need what a visitor did before; a tool's call knows of no other.
TOOLS = (ids.API_ONE, ids.API_BATCH, ids.API_ABOUT)


def offer_tools(page: gr.Blocks, url: str) -> None:
    """Offer the tools, once the page is mounted.

    Parameters
    ----------
    page : mounted with `mcp_server=True`.
    url : of this server; Gradio would call the one that the headers of the first request name.

    Raises
    ------
    RuntimeError
        Gradio could not make the server.
    """
    limit_tools(page, {name: f"/{name}" for name in TOOLS}, url)
