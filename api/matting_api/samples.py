"""The sample box: photos that went wrong, kept with their corrections for the owner of the server to learn from."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from matting_client import Limits, OptionError, shared_folders
from matting_client.budget import room_for
from matting_client.imaging.decode import decode

from matting_api.errors import ApiError, bad_request, storage_error

MOST_SAMPLES = 10_000
MOST_BYTES = 20 * 2**30
NOTE = "sample.json"


class BoxUnusable(ApiError):
    """The folder of the box cannot be written to; its cause is the OSError."""


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """A photo that went wrong; pictures are the bytes of files.

    Attributes
    ----------
    name : of the photo, as its owner knows it.
    tag : a word of the owner's.
    result : what came of the photo.
    correction : what should have come: the right alpha in grey, or the right cutout, of the upright photo's size.
    """

    photo: bytes
    name: str
    tag: str = ""
    result: bytes | None = None
    correction: bytes | None = None


class SampleBox:
    """A folder with a folder for each sample: `photo`, `result` and `correction` as they came, and `sample.json`.

    `matting train --finetune` learns from those with a correction.

    Parameters
    ----------
    folder : made when the first sample comes.
    limits : largest photo.

    Raises
    ------
    OptionError
        The folder cannot be made or written to.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        _check(folder)

    def keep(self, sample: Sample) -> str:
        """Keep a sample; returns its id. Blocks.

        Raises
        ------
        InputError
            A picture is none.
        ApiError
            400: the correction has another size than the photo. 507: the box is full.
        BoxUnusable
            The disk is full, or the folder cannot be written to any more.
        """
        name = sample.name[:200]
        beside = {"result": sample.result, "correction": sample.correction}
        given = tuple((data, what) for what, data in beside.items() if data is not None)
        with room_for(sample.photo, name, self._limits, beside=given):
            height, width = self._checked(sample, name)
        files = {"photo": sample.photo, "result": sample.result, "correction": sample.correction}
        kept = {name: data for name, data in files.items() if data is not None}
        note = {"name": name, "tag": sample.tag[:200], "time": int(time.time()), "width": width, "height": height}
        identity = uuid.uuid4().hex
        new = self._folder / f".{identity}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_room(sum(map(len, kept.values())))
            new.mkdir(mode=0o700)
            for file, data in kept.items():
                (new / file).write_bytes(data)
            (new / NOTE).write_text(json.dumps(note), encoding="ascii")  # of any text, half a surrogate pair too
            new.rename(self._folder / identity)  # when it is whole, so that there is never half a sample
        except BaseException as error:
            shutil.rmtree(new, ignore_errors=True)
            if isinstance(error, OSError):
                raise storage_error(BoxUnusable, error, "the box of samples") from error
            raise
        return identity

    def _checked(self, sample: Sample, name: str) -> tuple[int, int]:
        """(height, width) of a sample's photo, when all of its pictures can be used."""
        height, width = decode(sample.photo, name, self._limits).shape[:2]
        if sample.result is not None:
            decode(sample.result, "result", self._limits)
        if sample.correction is not None:
            self._check_correction(sample.correction, height, width)
        return height, width

    def _check_correction(self, correction: bytes, height: int, width: int) -> None:
        high, wide = decode(correction, "correction", self._limits).shape[:2]
        if (high, wide) != (height, width):
            detail = f"correction: got {wide}x{high} pixels, expected the photo's {width}x{height}"
            raise bad_request("invalid_image", "Image cannot be used", f"{detail}; correct it at the photo's own size")

    def _check_room(self, size: int) -> None:
        files = list(shared_folders.find_below(self._folder, "*/*"))
        samples = sum(file.name == "photo" for file in files)
        held = sum(map(shared_folders.size, files))
        if samples >= MOST_SAMPLES or held + size > MOST_BYTES:
            detail = f"got the {samples + 1}th sample, and the box of samples is full; empty it"
            raise ApiError(507, "insufficient_storage", "Insufficient storage", detail)


def unusable_folder(folder: Path, reason: str) -> OptionError:
    """The error of a folder that no box can be, for `reason`."""
    return OptionError("--samples", f"{folder} ({reason})", "a folder that can be written to", "name another")


def _check(folder: Path) -> None:
    """Raise an OptionError where a folder can hold nothing; one that is not there yet is made later."""
    nearest = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise unusable_folder(folder, "no folder" if nearest == folder else f"{nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise unusable_folder(folder, f"{nearest} cannot be written to by user {os.getuid()}")
