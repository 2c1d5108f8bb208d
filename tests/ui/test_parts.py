"""The page's parts that need no browser."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from matting_client import Cutout, InputError, Limits, OptionError, Options
from matting_client.shop import template
from matting_client.video.pipeline import Plan
from matting_ui import controls, ids
from matting_ui.batch_handlers import Handlers
from matting_ui.batch_state import MOST, Batch, Sent, count_states, manifest
from matting_ui.context import Cut, Studio
from matting_ui.editor import Editor
from matting_ui.i18n import EN, ZH, language
from matting_ui.page import translations
from matting_ui.preview import Preview
from matting_ui.store import Kept, Store
from matting_ui.tabs import single
from matting_ui.visitors import Visitors
from PIL import Image
from skimage import data


def no_clips(plan: Plan, target: Path, on_frame: Callable[[], None]) -> None:
    """Nothing here makes a clip."""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    def cut(photo: bytes, options: Options, name: str) -> Cutout:
        raise InputError(name, f"{len(photo)} bytes")

    return studio_of(cut, tmp_path)


def studio_of(cut: Cut, folder: Path, kept: list[str] | None = None) -> Studio:
    """What the tabs work with; the endings of results go to `kept`."""
    outputs = [] if kept is None else kept
    store = Store(2**20, 60)
    return Studio(
        cut=cut,
        convert=no_clips,
        keep_output=lambda data, stem, ending: outputs.append(f"{stem}{ending}"),
        status=dict,
        model="matting_512",
        workers=2,
        limits=Limits(),
        clip_bytes=2**20,
        store=store,
        folder=folder.resolve(),
        editor=Editor(store, Visitors(folder.resolve()), 2),
    )


def cutout() -> Cutout:
    photo = data.astronaut()
    alpha = np.zeros(photo.shape[:2], np.uint8)
    alpha[60:, 120:400] = np.linspace(0, 255, 280).astype(np.uint8)
    return Cutout(photo, alpha, Options())


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(alpha_threshold=30, erode=3, feather=True),
        Options(erode=-5, feather=True),
        Options(background="#123456", crop=True, crop_margin="10%", feather=True),
    ],
)
def test_the_preview_shows_what_the_file_holds(options: Options) -> None:
    """At the photo's own size it is the same, though the colours of the edge were found for all settings at once."""
    full = cutout()
    preview = Preview(full, side=512)
    _, alpha = preview.views(options)
    assert preview.source(options).shape[:2] == alpha.shape
    assert (preview.with_options(options).render() == full.with_options(options).render()).all()


def test_a_preview_is_no_larger_than_asked() -> None:
    assert max(Preview(cutout(), side=100).views(Options())[0].shape) == 100


def test_only_uploads_are_opened(studio: Studio, tmp_path: Path) -> None:
    inside = tmp_path / "a" / "photo.jpg"
    inside.parent.mkdir()
    inside.write_bytes(b"x")
    assert studio.uploaded(str(inside)) == inside.resolve()
    (tmp_path / "link.jpg").symlink_to("/etc/hostname")
    for place in ("/etc/hostname", f"{tmp_path}/../x", str(tmp_path), str(tmp_path / "link.jpg"), "photo.jpg"):
        with pytest.raises(InputError, match="no uploaded file"):
            studio.uploaded(place)


def test_values_that_the_page_does_not_offer(studio: Studio) -> None:
    for wrong in ({"background": "plaid"}, {"threshold": 51}, {"size": "large"}, {"preset": "x"}, {"margin": 51}):
        with pytest.raises(OptionError):
            controls.read_options(studio, **wrong)


@pytest.mark.parametrize(
    ("picked", "colour"), [("#12ab9f", "#12ab9f"), ("rgba(255.4, 0, 127.6, 1)", "#ff0080"), ("rgb(1,2,3)", "#010203")]
)
def test_colours_of_the_picker(picked: str, colour: str) -> None:
    assert controls.colour_text(picked) == colour


def test_a_program_names_a_shop_or_a_preset_alone(studio: Studio) -> None:
    """Nothing sets the controls of its one call, so that these stand as at first."""
    first = {"background": ids.TRANSPARENT, "format": "png", "quality": 92.0, "threshold": 0, "feather": False}
    none = {**first, "preset": controls.NO_PRESET, "shop": controls.NO_SHOP}
    assert controls.for_program(none) == none
    shop = controls.read_options(studio, **controls.for_program({**none, "shop": "taobao"}))
    assert shop.with_changes(crop_margin="0") == template("taobao").make()
    idphoto = controls.read_options(studio, **controls.for_program({**none, "preset": "id-photo"}))
    assert idphoto.with_changes(crop_margin="0") == Options.from_preset("id-photo")
    own = controls.for_program({**none, "preset": "id-photo", "background": "blue", "threshold": 3})
    assert (own["background"], own["threshold"], own["format"]) == ("blue", 3, "jpeg")


def test_a_batch_has_room_for_so_many() -> None:
    batch = Batch()
    assert batch.add([Sent(f"{index}.jpg", "x") for index in range(MOST + 2)]) == ["50.jpg", "51.jpg"]
    batch.discard(1)
    assert batch.add([Sent("a.jpg", "x"), Sent("b.jpg", "x")]) == ["b.jpg"]


def test_each_photo_is_claimed_once_and_again_with_other_options() -> None:
    batch = Batch()
    batch.add([Sent("a.jpg", "x"), Sent("b.jpg", None, {"en": "too large"})])
    (first,) = batch.claim(Options())
    assert batch.claim(Options()) == [] and count_states(batch.listed())["failed"] == 1
    first.state = "done"
    assert batch.claim(Options()) == []
    assert batch.claim(Options(format="webp")) == [first]
    assert batch.claim_again(first.number, Options()) == []
    first.fail({"en": "why"})
    assert batch.claim(Options()) == []
    assert batch.claim_again(first.number, Options()) == [first] and not first.reason
    first.fail({"en": "unreadable"}, is_hopeless=True)
    assert batch.claim_again(first.number, Options()) == []


def test_a_file_that_is_sent_again_takes_its_place() -> None:
    """Unless it has arrived, or was discarded meanwhile; before that it cannot be claimed."""
    batch = Batch()
    batch.add([Sent("a.jpg", None, {"en": "lost"}, "t1"), Sent("b.jpg", "x")])
    first = batch.listed()[0]
    assert first.may_go_better and batch.claim_again(first.number, Options()) == []
    batch.replace(first.number, Sent("a.jpg", "y"))
    batch.replace(first.number, Sent("a.jpg", "z"))
    batch.replace(99, Sent("c.jpg", "z"))
    assert [(each.name, each.path, each.state) for each in batch.listed()] == [
        ("a.jpg", "y", "waiting"),
        ("b.jpg", "x", "waiting"),
    ]


def test_one_event_at_a_time_shows_a_batch(studio: Studio) -> None:
    """Until nothing is in work, and its last answer, which is sent twice, is empty."""
    batch = Batch()
    batch.add([Sent("a.jpg", "x")])
    (item,) = batch.claim(Options())
    with ThreadPoolExecutor(1) as pool:
        do = Handlers(studio, pool)
        shows = do.watch(batch, None)
        assert "1 waiting" in next(shows)[2]
        nothing = [(gr.skip(),) * 3]
        assert list(do.watch(batch, None)) == nothing
        item.fail({"en": "why"})
        assert "1 failed" in next(shows)[2]
        assert next(do.watch(batch, None))[1] == 1  # the first has seen that all is over
        assert list(shows) == nothing
        batch.claim_again(item.number, Options())
        left = do.watch(batch, None)
        next(left)
        left.close()  # its visitor is gone
        assert next(do.watch(batch, None))[1] == 1


def test_archive_names_are_unique_and_no_formulas(tmp_path: Path) -> None:
    batch = Batch()
    batch.add([Sent("=1+1.jpg", "x"), Sent("=1+1.jpg", "x")])
    for item in batch.claim(Options()):
        result = tmp_path / str(item.number) / "=1+1-cutout.png"
        result.parent.mkdir()
        result.write_bytes(b"png")
        item.result, item.state = str(result), "done"
    archive = batch.zipped("en")
    assert archive is not None and b"=1+1-cutout-2.png" in archive
    assert manifest(batch.listed(), {}, "en").count("'=1+1.jpg") == 2
    assert Batch().zipped("en") is None


def test_the_store_forgets_the_oldest() -> None:
    kept = Kept(cutout(), Preview(cutout()), "a")
    store = Store(2 * kept.nbytes, 60)
    keys = [store.put(kept) for _ in range(3)]
    assert [store.get(key) is not None for key in keys] == [False, True, True]
    store.drop(keys[1])
    assert store.get(keys[1]) is None and store.get(None) is None


def test_the_store_lets_go_of_a_cutout_past_its_time_though_nobody_asks() -> None:
    kept = Kept(cutout(), Preview(cutout()), "a")
    alive = weakref.ref(kept.full)
    store = Store(2 * kept.nbytes, 0.2)
    store.put(kept)
    del kept
    time.sleep(0.3)
    assert alive() is not None
    store.sweep()
    gc.collect()
    assert alive() is None


def test_every_text_has_both_languages() -> None:
    assert EN.keys() == ZH.keys()
    assert all(EN.values()) and all(ZH.values())
    for key, text in EN.items():
        assert text.count("{") == ZH[key].count("{"), key
    assert [language(each) for each in ("zh-CN,zh;q=0.9", "en-US,zh;q=0.5", "")] == ["zh", "en", "en"]


def test_photos_that_were_discarded_are_not_cut_out(tmp_path: Path) -> None:
    asked: list[str] = []
    started, may_go_on = threading.Event(), threading.Event()

    def cut(photo: bytes, options: Options, name: str, model: str | None) -> Cutout:
        asked.append(name)
        started.set()
        may_go_on.wait(20)
        return cutout()

    studio = studio_of(cut, tmp_path)
    photos = [tmp_path / f"{number}.jpg" for number in range(4)]
    for photo in photos:
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(photo)
    batch = Batch()
    batch.add([Sent(photo.name, str(photo)) for photo in photos])
    with ThreadPoolExecutor(1) as pool:
        Handlers(studio, pool)._start(batch, batch.claim(Options()), Options(), None)
        assert started.wait(20), batch.listed()
        batch.clear()
        may_go_on.set()
    assert asked == ["0.jpg"]


def test_results_are_kept_and_previews_are_not(tmp_path: Path) -> None:
    kept: list[str] = []
    studio = studio_of(lambda photo, options, name, model: cutout(), tmp_path, kept)
    studio.save(b"x", "portrait", "-cutout.png")
    for channels in ((), (3,), (4,)):
        studio.save_preview(np.zeros((4, 5, *channels), np.uint8))
    studio.save_archive(b"x", "batch_results")
    assert kept == ["portrait-cutout.png"]
    assert len(list(tmp_path.glob("*/*"))) == 5


def test_backgrounds_have_the_limits_of_photos(studio: Studio, tmp_path: Path) -> None:
    picture = tmp_path / "wall.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(picture)
    assert studio.background(str(picture)) == picture.resolve()
    small = replace(studio, limits=Limits(max_pixels=500))
    with pytest.raises(InputError, match=r"wall\.png: got 30x20 pixels, expected at most 0\.0005 million"):
        controls.read_options(small, background=ids.FROM_PICTURE, picture=str(picture))
    short = replace(studio, limits=Limits(max_bytes=50))  # what is uploaded may be as large as a clip
    for use in (short.background, lambda place: short.opened(Path(place), "wall.png").__enter__()):
        with pytest.raises(InputError, match=r"^wall\.png: got .* expected at most"):
            use(str(picture))


def test_photos_that_went_wrong_are_kept_only_where_the_owner_says_so(studio: Studio, tmp_path: Path) -> None:
    async def make(of: Studio) -> gr.Blocks:  # within a loop, or Gradio would leave one of its own behind
        with gr.Blocks(analytics_enabled=False) as page:
            single.build(of, page, translations())
        return page

    def buttons(of: Studio) -> set[str]:
        return {str(getattr(block, "elem_id", "")) for block in asyncio.run(make(of)).blocks.values()}

    assert ids.REPORT not in buttons(studio)
    assert ids.REPORT in buttons(replace(studio, keep_sample=lambda photo, name, correction: None))
