"""Small subjects seen twice, photos that lie turned upright, and how sure an alpha is of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_client import AsyncMattingClient, MattingClient, OptionError, Options, connect, processing
from matting_client.engines import LocalEngine
from skimage import data

from tests.unit.client.pictures import U8
from tests.unit.client.test_client import AwaitableLocal

DARK, BRIGHT = 30, 220  # the tiny model sees the bright as the subject
HEIGHT, WIDTH = 480, 640


@pytest.fixture
def tiny(local: Path) -> Iterator[MattingClient]:
    with connect("local") as client:
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[MattingClient]:
    """The published model."""
    with MattingClient(LocalEngine("matting_512")) as client:
        yield client


def scene(*bright: tuple[slice, slice]) -> U8:
    photo = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
    for place in bright:
        photo[place] = BRIGHT
    return photo


SUBJECT = slice(300, 400), slice(200, 280)


def test_a_small_subject_is_seen_up_close(tiny: MattingClient) -> None:
    photo = scene(SUBJECT)
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    truth[SUBJECT] = 255
    once, twice = (tiny.cutout(photo, Options(passes=passes, refine=False)) for passes in (1, 2))
    assert "second" in twice.seconds
    assert "second" not in once.seconds
    errors = [np.abs(cutout.raw.astype(int) - truth).sum() for cutout in (once, twice)]
    assert errors[1] < 0.6 * errors[0]


def test_a_large_subject_and_an_empty_photo_are_seen_once(tiny: MattingClient) -> None:
    large = scene((slice(20, 460), slice(60, 580)))
    for photo in (large, scene()):
        assert "second" not in tiny.cutout(photo).seconds
    assert tiny.cutout(scene()).is_empty
    assert not tiny.cutout(large).is_empty


def test_what_reaches_out_of_the_close_look_is_kept_and_what_stands_apart_is_not() -> None:
    pha = np.zeros((HEIGHT, WIDTH), np.uint8)
    pha[SUBJECT] = 255
    pha[340:344, 280:630] = 60  # a racket too faint to be looked for
    pha[20:24, 20:24] = 255  # a speck
    square, placed = processing.letterbox(np.repeat(pha[..., None], 3, axis=2), 320)
    small = square[..., 0] * (square[..., 0] != processing.PAD_RGB[0])
    box = processing.locate(small, placed)
    assert box is not None
    assert (box.left, box.top) > (0, 100)
    assert box.right < 400
    kept = processing.alpha_beyond(small, placed, box)
    assert kept is not None
    whole = processing.unletterbox(kept, placed)
    assert whole[342, 600] > 30
    assert whole[:40, :40].max() == 0


class Shy:
    """A model that sees all that is not dark from close by, and from afar the brightest of it alone."""

    model, size = "shy", 96
    looks = 0

    def infer(self, image: U8) -> U8:
        self.looks += 1
        return np.stack([255 * (one[..., :1] > (200 if one.mean() < 60 else 100)) for one in image]).astype(np.uint8)

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(("length", "looks"), [(40, 2), (200, 2), (4, 1)])
def test_a_subject_that_goes_on_beyond_the_close_look_is_never_cut_there(length: int, looks: int) -> None:
    """There is more room in a second one; what does not end there either is as the look at the whole photo has it."""
    photo = np.full((480, 480, 3), DARK, np.uint8)
    photo[100:160, 200:260] = BRIGHT
    photo[160 : 160 + length, 200:260] = 150
    model = Shy()
    with MattingClient(model) as client:
        from_afar = client.cutout(photo, Options(refine=False, passes=1)).raw
        found = client.cutout(photo, Options(refine=False)).raw
    assert model.looks == 1 + 1 + looks
    whole = photo[..., 0] > DARK if length < 200 else from_afar > 127
    assert np.mean((found > 127) != whole) < 0.003
    assert (found[150 + length, 230] > 127) == (length < 200)


def test_async_sees_the_same(tiny: MattingClient) -> None:
    photo = scene(SUBJECT)

    async def cut() -> U8:
        async with AsyncMattingClient(AwaitableLocal()) as twin:
            cutout = await twin.cutout(photo)
            assert "second" in cutout.seconds
            return cutout.raw

    assert np.array_equal(asyncio.run(cut()), tiny.cutout(photo).raw)


def test_the_published_model_cuts_a_small_person_out_better_in_two_passes(client: MattingClient) -> None:
    astronaut = data.astronaut()
    near = client.cutout(astronaut, Options(passes=1)).raw
    room = cv2.GaussianBlur(cv2.resize(data.coffee(), (1600, 1200)), (0, 0), 60) // 4 + 150  # no cup to be cut out
    place = slice(1200 - 512, 1200), slice(900, 900 + 512)
    alpha = near[..., None] / 255
    room[place] = np.rint(alpha * astronaut + (1 - alpha) * room[place])
    truth = np.zeros(room.shape[:2], np.uint8)
    truth[place] = near
    errors = [
        np.abs(client.cutout(room, Options(passes=passes)).raw.astype(int) - truth).sum() / 255e3 for passes in (1, 2)
    ]
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_turned_portrait_is_found_as_the_upright_one(client: MattingClient, quarter: int) -> None:
    portrait = np.ascontiguousarray(data.astronaut()[:300, 80:400])
    upright = client.cutout(portrait).raw.astype(int)
    lying = np.ascontiguousarray(np.rot90(portrait, quarter))
    turned = client.cutout(lying).raw
    assert np.abs(np.rot90(turned, -quarter) - upright).mean() < 1
    as_given = client.cutout(lying, Options(orientation="given")).raw
    assert not np.array_equal(as_given, turned)


def test_the_second_look_is_upright_too(client: MattingClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is shown the same pixels, whichever way up the photo is told to lie."""
    room = np.full((900, 900, 3), 170, np.uint8)
    room[600:] = 90  # a floor
    room[500:800, 300:600] = cv2.resize(data.astronaut(), (300, 300), interpolation=cv2.INTER_AREA)
    monkeypatch.setattr(processing, "quarters_turned", lambda rgb: 0)
    upright = client.cutout(room)
    assert "second" in upright.seconds
    for quarter in (1, 2, 3):
        monkeypatch.setattr(processing, "quarters_turned", lambda rgb, quarter=quarter: quarter)
        lying = np.ascontiguousarray(np.rot90(room, quarter))
        assert np.abs(np.rot90(client.cutout(lying).raw, -quarter).astype(int) - upright.raw).mean() < 1


class OneWay:
    """A model that sees what is bright, but nothing in pictures that are darker above than below."""

    model, size = "one way", 64

    def infer(self, image: U8) -> U8:
        half = self.size // 2
        return np.stack([255 * (one[..., :1] > 127) * (one[:half].mean() > one[half:].mean()) for one in image]).astype(
            np.uint8
        )

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("lies", [False, True])
def test_a_photo_that_loses_its_subject_when_put_upright_is_taken_as_it_lies(
    lies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever tells that it lies may be wrong."""
    photo = np.full((64, 64, 3), DARK, np.uint8)
    photo[4:28, 10:54] = BRIGHT
    if lies:
        photo = np.ascontiguousarray(np.rot90(photo, 2))
    monkeypatch.setattr(processing, "quarters_turned", lambda rgb: 2)
    with MattingClient(OneWay()) as client:
        assert np.array_equal(client.cutout(photo, Options(passes=1)).raw > 127, photo[..., 0] > 127)
        nothing = client.cutout(photo, Options(passes=1, orientation="given")).is_empty
    assert nothing == lies


def test_doubt_is_told_by_the_subjects_breadth() -> None:
    sure = np.zeros((400, 400), np.uint8)
    cv2.circle(sure, (200, 200), 120, 255, -1)
    hazy = np.where((np.indices(sure.shape).sum(0) % 2 == 0) & (sure > 0), 128, sure).astype(np.uint8)
    assert processing.uncertainty(sure) == processing.uncertainty(np.zeros_like(sure)) == 0
    assert processing.uncertainty(hazy) > 0.2
    assert processing.uncertainty(np.full_like(sure, 85)) == pytest.approx(4 * 2 / 3 / 3**0.5)  # none is larger
    large = cv2.resize(sure, (1600, 1600), interpolation=cv2.INTER_NEAREST)
    assert processing.uncertainty(large) < 0.01  # judged at one size, whatever its own
    dots = (cv2.circle(np.zeros_like(sure), (200, 200), radius, 255, -1) for radius in (120, 30))
    broad, narrow = (cv2.GaussianBlur(dot, (0, 0), 4) for dot in dots)
    assert processing.uncertainty(narrow) == pytest.approx(processing.uncertainty(broad), rel=0.1)  # edges alike


def test_options_that_are_none() -> None:
    for values in ({"passes": 3}, {"passes": True}, {"orientation": "left"}):
        with pytest.raises(OptionError, match="expected"):
            Options(**values)  # type: ignore[arg-type]
