"""Endless training samples by number: sample i depends on the seed and i alone, so a run resumes exactly.

Here, on the CPU's workers, only geometry happens (crop, scale, turn, flip); colours, composition and camera faults
are made in batches on the training device by `training.augment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from matting_client.processing import PAD_RGB
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import Dataset

from matting_training.data.hair import cut_gaps, draw_lines, draw_strands
from matting_training.data.placing import place_view, random_background
from matting_training.data.scenes import MAKERS, SCENES, Cast, texture, turned
from matting_training.types import Array

GAPS = 0.6  # of the subjects with extra hairs, how many also get gaps between locks
TEXTURES = 0.4  # of the pictures without a subject, how many are a pattern
LINES = 0.15  # of the random backgrounds, how many get lines


@dataclass(frozen=True)
class Source:
    """One set of cached pairs and how it is drawn."""

    name: str
    paths: tuple[Path, ...]
    weight: float  # share of the samples
    composite: float  # how often the subject goes onto a random background rather than staying in its photo
    strands: float = 0.0  # how often such a subject gets extra hairs, and gaps


@dataclass(frozen=True)
class Recipe:
    """What the samples show, as shares of all of them; what no scene takes are single subjects."""

    scenes: Mapping[str, float] = field(default_factory=dict)  # by name, of `training.scenes`
    things: tuple[str, ...] = ()  # beginnings of the names of sets that show things; the others show people
    negatives: float = 0.04  # without any subject
    turns: float = 0.0  # on a side or on their head
    zoom: float = 3.5  # most that a crop is magnified over the whole photo


class MattingStream(Dataset[dict[str, Tensor]]):
    """Samples `first` to `last` of the stream that `seed` defines.

    Each is a dict of uint8 tensors `fgr` (3, S, S), `pha` (1, S, S), `bgr` (3, S, S), a bool `composite` and the number
    `index`. For a photo in its own scene `fgr` is the photo itself. `sizes` take turns, a batch each.

    Raises
    ------
    ValueError
        A scene of the recipe needs a set of people or of things, and there is none, or it is unknown.
    """

    def __init__(
        self, sources: list[Source], backgrounds: list[Path], empty: list[Path], *, sizes: tuple[int, ...], batch: int,
        seed: int, first: int, last: int, recipe: Recipe,
    ) -> None:  # fmt: skip
        self.sources = sources
        self.backgrounds = backgrounds
        self.empty = empty
        self.sizes = sizes
        self.batch = batch
        self.seed = seed
        self.first = first
        self.last = last
        self.recipe = recipe
        self.things = [s for s in sources if recipe.things and s.name.startswith(recipe.things)]
        self.people = [s for s in sources if s not in self.things]
        for name in recipe.scenes:
            if name not in SCENES:
                raise ValueError(f"scenes: got {name!r}, expected some of {', '.join(SCENES)}")
        if recipe.scenes and not (self.things and self.people):
            raise ValueError(
                f"scenes: got {len(self.people)} sets of people and {len(self.things)} of things, expected some of "
                "both; name those of things with --things"
            )

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        index = self.first + position
        rng = np.random.default_rng((self.seed, index))
        size = self.sizes[index // self.batch % len(self.sizes)]
        kind = self._kind(rng)
        composite = True
        if kind == "negative":
            picture = self._background(rng, self.empty)
            bgr = texture(rng, picture, size) if rng.random() < TEXTURES else random_background(rng, picture, size)
            fgr = np.zeros((size, size, 4), np.uint8)
        elif kind == "single":
            fgr, bgr, composite = self._single(rng, size)
        else:
            fgr, bgr = MAKERS[kind](rng, self._cast(rng, size), size)
        if rng.random() < self.recipe.turns:
            fgr, bgr = turned(rng, fgr, bgr)
        return _sample(fgr, bgr, composite, index)

    def _kind(self, rng: Generator) -> str:
        draw = rng.random() - self.recipe.negatives
        if draw < 0:
            return "negative"
        for name, share in self.recipe.scenes.items():
            draw -= share
            if draw < 0:
                return name
        return "single"

    def _cast(self, rng: Generator, size: int) -> Cast:
        def people(count: int) -> list[Array]:
            main = _draw(rng, self.people)
            return [_subject(rng, main if rng.random() < 0.7 else _draw(rng, self.people)) for _ in range(count)]

        return Cast(
            subject=lambda: _subject(rng, _draw(rng, self.sources)),
            person=lambda: _subject(rng, _draw(rng, self.people)),
            people=people,
            thing=lambda: _subject(rng, _draw(rng, self.things)),
            background=lambda: random_background(rng, self._background(rng, self.backgrounds), size),
        )

    def _single(self, rng: Generator, size: int) -> tuple[Array, Array, bool]:
        """One subject, in its own photo or on another background."""
        source = _draw(rng, self.sources)
        photo, subject = np.load(_pick(rng, source.paths), mmap_mode="r")
        composite = bool(rng.random() < source.composite)
        view, scale = place_view(rng, photo[..., 3], size, composite, self.recipe.zoom)
        fgr = view.warp(np.ascontiguousarray(subject if composite else photo), (*PAD_RGB, 0), scale)
        bgr = np.zeros((size, size, 3), np.uint8)
        if composite:
            if rng.random() < source.strands:
                fgr = draw_strands(rng, fgr)
                fgr = cut_gaps(rng, fgr) if rng.random() < GAPS else fgr
            bgr = random_background(rng, self._background(rng, self.backgrounds), size)
            if rng.random() < LINES:
                draw_lines(rng, bgr)
            if rng.random() < 0.2:
                _letterbox_bars(rng, fgr, bgr)
        return fgr, bgr, composite

    @staticmethod
    def _background(rng: Generator, paths: list[Path]) -> Array:
        picture: Array = np.load(_pick(rng, paths), mmap_mode="r")
        return picture


def _pick(rng: Generator, paths: list[Path] | tuple[Path, ...]) -> Path:
    return paths[int(rng.integers(len(paths)))]


def _draw(rng: Generator, sources: list[Source]) -> Source:
    """One set, by the sets' shares."""
    weights = np.array([source.weight for source in sources])
    return sources[int(rng.choice(len(sources), p=weights / weights.sum()))]


def _subject(rng: Generator, source: Source) -> Array:
    """A cut-out (H, W, 4) in its own colours."""
    return np.ascontiguousarray(np.load(_pick(rng, source.paths), mmap_mode="r")[1])


def _letterbox_bars(rng: Generator, fgr: Array, bgr: Array) -> None:
    """Cover two opposite sides as the client's letterbox does for photos that are not square."""
    size = fgr.shape[0]
    bar = int(size * rng.uniform(0.02, 0.22))
    upright = rng.random() < 0.7
    for part in (slice(0, bar), slice(size - bar, size)):
        where = (slice(None), part) if upright else (part, slice(None))
        fgr[where] = (*PAD_RGB, 0)
        bgr[where] = PAD_RGB


def _sample(fgra: Array, bgr: Array, composite: bool, index: int) -> dict[str, Tensor]:
    chw = torch.from_numpy(np.ascontiguousarray(fgra.transpose(2, 0, 1)))
    return {
        "fgr": chw[:3],
        "pha": chw[3:],
        "bgr": torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1))),
        "composite": torch.tensor(composite),
        "index": torch.tensor(index),
    }
