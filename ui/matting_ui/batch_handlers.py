"""What happens to a batch of photos: added, cut out, corrected, shown as cards, put into an archive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import gradio as gr
from matting_client import Cutout, InputError, MattingError, Options
from matting_client.budget import PHOTOS
from matting_client.imaging.encode import SUFFIX_OF_FORMAT
from matting_client.manifest import DONE
from matting_client.system import cut

from matting_ui import batch_reasons, controls, correct
from matting_ui.batch_state import MOST, RUNNING, Batch, Item, Sent, count_states
from matting_ui.context import Studio, code_of, page_errors, words_of
from matting_ui.editor import pack_alpha, unpack_alpha
from matting_ui.errors import UploadGone
from matting_ui.filenames import LONGEST
from matting_ui.gradio_patches import values_of
from matting_ui.preview import Preview

THUMBNAIL_SIDE = 320
MOST_TOLD = 5  # failed photos that an error names
REFRESH_SECONDS = 0.5  # at most between two looks at what is in work
Looks = tuple[Any, Any, Any]  # cards, number of photos, line


@dataclass(frozen=True)
class Handlers:
    """What happens on the tab; every keyword is the value of a control.

    Parameters
    ----------
    pool : works on photos.
    batches : those that somebody has, by name.
    """

    studio: Studio
    pool: ThreadPoolExecutor
    batches: WeakValueDictionary[str, Batch] = field(default_factory=WeakValueDictionary)

    def add(self, batch: Batch | None, request: gr.Request, event: gr.EventData) -> Batch:
        """Take uploaded files into the batch."""
        batch = batch or Batch()
        self.batches[batch.name] = batch
        words = words_of(request)
        new: list[Sent] = []
        for each in values_of(event)["files"]:
            reason = batch_reasons.page_text("batch_upload_failed", reason=str(each.get("reason", ""))[:200])
            name = cut(Path(str(each["name"])).name, LONGEST)
            token = str(each.get("token", ""))[:40]
            sent = Sent(name, each.get("path"), reason, token)
            if "number" in each:
                batch.replace(int(each["number"]), sent)
            else:
                new.append(sent)
        refused = len(batch.add(new)) + int(values_of(event).get("refused", 0))
        if refused:
            gr.Warning(words["batch_full"].format(most=MOST, refused=refused), duration=10)
        return batch

    def come_back(self, batch: Batch | None, event: gr.EventData) -> Batch | None:
        """The batch of a page that was loaded again, unless that has photos already."""
        found = self.batches.get(str(values_of(event)["name"]))
        if found is None or (batch is not None and batch.items):
            return batch
        found.forget_unsent()
        return found

    def run(self, batch: Batch | None, request: gr.Request, **values: Any) -> Iterator[Looks]:
        """Do what is to be done, and show each photo as it finishes."""
        batch = batch or Batch()
        options = self._options(request, values)
        self._start(batch, batch.claim(options, bool(values.get("alpha"))), options, request, _shop(values))
        yield from self.watch(batch, request)

    def choose(self, batch: Batch | None, request: gr.Request, **values: Any) -> None:
        """Know the settings as they are now, to tell which results are of other ones."""
        if batch is not None:
            batch.wanted = self._options(request, values), bool(values.get("alpha"))

    def act(self, batch: Batch | None, request: gr.Request, event: gr.EventData, **values: Any) -> None:
        """Try a photo again, or discard it."""
        batch = batch or Batch()
        number = int(values_of(event)["number"])
        if values_of(event)["action"] == "retry":
            options = self._options(request, values)
            self._start(
                batch, batch.claim_again(number, options, bool(values.get("alpha"))), options, request, _shop(values)
            )
        elif values_of(event)["action"] == "discard":
            batch.discard(number)

    def edit(self, batch: Batch | None, request: gr.Request, event: gr.EventData) -> dict[str, Any] | None:
        """Keep the cutout of a photo that is done, for the editor; None where it is gone."""
        item = (batch or Batch()).items.get(int(values_of(event)["number"]))
        if batch is None or item is None or item.path is None:
            return None
        with page_errors(request):
            kept = self.studio.store.get(item.key)
            if kept is None:
                item.key, kept = self.studio.keep(item.path, by_hand=False)
                if item.corrected:
                    self.studio.store.replace(
                        item.key, kept.corrected(unpack_alpha(item.corrected, kept.full.raw.shape))
                    )
        batch.edited = item.number
        return correct.info_of(self.studio, item.key, request)

    def take_over(self, batch: Batch | None, request: gr.Request) -> None:
        """Make the result of the photo that was in the editor anew, with the options that it had."""
        item = batch.items.get(batch.edited) if batch else None
        kept = self.studio.store.get(item.key) if item else None
        if batch is None or item is None or kept is None or item.options is None:
            return
        batch.edited = 0
        item.corrected = pack_alpha(kept.full.raw)
        with page_errors(request), PHOTOS.hold(kept.full.raw.size):
            self._finish(item, kept.full.with_options(item.options))

    def clear(self, batch: Batch | None) -> None:
        """Forget all photos."""
        if batch is not None:
            batch.clear()

    def watch(self, batch: Batch | None, request: gr.Request) -> Iterator[Looks]:
        """Show the batch as it changes until nothing in it is in work; nothing where another event does so already.

        Two events that showed it side by side could end with the older look, for nothing keeps the answers of different
        events in order, and Gradio sends an event's last answer again when the event is over: hence the empty ones.
        """
        batch = batch or Batch()
        over = not batch.watch()
        try:
            while not over:
                batch.changed.clear()
                over = batch.is_over()
                yield self._look(batch, request)
                if not over:
                    batch.changed.wait(REFRESH_SECONDS)
            yield gr.skip(), gr.skip(), gr.skip()
        finally:
            if not over:  # the visitor has left
                batch.is_over(leave=True)

    def resume(self, batch: Batch | None, request: gr.Request) -> Iterator[Looks]:
        """Show the batch again to a visitor whose connection broke, once the event that showed it has ended, too.

        While the server has not noticed the break, that event shows the batch to nobody; another one beside it could
        end with the older look, see `watch`.
        """
        batch = batch or Batch()
        while batch.is_watched:
            yield gr.skip(), gr.skip(), gr.skip()
            time.sleep(REFRESH_SECONDS)
        yield from self.watch(batch, request)

    def zip(self, batch: Batch | None, request: gr.Request) -> str | None:
        """Write `batch_results.zip`."""
        data = batch.zipped(code_of(request)) if batch else None
        if data is None:
            gr.Warning(words_of(request)["batch_nothing"])
            return None
        with page_errors(request):
            return self.studio.save_archive(data, "batch_results")

    def whole(
        self, files: list[str] | None, request: gr.Request, picture: str | None = None, **values: Any
    ) -> str | None:
        """All of it in one call, for programs: files in, `batch_results.zip` out."""
        batch = Batch()
        words = words_of(request)
        refused = batch.add([Sent(cut(Path(each).name, LONGEST), each) for each in files or []])
        if refused:
            raise _error(words["batch_full"].format(most=MOST, refused=len(refused)), words)
        with page_errors(request):
            chosen = controls.for_program(values, picture)
        for _ in self.run(batch, request, picture=picture, **chosen):
            pass
        items = batch.listed()
        if not any(item.state == DONE for item in items):  # programs see no notice
            reasons = [f"{item.name}: {item.reason.get(code_of(request), '')}" for item in items[:MOST_TOLD]]
            raise _error("\n".join([words["batch_nothing"], *reasons]), words)
        return self.zip(batch, request)

    def _options(self, request: gr.Request, values: dict[str, Any]) -> Options:
        with page_errors(request):
            return controls.read_options(self.studio, **{k: v for k, v in values.items() if k != "alpha"})

    def _start(
        self, batch: Batch, items: list[Item], options: Options, request: gr.Request, shop: str = controls.NO_SHOP
    ) -> None:
        for item in items:
            item.shop = shop
            self.pool.submit(self._one, batch, item, options).add_done_callback(lambda _: batch.changed.set())

    def _one(self, batch: Batch, item: Item, options: Options) -> None:
        """Cut one photo out; runs in the pool. Whatever goes wrong stays with this photo."""
        if not batch.holds(item):
            return
        item.state = RUNNING
        try:
            if item.path is None:
                raise FileNotFoundError
            path = self.studio.uploaded(item.path)
            with self.studio.opened(path, item.name) as photo:
                cutout = self.studio.cut(photo, options, item.name, None)
                if item.corrected:
                    cutout = replace(cutout, raw=unpack_alpha(item.corrected, cutout.raw.shape))
                self._finish(item, cutout)
            item.seconds = cutout.seconds.get("infer", 0.0) + cutout.seconds.get("second", 0.0)
            item.earlier = None
            item.state = DONE
        except (OSError, UploadGone):
            item.fail(batch_reasons.page_text("batch_gone"), is_hopeless=True)
        except MattingError as error:
            is_of_photo = error.subject == item.name  # which stands beside it
            reason = batch_reasons.failure_reason(error.replace(subject="") if is_of_photo else error)
            item.fail(reason, is_hopeless=is_of_photo and isinstance(error, InputError))
        except Exception:
            item.fail(batch_reasons.page_text("failed"))
            raise

    def _finish(self, item: Item, cutout: Cutout) -> None:
        """Write what there is of a photo."""
        ending = f"-cutout{SUFFIX_OF_FORMAT[cutout.options.format]}"
        made = cutout.encode()
        item.result = self.studio.save(made.data, Path(item.name).stem, ending)
        item.alpha = self._alpha(cutout, item) if item.wants_alpha else ""
        item.thumbnail = _address(self._thumbnail(cutout))
        item.width, item.height = made.size
        item.found = not cutout.is_empty
        item.uncertainty = cutout.uncertainty
        item.reason = batch_reasons.of_result(cutout, made, item.shop or controls.NO_SHOP)

    def _thumbnail(self, cutout: Cutout) -> str:
        small = Preview(cutout, THUMBNAIL_SIDE).views(cutout.options)[0]
        return self.studio.save_preview(small)

    def _alpha(self, cutout: Cutout, item: Item) -> str:
        data = cutout.with_options(cutout.options.for_alpha()).to_bytes()
        return self.studio.save(data, Path(item.name).stem, "-alpha.png")

    def _look(self, batch: Batch, request: gr.Request) -> Looks:
        """Cards, number of photos, and a line that counts them."""
        words = words_of(request)
        items = batch.listed()
        code = code_of(request)
        cards = [
            {
                "number": item.number,
                "name": item.name,
                "state": item.state,
                "label": words[f"state_{item.state}"],
                "reason": item.reason.get(code, ""),
                "thumbnail": item.thumbnail,
                "result": _address(item.result),
                "file": Path(item.result).name,
                "alpha": _address(item.alpha),
                "found": item.found,
                "doubt": round(item.uncertainty, 5),
                "due": batch.is_due(item),
                "token": item.token,
                "batch": batch.name,
                "retry": words["retry"] if item.may_go_better else "",
                "discard": words["discard"],
            }
            for item in items
        ]
        key = {0: "batch_waiting", 1: "batch_count"}.get(len(items), "batch_counts")
        line = words[key].format(**count_states(items))
        if any(batch.is_other(item) for item in items):
            line = f"{line} · {words['batch_other']}"
        return cards, len(items), line


def _error(text: str, words: dict[str, str]) -> gr.Error:
    return gr.Error(text, title=words["failed"], print_exception=False)


def _shop(values: dict[str, Any]) -> str:
    return str(values.get("shop", controls.NO_SHOP))


def _address(path: str) -> str:
    """Where the browser finds a file of ours; empty for none."""
    return f"gradio_api/file={path}" if path else ""
