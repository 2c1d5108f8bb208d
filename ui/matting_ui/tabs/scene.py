"""The subject before another background: where it stands, the light on it, its shadow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from matting_client import Cutout, Limits, MattingError, Options
from matting_client.imaging.decode import read
from matting_client.imaging.encode import SUFFIX_OF_FORMAT, encode
from matting_client.processing.crop import subject_box
from matting_client.processing.scene import MAX_BLUR, MAX_SIDE, Scene, compose_scene, has_ground, limited
from numpy.typing import NDArray

from matting_ui import controls, download, ids
from matting_ui.context import Studio, shown, words_of
from matting_ui.photo import photo_input
from matting_ui.preview import SIDE
from matting_ui.stage import Stage, another, samples, waited_since
from matting_ui.store import Kept

Picture = NDArray[np.uint8]
QUALITY = 92


@dataclass(frozen=True)
class Handlers:
    """What happens on the tab; every keyword is the value of a control."""

    studio: Studio

    def cutout(
        self, photo: str | None, background: str | None, started: float | None, request: gr.Request, **values: Any
    ) -> tuple[Any, ...]:
        """Cut a photo out and put it before the background; returns the picture and a line on it."""
        if photo is None:
            return None, words_of(request)["scene_waiting"], None, None
        try:
            key, kept = self.studio.keep(photo, waited=waited_since(started))
            return *self._show(kept, background, request, values), key, None
        except MattingError as error:
            raise shown(error, request) from None

    def recompose(self, key: str | None, background: str | None, request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """Make the picture anew from the kept alpha."""
        kept = self.studio.kept(key, request)
        if kept is None:
            return gr.skip(), gr.skip()
        try:
            return self._show(kept, background, request, values)
        except MattingError as error:
            raise shown(error, request) from None

    def settle(self, key: str | None, background: str | None, request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """Follow a control that was moved, or a background that was chosen, while the photo was cut out."""
        kept = self.studio.store.get(key)
        if kept is None or background is None or kept.small.shown == (background, values):
            return gr.skip(), gr.skip()
        return self.recompose(key, background, request, **values)

    def file(self, key: str | None, background: str | None, request: gr.Request, **values: Any) -> str | None:
        """Write the picture in the background's full size."""
        kept = self.studio.kept(key, request)
        if kept is None or background is None:
            return None
        try:
            options, scene = Options(format=values["format"], quality=QUALITY), read_scene(**values)
            picture = compose_scene(*kept.full.layers(), self._background(background, MAX_SIDE), scene)
            data = encode(picture, options.format, options.quality)
            return self.studio.save(data, kept.stem, f"-scene{SUFFIX_OF_FORMAT[options.format]}")
        except MattingError as error:
            raise shown(error, request) from None

    def _show(self, kept: Kept, background: str | None, request: gr.Request, values: dict[str, Any]) -> tuple[Any, ...]:
        small: Cutout = kept.small.with_options(Options())
        if background is None:
            return self.studio.save_preview(kept.small.views(Options())[0]), words_of(request)["scene_waiting"]
        scene, (fgr, pha) = read_scene(**values), small.layers()
        picture = compose_scene(fgr, pha, self._background(background, SIDE), scene)
        kept.small.shown = (background, values)
        return self.studio.save_preview(picture), self._status(kept, pha, background, scene, request)

    def _background(self, place: str, side: int) -> Picture:
        path, limits = self.studio.background(place), self.studio.limits
        return _reduced(path, side, limits) if side == SIDE else limited(read(path, limits), side)

    def _status(self, kept: Kept, pha: Picture, background: str, scene: Scene, request: gr.Request) -> str:
        words = words_of(request)
        height, width = self._background(background, SIDE).shape[:2]
        infer = round(1000 * kept.full.seconds.get("infer", 0.0))
        line = words["scene_status"].format(width=width, height=height, model=self.studio.model, infer=infer)
        box = subject_box(pha)
        grounded = scene.shadow == 0 or box is None or has_ground(pha, box)
        return line if grounded else f"{line} · {words['no_ground']}"


@lru_cache(maxsize=16)
def _reduced(path: Path, side: int, limits: Limits) -> Picture:
    return limited(read(path, limits), side)


def read_scene(*, x: float, y: float, scale: float, blur: float, light: float, shadow: float, **_: Any) -> Scene:
    """The scene of the controls' values, most of them in per cent.

    Raises
    ------
    OptionError
        A value that the page does not offer.
    """
    return Scene(x / 100, y / 100, scale / 100, float(blur), light / 100, shadow / 100)


def build(studio: Studio, page: gr.Blocks, i18n: gr.I18n) -> None:
    """Lay the tab out and wire it."""
    do = Handlers(studio)
    stage = Stage(studio, page, ids.TAB_SCENE, "scene_waiting")
    key = gr.State(None, delete_callback=studio.store.drop)
    started = gr.State(None)
    with gr.Row(elem_classes="machine", equal_height=False):
        with gr.Column(scale=7, min_width=320, elem_classes="picture"):
            photo = photo_input(i18n("photo"), ids.SCENE_PHOTO, placeholder=i18n("drop"))
            result = gr.Image(
                label=i18n("scene_result"),
                type="filepath",
                interactive=False,
                buttons=["fullscreen"],
                elem_id=ids.SCENE_RESULT,
                elem_classes="board",
                height=600,
            )
            status = gr.Markdown(i18n("scene_waiting"), elem_id=ids.SCENE_STATUS, elem_classes="status")
            samples()
        with gr.Column(scale=3, min_width=300, elem_classes="side"):
            with gr.Row(elem_classes="buttons"):
                button = gr.Button(
                    i18n("download"), variant="primary", elem_id=ids.SCENE_DOWNLOAD, scale=2, min_width=120
                )
                another(i18n("another"))
            background = photo_input(
                i18n("scene_background"), ids.SCENE_BACKGROUND, ("upload",), height=170, min_width=150
            )
            values = _settings(i18n)
    _wire(do, stage, photo, background, values, [result, status], (key, started))
    inputs: dict[str, Any] = {"inputs": [key, background], "inputs_kwargs": values, **studio.work}
    download.on_click(button, do.file, {"api_name": ids.API_SCENE_FILE}, **inputs)


def _settings(i18n: gr.I18n) -> dict[str, Any]:
    def slider(name: str, info: str, low: float, high: float, value: float, elem_id: str) -> Any:
        return gr.Slider(low, high, value, step=1, label=i18n(name), info=i18n(info), elem_id=elem_id)

    with gr.Accordion(i18n("place"), open=True):
        x = slider("place_x", "place_info", 0, 100, 50, ids.SCENE_X)
        y = slider("place_y", "place_info", 0, 150, 100, ids.SCENE_Y)
        scale = slider("place_scale", "scale_info", 5, 200, 85, ids.SCENE_SCALE)
    with gr.Accordion(i18n("light_shadow"), open=True):
        blur = slider("blur", "blur_info", 0, MAX_BLUR, 0, ids.SCENE_BLUR)
        light = slider("light", "light_info", 0, 100, 50, ids.SCENE_LIGHT)
        shadow = slider("shadow", "shadow_info", 0, 100, 50, ids.SCENE_SHADOW)
    format = controls.format_choice(i18n, ids.SCENE_FORMAT)
    return {"x": x, "y": y, "scale": scale, "blur": blur, "light": light, "shadow": shadow, "format": format}


def _wire(
    do: Handlers,
    stage: Stage,
    photo: Any,
    background: Any,
    values: dict[str, Any],
    parts: list[Any],
    states: tuple[Any, Any],
) -> None:
    key, started = states
    done = stage.follow(
        [photo.input],
        photo,
        parts,
        key,
        started,
        do.cutout,
        inputs=[photo, background, started],
        inputs_kwargs=values,
        api_name=ids.API_SCENE,
    )
    again: dict[str, Any] = {"inputs": [key, background], "inputs_kwargs": values, "outputs": parts, **do.studio.light}
    done.success(do.settle, api_visibility="private", **again)
    moved = [each.input for name, each in values.items() if name != "format"]
    gr.on([*moved, background.change], do.recompose, api_name=ids.API_SCENE_AGAIN, trigger_mode="always_last", **again)
