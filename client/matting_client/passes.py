"""How the model is asked about a photo: once, upright, and once more up close, where a part of it was too small twice.

The questions are the same for every transport and for both twins of the client, so they are a generator's: it hands out
batches of squares and is given their alphas.
"""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from matting_client import processing
from matting_client.options import Options
from matting_client.timing import Stopwatch
from matting_client.types import Alpha, Image

CLOSE_LOOKS = 2  # a subject that goes on beyond the second one as well is left to the first look at all of the photo
LESS = 0.7  # of the subject as the photo lies: put upright it must not show less than that
Questions = Generator[Image, Alpha, Alpha]  # batches of both


class Passes:
    """The questions about one photo, one at a time, and the photo's alpha once all are answered.

    Parameters
    ----------
    rgb : (H, W, 3) photo.
    square, box : the photo in the model's square, from `processing.letterbox`.
    options : `passes`, `orientation` and `refine` count here.
    watch : takes the time of each pass ("infer", "second") and of the work between them ("refine").

    Attributes
    ----------
    squares : (N, S, S, 3) to ask the model next; None when `raw` is there.
    raw : (H, W) alpha, once `squares` is None.
    """

    def __init__(
        self,
        rgb: Image,
        square: Image,
        box: processing.Letterbox,
        options: Options,
        watch: Stopwatch,
    ) -> None:
        self._rgb = rgb
        self._square = square
        self._box = box
        self._options = options
        self._watch = watch
        self._asked = 0.0
        self._questions = self._ask()
        self.raw: Alpha | None = None
        self.squares: Image | None = next(self._questions)
        self._asked = time.perf_counter()

    def answer(self, alphas: Alpha) -> None:
        """Take the model's (N, S, S, 1) answer to `squares`, and find out what to ask next."""
        name = "second" if "infer" in self._watch.timings else "infer"
        start = time.perf_counter()
        self._watch.add(name, start - self._asked)
        try:
            self.squares = self._questions.send(alphas[..., 0])
        except StopIteration as end:
            self.squares = None
            self.raw = end.value
        self._asked = time.perf_counter()
        self._watch.add("refine", self._asked - start)

    def _ask(self) -> Questions:
        photo = processing.without_padding(self._square, self._box)
        gains = processing.to_white(photo)
        turned = 0
        if self._options.orientation == "auto":
            turned = processing.quarters_turned(photo)
        views = [turned, 0] if turned else [0]  # one that is told to lie is asked as it lies, too
        shown = processing.in_white_light(self._square, self._box, gains)
        answers = yield np.stack([processing.rotated(shown, -quarters) for quarters in views])
        first = processing.rotated(answers[0], turned)
        if turned and first.mean() < LESS * answers[1].mean():  # it was no photo of a side that is up
            turned = 0
            first = answers[1]
        first = processing.solidify(first, self._box)
        part = processing.locate(first, self._box) if self._options.passes > 1 else None
        for _ in range(CLOSE_LOOKS):
            if part is None:
                break
            close = np.ascontiguousarray(self._rgb[part.top : part.bottom, part.left : part.right])
            square, box = processing.letterbox(close, self._square.shape[0])
            shown = processing.in_white_light(square, box, gains)
            answer = yield processing.rotated(shown, -turned)[None]
            found = processing.solidify(processing.rotated(answer[0], turned), box)
            looked_at = part
            part = processing.widened(part, processing.without_padding(found, box), first, self._box)
            if part == looked_at:
                return self._joined(first, part, self._enlarged(close, square, found, box))
        return self._enlarged(self._rgb, self._square, first, self._box)

    def _joined(self, first: Alpha, part: processing.Box, second: Alpha) -> Alpha:
        """The photo's alpha from the first look and the (h, w) one of a part."""
        around = processing.alpha_beyond(first, self._box, part)
        if around is None:
            whole = np.zeros(self._rgb.shape[:2], np.uint8)
        else:
            whole = self._enlarged(self._rgb, self._square, around, self._box)
        whole[part.top : part.bottom, part.left : part.right] = second
        return whole

    def _enlarged(self, rgb: Image, square: Image, pha: Alpha, box: processing.Letterbox) -> Alpha:
        """The model's (S, S) alpha at the size of the part of the photo that it is of."""
        if self._options.refine:
            return processing.refine(rgb, square, pha, box)
        return processing.unletterbox(pha, box)
