"""The page as an ASGI app that stands beside the API on one port."""

from __future__ import annotations

import asyncio
import json
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from matting_ui import ids
from matting_ui.assets import Assets, preloads
from matting_ui.context import Host, Studio
from matting_ui.device import device_model, offer_files
from matting_ui.early import EarlyHead, make_first_page
from matting_ui.editor import Editor, answer_editors
from matting_ui.entrance import Entrance
from matting_ui.gradio_patches import ASSETS, act_as_launched, import_no_plots, use_folder
from matting_ui.gradio_tools import limit_tools
from matting_ui.page import build_page, translations
from matting_ui.site import LOGIN, MCP, Site
from matting_ui.stage import SAMPLES_PATH
from matting_ui.store import Store
from matting_ui.sweep import keep_sweeping
from matting_ui.theme import CSS, EARLY, PHONE_CSS, SCRIPT, STATIC, theme
from matting_ui.tool_files import ToolFiles
from matting_ui.uploads import Bounds, Shelf, take_uploads
from matting_ui.visitors import Visitors

STORE_BYTES, KEPT_SECONDS = 512 * 2**20, 3600.0  # of photos and alphas that sliders work on; files stay as long
# Functions that programs may call as tools of the Model Context Protocol. The others need what a visitor did before; a
# tool's call knows of no other.
TOOLS = {  # names of tools, and of the functions behind them
    ids.API_ONE: ids.API_TOLD,
    ids.API_BATCH: ids.API_BATCH,
    ids.API_ABOUT: ids.API_ABOUT,
}


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where the page is found, and by whom.

    Parameters
    ----------
    auth : whether a name and a password may use the page; None for everyone.
    root_path : path below which a proxy shows the page, such as /matting.
    url : under which this machine reaches it, such as http://127.0.0.1:7860.
    has_tools : the page's functions are offered as MCP tools.
    """

    auth: Callable[[str, str], Awaitable[bool]] | None = None
    root_path: str = ""
    url: str = "http://127.0.0.1"
    has_tools: bool = False


def mount_page(api: ASGIApp, host: Host, folder: Path, close: Callable[[], None], door: Door) -> Site:
    """The page in front of an API.

    Parameters
    ----------
    api : answers what is not the page's.
    host : works for the page.
    folder : private and existing; uploads and results lie there.
    close : called at the end.
    door : where the page is found, and by whom.
    """
    use_folder(folder)
    import_no_plots()
    store = Store(STORE_BYTES, KEPT_SECONDS)
    visitors = Visitors(folder)
    editor = Editor(store, visitors, host.workers)
    studio = Studio(**vars(host), store=store, folder=folder, editor=editor, in_browser=device_model(host.model))
    page = build_page(studio, visitors)

    parent = FastAPI(openapi_url=None, lifespan=_life(studio, page, close, door))
    # Gradio would allow other sites' scripts to read its answers; with this it adds no such headers.
    parent.add_middleware(CORSMiddleware, allow_origins=[])
    shelf = Shelf(visitors, Bounds())
    take_uploads(parent, visitors, shelf, host.largest_upload)
    parent.mount(SAMPLES_PATH, StaticFiles(directory=STATIC / "samples"))
    if studio.in_browser:
        offer_files(parent, studio.in_browser)
    answer_editors(parent, editor)
    _mount(parent, page, door, host)
    if door.has_tools:
        limit_tools(page, TOOLS, door.url, ToolFiles(visitors, shelf, host.limits.max_bytes))
    tags = f"<script>{EARLY}</script>{preloads(ASSETS)}"
    parent.add_middleware(EarlyHead, tags=tags, same_for_all=door.auth is None)
    if door.auth is not None:
        parent.add_middleware(Entrance, page=page)
    more = (LOGIN if door.auth else set()) | (MCP if door.has_tools else set())
    assets = Assets(parent, ASSETS)
    threading.Thread(target=assets.pack, name="assets", daemon=True).start()
    return Site(api, assets, page, visitors, folder, more)


def _life(
    studio: Studio, page: gr.Blocks, close: Callable[[], None], door: Door
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """From the start to the end: the page is made ready, and old files and cutouts are swept away."""

    @asynccontextmanager
    async def run(parent: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(make_first_page(parent, door.url)),
            asyncio.create_task(keep_sweeping(studio.folder, studio.store, page.line.uploads)),
        ]
        yield
        for task in tasks:
            task.cancel()
        await to_thread.run_sync(close)

    return run


def _mount(parent: FastAPI, page: gr.Blocks, door: Door, host: Host) -> None:
    # Of tools that need a state: they are not offered.
    warnings.filterwarnings("ignore", "This MCP server includes a tool that has a gr.State", UserWarning)
    script = f"window.mattingMost = {json.dumps(host.most_bytes)};\n{SCRIPT}"
    gr.mount_gradio_app(
        parent,
        page,
        path="/",
        root_path=door.root_path or None,
        auth=door.auth,
        footer_links=[],
        run_history=False,
        max_file_size=host.largest_upload,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=door.has_tools,
        i18n=translations(),
        theme=theme(),
        css=CSS,
        head=f"<style>{PHONE_CSS}</style><script>{script}</script>",
    )
    act_as_launched(page, parent)
