"""Cutouts in the visitor's own browser: the switch on the page, and the files that the browser fetches for it."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path

import brotli
import gradio as gr
from fastapi import FastAPI
from matting_client import ModelError
from matting_client.repository import DEFAULT_MODEL, model_file
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from matting_ui import ids
from matting_ui.codings import accepted_codings
from matting_ui.i18n import LANGUAGES, texts
from matting_ui.stage import samples
from matting_ui.theme import STATIC

PATH = "/page/device"
FOLDER = STATIC / "device"
_PACKED = ".br"
RUNTIME = "onnxruntime/ort-wasm-simd-threaded.wasm"
PACKED_RUNTIME = FOLDER / f"{RUNTIME}{_PACKED}"
RUNTIME_BYTES = 14_239_897  # unpacked
MODEL_NAME = "model.onnx"
# A browser asks each time whether a file is still the same, and fetches it again only when it is not.
_CACHE = "private, no-cache"
_WORDS = (
    "device", "device_info", "device_unable", "device_drop", "device_format", "device_loading", "device_stayed",
    "device_too_large", "note_frames",
    "working", "pixels", "nothing_found", "background", "transparent", "white", "blue", "red", "custom", "colour",
    "format", "download", "another", "result",
)  # fmt: skip
log = logging.getLogger("page")


def device_model(model: str) -> Path | None:
    """The ONNX file that browsers get, the server's own; None where this machine has none, which the log says.

    Parameters
    ----------
    model : that the server uses. The one for the finest hair is too much for a browser, which gets the usual one.
    """
    try:
        path = model_file(DEFAULT_MODEL if model == ids.FINE_MODEL else model)
    except ModelError as error:
        log.warning("no cutouts in the browser: %s", error)
        return None
    if path.is_file():
        return path
    log.warning("no cutouts in the browser: %s: no such file", path)
    return None


def offer_files(parent: FastAPI, model: Path) -> None:
    """Give browsers what they need to cut photos out themselves, below `PATH`."""
    parent.mount(PATH, _Files(model))


def build(model: Path) -> None:
    """Lay the switch out, and what stands in the place of the tab while it is on."""
    values = (("", "transparent"), ("#ffffff", "white"), ("#438edb", "blue"), ("#d9001b", "red"), ("custom", "custom"))
    backgrounds = "".join(_radio("background", value, f'data-word="{word}"', "") for value, word in values)
    formats = "".join(_radio("format", value, "", value.upper()) for value in ("png", "jpeg"))
    total = RUNTIME_BYTES + model.stat().st_size
    fetched = round((PACKED_RUNTIME.stat().st_size + model.stat().st_size) / 1e6)
    words = {
        code: {name: texts(code)[name].replace("{fetched}", str(fetched)) for name in _WORDS} for code in LANGUAGES
    }
    with gr.Column(elem_classes="device-column"):
        gr.HTML(
            html_template=_TEMPLATE.format(backgrounds=backgrounds, formats=formats),
            js_on_load=(STATIC / "device.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            elem_id=ids.DEVICE,
            words=words,
            path=f".{PATH}",
            bytes=total,
        )
        samples()


def _radio(name: str, value: str, attribute: str, text: str) -> str:
    checked = " checked" if value in ("", "png") else ""
    return f'<label><input type="radio" name="{name}" value="{value}"{checked}><span {attribute}>{text}</span></label>'


_TEMPLATE = """
<div class="device">
  <div class="device-stage">
    <label class="device-photo"><input type="file" accept="image/*" data-label="device">
      <span data-word="device_drop"></span></label>
    <div class="device-view"><img class="device-before" alt=""><img class="device-after" alt=""></div>
    <input type="range" class="device-split" min="0" max="100" value="50" data-label="result">
    <p class="device-status" role="status"></p>
  </div>
  <form class="device-side">
    <div class="device-buttons"><a class="device-download" data-word="download"></a>
      <button type="button" class="another" data-word="another"></button></div>
    <fieldset><legend data-word="background"></legend>{backgrounds}
      <input type="color" name="colour" value="#ffffff" data-label="colour"></fieldset>
    <fieldset><legend data-word="format"></legend>{formats}</fieldset>
  </form>
</div>
<div class="device-switch"><label><input type="checkbox" role="switch"><span data-word="device"></span></label>
  <span class="device-info" data-word="device_info"></span></div>
"""


class _Files(StaticFiles):
    """The scripts, the runtime, which lies here packed, and under a fixed name the model."""

    def __init__(self, model: Path) -> None:
        super().__init__(directory=FOLDER)
        self._model = model

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """The file behind a name."""
        if path == MODEL_NAME:
            return str(self._model), self._model.stat()
        found = super().lookup_path(path)
        return found if found[1] else super().lookup_path(f"{path}{_PACKED}")

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file; a packed one as it lies here for browsers that unpack it."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _CACHE
        packed = FOLDER / f"{path}{_PACKED}"
        if not packed.is_file():
            return response
        response.headers["Vary"] = "Accept-Encoding"
        if response.status_code != 200:
            return response
        if "br" in accepted_codings(scope):
            response.headers["Content-Encoding"] = "br"
            return response
        headers = {"Cache-Control": _CACHE, "Vary": "Accept-Encoding", "ETag": response.headers["etag"]}
        return Response(await run_in_threadpool(_unpacked, packed), 200, headers, response.media_type)


@cache
def _unpacked(packed: Path) -> bytes:
    """For plain http, over which browsers take no brotli: unpacked once, not for each of them."""
    unpacked: bytes = brotli.decompress(packed.read_bytes())
    return unpacked
