"""Names of files that every system can hold: Linux, macOS, and Windows with what it reserves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from matting_client.system import cut

MOST_BYTES = 120  # of a name in UTF-8; Windows takes 260 characters for a whole path
LONGEST = 255  # bytes of a name that file systems take
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]')
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)


def portable(stem: str, ending: str) -> str:
    """A name that every system takes, as like the given one as can be.

    Characters that Windows forbids, control characters and those that turn the direction of writing become "_". A name
    that Windows keeps for a device gets a "_" in front, and dots and spaces at the ends go.

    Parameters
    ----------
    stem : of a visitor's file; cut so that the whole takes at most `MOST_BYTES`.
    ending : of ours, kept whole: "-cutout.png".
    """
    text = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", stem)).strip(" .") or "photo"
    if _RESERVED.fullmatch(text.partition(".")[0].strip()):
        text = f"_{text}"
    return cut(text, MOST_BYTES - len(ending.encode())).rstrip(" .") + ending


def unique_names(names: Iterable[str]) -> list[str]:
    """Names with a number where a system that ignores case would take them for the same."""
    out: list[str] = []
    taken: set[str] = set()
    counts: dict[str, int] = {}  # by name: thousands of the same must not be counted through anew each time
    for name in names:
        path = PurePosixPath(name)
        chosen = name
        while _folded(chosen) in taken:
            counts[name] = counts.get(name, 1) + 1
            chosen = f"{path.stem}-{counts[name]}{path.suffix}"
        taken.add(_folded(chosen))
        out.append(chosen)
    return out


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
