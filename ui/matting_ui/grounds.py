"""What the tab for backgrounds asks for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from matting_client import Limits
from matting_client.imaging.decode import read
from matting_client.processing.backdrops import BACKDROPS
from matting_client.processing.scene import Scene, limited
from matting_client.types import Picture

from matting_ui import ids
from matting_ui.preview import SIDE

GROUNDS = (ids.FROM_PICTURE, *BACKDROPS)  # what can stand behind the subject
BLURRED = 12  # of the photo's own background, where it is chosen


def scene_of(values: Mapping[str, Any]) -> Scene:
    """The scene of the controls' values by name, most of them in per cent; further ones are of no concern here.

    Raises
    ------
    OptionError
        A value that the page does not offer.
    """
    return Scene(
        values["x"] / 100,
        values["y"] / 100,
        values["scale"] / 100,
        float(values["blur"]),
        values["light"] / 100,
        values["shadow"] / 100,
    )


def has_background(ground: str, background: str | None) -> bool:
    """Whether there is something to put behind the subject: any kind but an own picture that was not chosen yet."""
    return ground != ids.FROM_PICTURE or background is not None


@lru_cache(maxsize=16)
def reduced(path: Path, limits: Limits) -> tuple[Picture, tuple[int, ...]]:
    """A background of the visitor's for the preview, and its shape in full."""
    whole = read(path, limits)
    return limited(whole, SIDE), whole.shape
