"""The sample box: photos that went wrong, kept with their corrections for the owner of the server to learn from."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from pathlib import Path

from matting_client import Limits
from matting_client.imaging.decode import decode

from matting_api.errors import ApiError, of_storage

MOST_SAMPLES = 10_000
MOST_BYTES = 20 * 2**30
NOTE, CORRECTION = "sample.json", "correction.png"


class SampleBox:
    """A folder with a folder for each sample: the photo as it came, `sample.json` about it, perhaps `correction.png`.

    Parameters
    ----------
    folder : made when the first sample comes.
    limits : largest photo.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits

    def keep(self, photo: bytes, name: str, tag: str, correction: bytes | None = None) -> str:
        """Keep a photo; returns its id. Blocks.

        Parameters
        ----------
        correction : the right alpha of the photo, as a grey PNG of its size.

        Raises
        ------
        InputError
            The bytes are no photo.
        ApiError
            507: the box is full, or the disk is.
        """
        height, width = decode(photo, name[:200], self._limits).shape[:2]
        sample = uuid.uuid4().hex
        new = self._folder / f".{sample}"
        note = {"name": name[:200], "tag": tag[:200], "time": int(time.time()), "width": width, "height": height}
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_room(len(photo) + len(correction or b""))
            new.mkdir(mode=0o700)
            (new / "photo").write_bytes(photo)
            if correction is not None:
                (new / CORRECTION).write_bytes(correction)
            (new / NOTE).write_text(json.dumps(note, ensure_ascii=False), encoding="utf-8")
            new.rename(self._folder / sample)  # when it is whole, so that there is never half a sample
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            raise of_storage(error) from None
        return sample

    def _check_room(self, size: int) -> None:
        photos = list(self._folder.glob("*/photo"))
        taken = sum(path.stat().st_size for path in self._folder.glob("*/*"))
        if len(photos) >= MOST_SAMPLES or taken + size > MOST_BYTES:
            detail = f"got the {len(photos) + 1}th sample, and the box of samples is full; empty it"
            raise ApiError(507, "insufficient_storage", "Insufficient storage", detail)
