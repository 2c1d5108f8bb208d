"""A photo in, a cutout out, with a real model in this process."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from matting_client import (
    AsyncMattingClient,
    Cutout,
    EngineError,
    InputError,
    Limits,
    MattingClient,
    OptionError,
    Options,
    TooLarge,
    connect,
)
from matting_client.engines import AsyncEngine, LocalEngine
from PIL import Image

from tests.unit.client.pictures import U8, astronaut, file_of


@pytest.fixture
def client(local: Path) -> Iterator[MattingClient]:
    with connect("local") as client:
        yield client


@pytest.fixture
def photo() -> U8:
    return astronaut(300, 400)


def test_paths_bytes_and_pixels_give_the_same(client: MattingClient, photo: U8, tmp_path: Path) -> None:
    data = file_of(photo, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    forms = (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), photo)
    alphas = [client.alpha(given) for given in forms]
    assert alphas[0].shape == (300, 400)
    assert all(np.array_equal(alpha, alphas[0]) for alpha in alphas)
    assert 10 < alphas[0].mean() < 245


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (64, 64), (128, 128), (700, 450)])
def test_any_size_comes_back(client: MattingClient, shape: tuple[int, int]) -> None:
    cutout = client.cutout(astronaut(*shape))
    assert cutout.alpha.shape == shape
    assert cutout.render().shape == (*shape, 4)


def test_what_each_option_renders(client: MattingClient, photo: U8, tmp_path: Path) -> None:
    cutout = client.cutout(photo)
    wall = tmp_path / "wall.png"
    wall.write_bytes(file_of(np.full((5, 7, 3), (9, 8, 7), np.uint8), "PNG"))
    clear = cutout.raw == 0
    assert clear.any()

    def with_options(**values: object) -> U8:
        return cutout.with_options(Options(**values)).render()  # type: ignore[arg-type]

    assert with_options().shape == (300, 400, 4)
    assert with_options(alpha_only=True).shape == (300, 400)
    assert (with_options(background="#010203")[clear] == (1, 2, 3)).all()
    assert (with_options(background=wall)[clear] == (9, 8, 7)).all()
    assert (with_options(format="jpeg")[clear] == 255).all()
    assert with_options(format="webp").shape == (300, 400, 4)
    assert (cutout.render(np.full((2, 2, 3), 50, np.uint8))[clear] == 50).all()


def test_the_alpha_is_kept_for_other_options(client: MattingClient, photo: U8) -> None:
    cutout = client.cutout(photo, Options(alpha_threshold=50, erode=5))
    assert np.array_equal(cutout.with_options(Options()).alpha, cutout.raw)
    assert cutout.alpha.sum() < cutout.raw.sum()
    feathered = cutout.with_options(Options(feather=True)).alpha
    assert not np.array_equal(feathered, cutout.raw)


def test_refine_matters_for_large_photos_only(client: MattingClient) -> None:
    for side, differs in ((128, False), (600, True)):
        photo = astronaut(side, side)
        plain, refined = (client.cutout(photo, Options(refine=refine)).raw for refine in (False, True))
        assert np.array_equal(plain, refined) is not differs


def test_opaque_pixels_keep_the_photos_colours(client: MattingClient, photo: U8) -> None:
    for foreground in (True, False):
        cutout = client.cutout(photo, Options(foreground=foreground))
        opaque = cutout.alpha == 255
        assert opaque.any()
        assert np.array_equal(cutout.render()[opaque, :3], photo[opaque])


def test_files(client: MattingClient, photo: U8, tmp_path: Path) -> None:
    for format, suffix in (("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")):
        cutout = client.cutout(photo, Options(format=format))
        cutout.save(tmp_path / "deep" / "out")
        with Image.open(tmp_path / "deep" / "out") as image:
            assert (image.format, image.size) == (suffix, (400, 300))
        timings = cutout.encode().timings
        assert {"decode", "infer", "refine", "compose", "encode"} == set(timings)
        assert all(seconds >= 0 for seconds in timings.values())


def test_errors_name_the_photo(client: MattingClient, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^upload 7: "):
        client.cutout(b"no picture", name="upload 7")
    with pytest.raises(InputError, match=r"none\.jpg: cannot be read"):
        client.cutout(tmp_path / "none.jpg")
    with pytest.raises(InputError, match="download it first"):
        client.cutout("https://photos.example/none.jpg")


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
    ids=lambda pixels: f"{pixels.dtype} {pixels.shape}",
)
def test_pixels_that_are_no_photo(client: MattingClient, pixels: U8) -> None:
    with pytest.raises(InputError, match=r"^photo: got .* expected uint8 \(H, W, 3\) RGB"):
        client.cutout(pixels)


def test_limits(local: Path, photo: U8) -> None:
    with connect("local", limits=Limits(max_pixels=1000)) as client, pytest.raises(InputError, match="400x300 pixels"):
        client.cutout(file_of(photo, "PNG"))


def test_limits_of_pixels(local: Path, photo: U8) -> None:
    with connect("local", limits=Limits(max_pixels=1000)) as client, pytest.raises(TooLarge, match="400x300 pixels"):
        client.cutout(photo)
    with connect("local") as client, pytest.raises(TooLarge, match="no side above 32768"):
        client.cutout(np.zeros((1, 40_000, 3), np.uint8))


def test_a_closed_client_is_closed(local: Path, photo: U8) -> None:
    with connect("local") as client:
        pass
    with pytest.raises(EngineError, match="a client that was closed"):
        client.cutout(photo)


@pytest.mark.parametrize("options", [{}, 0, False, "portrait"])
def test_what_is_no_options(client: MattingClient, photo: U8, options: Any) -> None:
    with pytest.raises(OptionError, match=r"^options: got .* expected Options"):
        client.cutout(photo, options)
    for wrong in (options, None):
        with pytest.raises(OptionError, match=r"^options: got "):
            client.cutout(photo).with_options(wrong)


@pytest.mark.parametrize(
    "background",
    [np.ones((4, 4, 3)), np.ones((4, 4), np.uint8), np.ones((4, 4, 4), np.uint8), np.ones((0, 4, 3), np.uint8), "red"],
    ids=str,
)
def test_what_is_no_background(client: MattingClient, photo: U8, background: Any) -> None:
    with pytest.raises(InputError, match=r"^background: got .* expected uint8 \(H, W, 3\) RGB"):
        client.cutout(photo).render(background)


def test_a_missing_background_is_named(client: MattingClient, photo: U8, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jpg: cannot be read"):
        client.cutout(photo, Options(background=tmp_path / "gone.jpg")).to_bytes()


def test_several_threads(client: MattingClient) -> None:
    photos = [astronaut(200 + 10 * number, 300) for number in range(8)]
    alone = [client.cutout(photo).to_bytes() for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda photo: client.cutout(photo).to_bytes(), photos)) == alone


class AwaitableLocal:
    """The local engine for asyncio, its runs in a thread: what a user of the protocol would write."""

    model = "matting_512"
    size = 0

    async def connect(self) -> Self:
        self._engine = await asyncio.to_thread(LocalEngine)
        self.size = self._engine.size
        return self

    async def infer(self, image: U8) -> U8:
        return await asyncio.to_thread(self._engine.infer, image)

    async def close(self) -> None:
        self._engine.close()


def test_async_gives_the_same_bytes(client: MattingClient, photo: U8) -> None:
    async def several() -> list[Cutout]:
        engine = AwaitableLocal()
        assert isinstance(engine, AsyncEngine)
        async with AsyncMattingClient(engine) as twin:
            await twin.alpha(photo)
            return await asyncio.gather(*(twin.cutout(photo, Options(erode=2)) for _ in range(3)))

    expected = client.cutout(photo, Options(erode=2))
    for cutout in asyncio.run(several()):
        assert cutout.to_bytes() == expected.to_bytes()


def test_async_errors_are_the_same(local: Path) -> None:
    async def one() -> None:
        async with AsyncMattingClient(AwaitableLocal(), Limits(max_bytes=10)) as client:
            await client.cutout(b"x" * 11, name="large")

    with pytest.raises(InputError, match=r"^large: "):
        asyncio.run(one())


def test_a_png_opens_in_pillow_without_loss(client: MattingClient, photo: U8) -> None:
    cutout = client.cutout(photo)
    with Image.open(io.BytesIO(cutout.to_bytes())) as image:
        assert np.array_equal(np.array(image), cutout.render())
