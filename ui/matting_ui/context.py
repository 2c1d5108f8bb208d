"""What every tab of the page works with: the model, the kept cutouts, the private folder, the words."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from matting_client import Cutout, Limits, MattingError, Options, OutputError
from matting_client.budget import PHOTOS, room_for
from matting_client.files import Encoded
from matting_client.imaging.decode import measure, read_bytes
from matting_client.imaging.encode import encode, write
from matting_client.video.pipeline import Plan
from numpy.typing import NDArray

from matting_ui import ids
from matting_ui.editor import Editor
from matting_ui.errors import NoRoom
from matting_ui.filenames import portable
from matting_ui.i18n import failure, language_of, texts
from matting_ui.preview import Preview
from matting_ui.store import Kept, Store
from matting_ui.visitors import regular_file

Cut = Callable[[bytes, Options, str, str | None], Cutout]
Convert = Callable[[Plan, Path, Callable[[], None]], None]
Keep = Callable[[bytes, str, str], None]
KeepSample = Callable[[bytes, str, bytes | None], None]
PREVIEW_QUALITY = 90
log = logging.getLogger("page")
WORK, LIGHT = "cutout", "light"  # queues that share a limit: with and without an inference
AHEAD = "ahead"  # of what a visitor will ask for


@dataclass(frozen=True, kw_only=True)
class Host:
    """What the server does for its page.

    Parameters
    ----------
    cut : makes a cutout of a file's bytes, with options, the file's name, and a model (None: the server's own); may be
        called from several threads.
    convert : makes a file of a clip and calls back after every frame.
    keep_output : told of every result: its bytes, its photo's stem and the ending of its name.
    status : asks the server how it does: "server" with its version, "batches" with its figures and "run" with its
        engine, device, queue and contract, all None when the model runs in this process; raises EngineError.
    model : name to show.
    workers : photos worked on at once; as many more in batches.
    limits : largest accepted picture.
    clip_bytes : of the largest accepted clip.
    keep_sample : keeps a photo that went wrong for the server's owner: its bytes, its name, and the right alpha as a
        PNG where there is one; raises NoRoom. None where the server keeps none.
    """

    cut: Cut
    convert: Convert
    keep_output: Keep
    status: Callable[[], dict[str, Any]]
    model: str
    workers: int
    limits: Limits
    clip_bytes: int
    keep_sample: KeepSample | None = None

    @property
    def most_bytes(self) -> dict[str, int]:
        """Of the largest files, by what they are."""
        return {"photo": self.limits.max_bytes, "clip": self.clip_bytes}

    @property
    def largest_upload(self) -> int:
        """Bytes of any file."""
        return max(self.most_bytes.values())


@dataclass(frozen=True, kw_only=True)
class Studio(Host):
    """Shared by the handlers of all tabs.

    Parameters
    ----------
    store : keeps cutouts between events.
    folder : private folder of uploads and results, Gradio's own.
    editor : corrects kept cutouts.
    in_browser : the ONNX file that browsers get to cut photos out themselves; None where there is none.
    """

    store: Store
    folder: Path
    editor: Editor
    in_browser: Path | None = None

    @property
    def work(self) -> dict[str, Any]:
        """Settings of an event that asks the model or writes a large file."""
        return {"concurrency_limit": self.workers, "concurrency_id": WORK}

    @property
    def light(self) -> dict[str, Any]:
        """Settings of an event that answers at once."""
        return {"concurrency_limit": 2 * self.workers, "concurrency_id": LIGHT, "show_progress": "hidden"}

    @property
    def behind(self) -> dict[str, Any]:
        """Settings of an event that works ahead of a visitor, on one core at most."""
        return {"concurrency_limit": 1, "concurrency_id": AHEAD, "show_progress": "hidden"}

    def keep(self, photo: str, fine: bool = False, waited: float = 0.0, *, by_hand: bool = True) -> tuple[str, Kept]:
        """Cut an uploaded photo out with no options, and keep it; returns its key.

        Parameters
        ----------
        photo : path of the upload.
        fine : ask the model that sees finer hair.
        waited : seconds that the visitor has waited for a turn.
        by_hand : with the visitor's own correction of the same photo, if another tab has one.

        Raises
        ------
        MattingError
        """
        path = self.uploaded(photo)
        model = ids.FINE_MODEL if fine else None
        with self.opened(path, path.name) as data:
            full = self.cut(data, Options(), path.name, model)
            full = replace(full, seconds=full.seconds.plus(queue=waited))
            kept = Kept(full, Preview(full), path.stem, model or self.model, self._source(path, data))
        earlier = self._corrected(kept) if by_hand else None
        kept = kept.corrected(earlier.full.raw) if earlier else kept
        return self.store.put(kept), kept

    def _source(self, path: Path, data: bytes) -> str:
        """Which photo of which visitor a file is: uploads lie in a folder for each visitor."""
        return f"{path.relative_to(self.folder).parts[1]} {sha256(data).hexdigest()}"

    def _corrected(self, kept: Kept) -> Kept | None:
        """The same photo as its visitor has corrected it in another tab."""
        same = [(key, each) for key, each in self.store.of(kept.source) if self.editor.is_corrected(key)]
        return next((each for _, each in reversed(same) if each.full.raw.shape == kept.full.raw.shape), None)

    @contextmanager
    def opened(self, path: Path, name: str) -> Iterator[bytes]:
        """The bytes of an uploaded photo, with room to work on it.

        Raises
        ------
        InputError
            It cannot be used, as far as its header tells.
        """
        data = self.read(path, name)
        with room_for(data, name, self.limits):
            yield data

    def read(self, path: Path, name: str) -> bytes:
        """The bytes of an uploaded picture. Raises TooLarge where they are those of a clip."""
        return read_bytes(path, self.limits, name)

    def finished(self, cutout: Cutout) -> Encoded:
        """The file of a kept cutout, made when there is room for it.

        Raises
        ------
        MattingError
        """
        with PHOTOS.hold(cutout.raw.size):
            return cutout.encode()

    def kept(self, key: str | None, request: gr.Request) -> Kept | None:
        """The photo of a key; tells the visitor when it is gone."""
        found = self.store.get(key)
        if found is None and key is not None:
            gr.Warning(words_of(request)["expired"])
        return found

    def uploaded(self, place: str) -> Path:
        """The path of an uploaded file.

        Raises
        ------
        UploadGone
            It lies elsewhere, or was removed after its hour.
        """
        return regular_file(place, self.folder)

    def background(self, place: str) -> Path:
        """The path of an uploaded picture to put behind a subject.

        Raises
        ------
        InputError, TooLarge
            As of `uploaded`, or it is too large.
        """
        path = self.uploaded(place)
        measure(self.read(path, path.name), path.name, self.limits)
        return path

    def save_preview(self, picture: NDArray[np.uint8]) -> str:
        """Write a picture that is only looked at, (H, W), RGB or RGBA; returns its path."""
        is_grey = picture.ndim == 2
        has_alpha = not is_grey and picture.shape[2] == 4
        format = "jpeg"
        if is_grey:
            format = "png"
        elif has_alpha:
            format = "webp"
        return self._write(encode(picture, format, PREVIEW_QUALITY), "preview", f".{format}")

    def save(self, data: bytes, stem: str, ending: str) -> str:
        """Write a result where nobody can guess it, named as `portable` does; returns its path.

        Raises
        ------
        NoRoom
        """
        path = self._write(data, stem, ending)
        self.keep_output(data, stem, ending)
        return path

    def draft(self, data: bytes, stem: str, ending: str) -> str:
        """Write what may become a result, as `save` does; `hand_over` makes it one.

        Raises
        ------
        NoRoom
        """
        return self._write(data, stem, ending)

    def hand_over(self, path: str, stem: str, ending: str) -> str:
        """Tell of a draft that somebody has asked for; returns its path."""
        self.keep_output(Path(path).read_bytes(), stem, ending)
        return path

    def save_archive(self, data: bytes, stem: str) -> str:
        """Write a ZIP of results that were saved before, as `save` does.

        Raises
        ------
        NoRoom
        """
        return self._write(data, stem, ".zip")

    def _write(self, data: bytes, stem: str, ending: str) -> str:
        path = self.folder / secrets.token_hex(16) / portable(stem, ending)
        if not self.folder.is_dir():  # made anew, others could read it
            log.error("%s: is gone, so that no result can be written; start the server again", self.folder)
            raise NoRoom("result", problem="cannot be kept", remedy="see the log")
        try:
            write(path, data)
        except OutputError as error:
            log.error("%s", error)
            raise NoRoom("result", problem="cannot be kept", remedy="see the log") from None
        return str(path)


def size_text(count: int) -> str:
    """A file's size, to be read."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def words_of(request: gr.Request | None) -> dict[str, str]:
    """The words in the visitor's language."""
    return texts(code_of(request))


def code_of(request: gr.Request | None) -> str:
    """The visitor's language."""
    return language_of(request)


def page_error(error: MattingError, request: gr.Request | None, of: str = "photo") -> gr.Error:
    """An error for the page, which shows it in the tab, and for programs; its title is its code; `of` as `failure`."""
    return gr.Error(failure(error, code_of(request), of), title=error.code, visible=False, print_exception=False)


@contextmanager
def page_errors(request: gr.Request | None, of: str = "photo") -> Iterator[None]:
    """Turn what goes wrong within into an error for the page; arguments as of `page_error`.

    Raises
    ------
    gr.Error
    """
    try:
        yield
    except MattingError as error:
        raise page_error(error, request, of) from None
