"""Cut people and products out of photos, through a Triton server or in this process.

>>> import matting_client
>>> with matting_client.connect() as client:  # doctest: +SKIP
...     client.cutout("photo.jpg").save("cutout.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matting_client.client import AsyncMattingClient, MattingClient
    from matting_client.connection import connect, connect_async, open_engine
    from matting_client.correction import Pick, Stroke
    from matting_client.cutout import Cutout
    from matting_client.errors import (
        EngineError,
        InputError,
        MattingError,
        ModelError,
        NoFace,
        OptionError,
        OutputError,
        ServerBusy,
        ServerUnavailable,
        SeveralFaces,
        TooLarge,
    )
    from matting_client.imaging.decode import Limits
    from matting_client.options import Options, Preset, presets
    from matting_client.shop import Template, templates

__version__ = "0.1.0"

__all__ = [
    "AsyncMattingClient",
    "Cutout",
    "EngineError",
    "InputError",
    "Limits",
    "MattingClient",
    "MattingError",
    "ModelError",
    "NoFace",
    "OptionError",
    "Options",
    "OutputError",
    "Pick",
    "Preset",
    "ServerBusy",
    "ServerUnavailable",
    "SeveralFaces",
    "Stroke",
    "Template",
    "TooLarge",
    "connect",
    "connect_async",
    "open_engine",
    "presets",
    "templates",
]

_HOME = {
    "AsyncMattingClient": "client",
    "Cutout": "cutout",
    "EngineError": "errors",
    "InputError": "errors",
    "Limits": "imaging.decode",
    "MattingClient": "client",
    "MattingError": "errors",
    "ModelError": "errors",
    "NoFace": "errors",
    "OptionError": "errors",
    "Options": "options",
    "OutputError": "errors",
    "Pick": "correction",
    "Preset": "options",
    "ServerBusy": "errors",
    "ServerUnavailable": "errors",
    "SeveralFaces": "errors",
    "Stroke": "correction",
    "Template": "shop",
    "TooLarge": "errors",
    "connect": "connection",
    "connect_async": "connection",
    "open_engine": "connection",
    "presets": "options",
    "templates": "shop",
}


def __getattr__(name: str) -> Any:
    # Loaded when first used: training needs `matting_client.processing` and no more.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
