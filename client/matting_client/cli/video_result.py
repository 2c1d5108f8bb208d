"""Where the frames of a clip go: a file, numbered pictures, or standard output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from matting_client.cli.inputs import STANDARD
from matting_client.cli.overwriting import check_target, file_identity
from matting_client.errors import OptionError
from matting_client.video import job
from matting_client.video.animation import ANIMATED
from matting_client.video.writer import CODECS, check_encoder

NUMBER = re.compile(r"%0?\d*d")
PATTERN = re.compile(r"[^%]*%0?\d*d[^%]*\.png", re.IGNORECASE)


def check_output(out: str, *, transparent: bool) -> str:
    """The kind of result: a container's suffix, "%" for numbered pictures, or "-".

    Raises
    ------
    OptionError
        None of them, or one that cannot be transparent.
    """
    suffix = Path(out).suffix.lower()
    if out == STANDARD:
        return STANDARD
    if PATTERN.fullmatch(out):
        return "%"
    if NUMBER.search(Path(out).name) and suffix in (*CODECS, *ANIMATED):
        raise OptionError(f"-o {out}", f"numbered pictures as {suffix}", "%05d.png")
    if suffix not in (*CODECS, *ANIMATED):
        raise OptionError(f"-o {out}", suffix or "no suffix", ".webm, .mov, .mp4, .gif, .webp, %05d.png, -")
    if suffix in CODECS:
        check_encoder(suffix)
        if transparent and CODECS[suffix].transparent is None:
            raise OptionError(
                f"-o {out}", problem=f"{suffix} cannot be transparent", remedy="add --background, or use .webm or .mov"
            )
    return suffix


@dataclass(frozen=True)
class Result:
    """Where the frames go: a file, a pattern of names, or standard output."""

    kind: str
    out: str

    def check(self, sources: list[str]) -> None:
        """Refuse to replace a file, or one of a folder of pictures, that is read.

        Raises
        ------
        OptionError
        """
        if self.kind == STANDARD:
            return
        if self.kind != "%":
            if Path(self.out).is_dir():
                raise OptionError(f"-o {self.out}", "a folder", "a file's name")
            check_target("-o", self.out, sources)
            return
        pattern = Path(self.out)
        name = re.compile(re.sub(r"%0?\d*d", r"\\d+", re.escape(pattern.name)), re.IGNORECASE)
        for source in sources:
            path = Path(source)
            folder = path if path.is_dir() else path.parent
            if file_identity(folder) == file_identity(pattern.parent) and (path.is_dir() or name.fullmatch(path.name)):
                raise OptionError(
                    f"-o {self.out}", problem=f"would replace pictures of {source}", remedy="choose another folder"
                )

    @property
    def path(self) -> Path:
        """The file; of a pattern, what its job is called after."""
        return job.named_after(self.out) if self.kind == "%" else Path(self.out)
