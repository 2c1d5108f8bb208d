"""The subject before another background: where it stands, the light on it, its shadow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from matting_client import Cutout, InputError, OptionError, Options
from matting_client.imaging.decode import read
from matting_client.imaging.encode import SUFFIX_OF_FORMAT, encode
from matting_client.processing import blur_around, compose_picture, fitted_backdrop
from matting_client.processing.backdrops import BLUR, DRAWN
from matting_client.processing.crop import subject_box
from matting_client.processing.edge import pixels
from matting_client.processing.scene import (
    MAX_BLUR,
    MAX_SIDE,
    Scene,
    compose_scene,
    has_ground,
    limited,
    limited_size,
    scene_notes,
)
from matting_client.types import Picture

from matting_ui import controls, download, ids, notes
from matting_ui.context import Studio, page_errors, words_of
from matting_ui.grounds import BLURRED, GROUNDS, has_background, reduced, scene_of
from matting_ui.photo import photo_input
from matting_ui.preview import SIDE
from matting_ui.stage import Stage, another_button, samples, waited_since
from matting_ui.store import Kept
from matting_ui.theme import STATIC

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
        with page_errors(request):
            key, kept = self.studio.keep(photo, waited=waited_since(started))
            try:
                return *self._show(kept, background, request, values), key, None
            except InputError:  # of the background: `settle` says so, beside a result that can be changed
                if started is None:  # a program, which is told at once
                    raise
                return *self._show(kept, None, request, values), key, None

    def recompose(self, key: str | None, background: str | None, request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """Make the picture anew from the kept alpha."""
        kept = self.studio.kept(key, request)
        if kept is None:
            return gr.skip(), gr.skip()
        with page_errors(request):
            return self._show(kept, background, request, values)

    def settle(self, key: str | None, background: str | None, request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """Follow a control that was moved, or a background that was chosen, while the photo was cut out."""
        kept = self.studio.store.get(key)
        if kept is None or not has_background(values["ground"], background) or kept.small.shown == (background, values):
            return gr.skip(), gr.skip()
        return self.recompose(key, background, request, **values)

    def file(self, key: str | None, background: str | None, request: gr.Request, **values: Any) -> str | None:
        """Write the picture in the background's full size."""
        kept = self.studio.kept(key, request)
        if kept is None or not has_background(values["ground"], background):
            return None
        with page_errors(request):
            options = Options(format=values["format"], quality=QUALITY)
            scene = scene_of(values)
            picture = self._compose(kept.full, kept.full.rgb, background, values["ground"], scene, MAX_SIDE)
            data = encode(picture, options.format, options.quality)
            return self.studio.save(data, kept.stem, f"-scene{SUFFIX_OF_FORMAT[options.format]}")

    def _show(self, kept: Kept, background: str | None, request: gr.Request, values: dict[str, Any]) -> tuple[Any, ...]:
        small: Cutout = kept.small.with_options(Options())
        if not has_background(values["ground"], background):
            words = words_of(request)
            line = words["nothing_found" if kept.full.is_empty else "scene_choose"]
            return self.studio.save_preview(kept.small.views(Options())[0]), line
        scene = scene_of(values)
        picture = self._compose(small, kept.small.rgb, background, values["ground"], scene, SIDE)
        kept.small.shown = (background, values)
        size = self._size(kept, background, values["ground"])
        return self.studio.save_preview(picture), self._status(kept, small.alpha, size, scene, values, request)

    def _compose(
        self, cutout: Cutout, photo: Picture, background: str | None, ground: str, scene: Scene, side: int
    ) -> Picture:
        """The subject before its background, whose longer side is at most `side` px.

        A small cutout's own `rgb` has no background any more, hence the photo.
        """
        fgr, pha = cutout.layers()
        if ground == BLUR:  # the subject stays where it is
            blurred = blur_around(photo, cutout.raw, pixels(scene.blur, pha.shape), cutout.cover)
            return compose_picture(fgr, pha, blurred)
        if ground in DRAWN:
            return compose_scene(fgr, pha, fitted_backdrop(ground, limited_size(pha.shape, side)), scene)
        if ground != ids.FROM_PICTURE or background is None:
            raise OptionError("ground", f"{ground!r:.60}", ", ".join(GROUNDS))
        path = self.studio.background(background)
        limits = self.studio.limits
        behind = reduced(path, limits)[0] if side == SIDE else limited(read(path, limits), side)
        return compose_scene(fgr, pha, behind, scene)

    def _size(self, kept: Kept, background: str | None, ground: str) -> tuple[int, int]:
        """Height and width of the file."""
        shape = kept.full.raw.shape
        if ground == ids.FROM_PICTURE and background is not None:
            shape = reduced(self.studio.background(background), self.studio.limits)[1]
        return (shape[0], shape[1]) if ground == BLUR else limited_size(shape)

    def _status(
        self,
        kept: Kept,
        pha: Picture,
        size: tuple[int, int],
        scene: Scene,
        values: dict[str, Any],
        request: gr.Request,
    ) -> str:
        words = words_of(request)
        infer = round(1000 * kept.full.seconds.get("infer", 0.0))
        line = words["scene_status"].format(width=size[1], height=size[0], model=self.studio.model, infer=infer)
        box = subject_box(pha)
        if kept.full.is_empty or box is None:
            return f"{words['nothing_found']} · {line}"
        if values["ground"] == BLUR:
            return line
        grounded = scene.shadow == 0 or has_ground(pha, box)
        line = line if grounded else f"{line} · {words['note_no_ground']}"
        told = notes.note_lines(scene_notes(pha, size, scene), words)
        return "\n\n".join([line, *told, words["scene_drag"]])


def build(studio: Studio, page: gr.Blocks, i18n: gr.I18n) -> None:
    """Lay the tab out and wire it."""
    do = Handlers(studio)
    stage = Stage(studio, page, ids.TAB_SCENE, "scene_waiting")
    key = stage.key()
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
                button = _download(i18n)
                another_button(i18n("another"))
            ground = _grounds(i18n)
            background = photo_input(
                i18n("scene_background"), ids.SCENE_BACKGROUND, ("upload",), height=170, min_width=150
            )
            folds, values = _settings(i18n)
            values["ground"] = ground
    _wire(do, stage, photo, background, values, [result, status], (key, started))
    _wire_ground(do, key, background, [button, *folds], values, [result, status])
    _wire_hands(do, [key, background], values, [result, status])
    inputs: dict[str, Any] = {"inputs": [key, background], "inputs_kwargs": values, **studio.work}
    download.on_click(button, do.file, {"api_name": ids.API_SCENE_FILE}, **inputs)


def _grounds(i18n: gr.I18n) -> Any:
    choices = [(i18n(f"ground_{name}"), name) for name in GROUNDS]
    return gr.Radio(choices, value=ids.FROM_PICTURE, label=i18n("ground"), elem_id=ids.SCENE_GROUND)


def _download(i18n: gr.I18n) -> Any:
    """Waits until there is a background."""
    look: dict[str, Any] = {"variant": "primary", "interactive": False, "scale": 2, "min_width": 120}
    return gr.Button(i18n("download"), elem_id=ids.SCENE_DOWNLOAD, **look)


def _settings(i18n: gr.I18n) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """The folds that place the subject and shape the background, hidden while there is none, and their values."""

    def slider(name: str, info: str, low: float, high: float, value: float, elem_id: str) -> Any:
        return gr.Slider(low, high, value, step=1, label=i18n(name), info=i18n(info), elem_id=elem_id)

    with gr.Accordion(i18n("place"), open=True, visible=False, elem_id=ids.SCENE_PLACE) as place:
        x = slider("place_x", "place_info", 0, 100, 50, ids.SCENE_X)
        y = slider("place_y", "place_info", 0, 150, 100, ids.SCENE_Y)
        scale = slider("place_scale", "scale_info", 5, 200, 85, ids.SCENE_SCALE)
    with gr.Accordion(i18n("light_shadow"), open=True, visible=False) as look:
        blur = slider("blur", "blur_info", 0, MAX_BLUR, 0, ids.SCENE_BLUR)
        light = slider("light", "light_info", 0, 100, 50, ids.SCENE_LIGHT)
        shadow = slider("shadow", "shadow_info", 0, 100, 50, ids.SCENE_SHADOW)
    format = controls.format_choice(i18n, ids.SCENE_FORMAT)
    values = {"x": x, "y": y, "scale": scale, "blur": blur, "light": light, "shadow": shadow, "format": format}
    return (place, look), values


def _wire_ground(
    do: Handlers, key: Any, background: Any, waiting: list[Any], values: dict[str, Any], results: list[Any]
) -> None:
    """Show what counts for a background, once there is one; its blur begins where there is something to see.

    Parameters
    ----------
    waiting : Download, and the folds of place and look.
    results : picture and status, which follow a change of the kind once its blur is set.
    """

    def show(ground: str, chosen: str | None) -> tuple[Any, ...]:
        ready = has_background(ground, chosen)
        stays = ground == BLUR
        folds = gr.update(visible=ready and not stays), gr.update(visible=ready)
        moved = gr.update(visible=not stays)
        return gr.update(visible=ground == ids.FROM_PICTURE), gr.update(interactive=ready), *folds, moved, moved

    ground: Any = values["ground"]
    private: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "always_last", **do.studio.light}
    parts = [background, *waiting, values["light"], values["shadow"]]
    gr.on([ground.input, background.change], show, [ground, background], parts, **private)
    blurred = ground.input(lambda kind: BLURRED if kind == BLUR else 0, ground, values["blur"], **private)
    blurred.then(do.recompose, [key, background], results, inputs_kwargs=values, **private)


def _wire_hands(do: Handlers, inputs: list[Any], values: dict[str, Any], parts: list[Any]) -> None:
    """Move and scale the subject in the picture itself."""
    names = ("x", "y", "scale")
    hands = gr.HTML(
        html_template="",
        js_on_load=(STATIC / "scene_hands.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=ids.SCENE_HANDS,
        result=ids.SCENE_RESULT,
        sliders={name: getattr(ids, f"SCENE_{name.upper()}") for name in names},
    )
    sliders = [values[name] for name in names]
    private: dict[str, Any] = {"api_visibility": "private"}
    moved = hands.select(None, None, sliders, js="() => mattingPlace", trigger_mode="multiple", **private)
    again: dict[str, Any] = {"inputs_kwargs": values, "trigger_mode": "always_last", **private, **do.studio.light}
    moved.then(do.recompose, inputs, parts, **again)


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
    moved = [each.input for name, each in values.items() if name not in ("format", "ground")]
    gr.on([*moved, background.change], do.recompose, api_name=ids.API_SCENE_AGAIN, trigger_mode="always_last", **again)
