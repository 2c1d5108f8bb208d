"""One photo's way through a tab: nothing chosen, in work, done or failed; the page shows one of them at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from matting_ui import ids
from matting_ui.context import WORK, Studio, words_of
from matting_ui.gradio_patches import sender
from matting_ui.i18n import LANGUAGES, texts

SAMPLES = ("person", "animal", "shoe", "garment")  # below static/samples; THIRD_PARTY.md has their licences
SAMPLES_PATH = "/page/samples"


@dataclass(frozen=True)
class Stage:
    """The states of a tab for one photo, which `static/machine.js` sets and the style sheet shows.

    Parameters
    ----------
    tab : its id.
    waiting : key of the text while nothing is chosen.
    """

    studio: Studio
    page: gr.Blocks
    tab: str
    waiting: str

    def key(self) -> gr.State:
        """The key of the tab's cutout, which is forgotten with the visitor's session.

        Gradio copies its configuration for everyone who opens the page: with a bound method in it, all that is kept.
        """
        store = self.studio.store

        def forget(key: str | None) -> None:
            store.drop(key)

        return gr.State(None, delete_callback=forget)

    def reset(self, key: str | None, photo: str | None, request: gr.Request) -> tuple[str, None, float]:
        """Forget the result before another photo, or after the photo was removed; say how many are before it."""
        self.studio.store.drop(key)
        words = words_of(request)
        place, seconds = self.page.line.place(WORK, sender(request))
        line = words["busy"].format(place=place, seconds=max(1, round(seconds))) if place else words["working"]
        return line if photo else words[self.waiting], None, time.monotonic()

    def follow(
        self,
        asked: list[Any],
        photo: Any,
        parts: list[Any],
        key: Any,
        started: Any,
        cutout: Callable[..., Any],
        **event: Any,
    ) -> Any:
        """Wire a photo to its result; returns the event that ends with it.

        Parameters
        ----------
        asked : what makes a new result wanted.
        parts : components of the result, the pictures first and the status last.
        key, started : states: the kept cutout's key, and when the photo was chosen.
        cutout : makes the values of parts, key and started.
        event : inputs and settings of its call.
        """
        status = parts[-1]
        private: dict[str, Any] = {"api_visibility": "private"}
        last: dict[str, Any] = {"trigger_mode": "always_last"}  # a photo or a choice that comes while one is in work
        failed: dict[str, Any] = {"js": f"() => matting.fail('{self.tab}')", **private}
        begun = _state(self.tab, "working", "photo ? matting.word('working') : line")  # before the server says so
        gr.on(asked, None, [photo, status], status, js=begun, **private)
        cleared = gr.on(asked, self.reset, [key, photo], [status, key, started], **self.studio.light, **private, **last)
        outputs = [*parts, key, started]
        done = cleared.then(cutout, outputs=outputs, show_progress="hidden", **event, **self.studio.work, **last)
        done.success(None, parts[0], None, js=_state(self.tab, "done"), **private)
        for each in (cleared, done):
            each.failure(None, None, status, **failed)
        return done


def waited_since(started: float | None) -> float:
    """Seconds since a photo was chosen; 0 where a program calls, which chose none on the page."""
    return time.monotonic() - started if started else 0.0


def _state(tab: str, name: str, line: str = "") -> str:
    """A script that shows a state, or that nothing is chosen where it gets no picture, or a pair of none."""
    state = f"[photo].flat().some(Boolean) ? '{name}' : 'empty'"
    return f"(photo, line) => {{ matting.state('{tab}', {state}); return {line}; }}"


def samples() -> Any:
    """Photos to try, for who has none at hand."""
    buttons = "".join(
        f'<button type="button" data-sample=".{SAMPLES_PATH}/{name}.webp" data-name="{name}.webp">'
        f'<img src=".{SAMPLES_PATH}/{name}.webp" alt="" width="88" height="88" loading="lazy"></button>'
        for name in SAMPLES
    )
    words = {code: {name: texts(code)[f"sample_{name}"] for name in ("line", *SAMPLES)} for code in LANGUAGES}
    script = """
      const words = props.words[window.mattingLanguage];
      element.querySelector(".samples-line").textContent = words.line;
      for (const button of element.querySelectorAll("button")) {
        const name = button.dataset.name.replace(".webp", "");
        button.setAttribute("aria-label", words[name]);
        button.title = words[name];
      }
    """
    return gr.HTML(
        html_template=f'<div class="samples"><span class="samples-line"></span>{buttons}</div>',
        js_on_load=script,
        apply_default_css=False,
        elem_classes="samples-slot",
        words=words,
    )


def notice(tab: str) -> Any:
    """Where a tab tells what went wrong."""
    return gr.HTML(
        html_template=(
            '<div class="notice" role="alert" hidden><div><strong class="notice-text"></strong>'
            '<span class="notice-detail"></span><code class="notice-code"></code></div>'
            '<button type="button" class="notice-retry"></button>'
            '<button type="button" class="notice-close">×</button></div>'
        ),
        js_on_load="",
        apply_default_css=False,
        elem_id=ids.NOTICE.format(tab=tab),
        elem_classes="notice-slot",
    )


def another_button(label: Any) -> Any:
    """Chooses another photo."""
    return gr.Button(label, elem_classes="another")
