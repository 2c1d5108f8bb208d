"""The package's values have Python's manners: equality, short texts, no shared buffers, no hidden changes."""

from __future__ import annotations

import copy
import dataclasses
import doctest
import importlib
import io
import os
import pickle
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matting_client
import numpy as np
import pytest
from matting_client import Cutout, InputError, MattingClient, OptionError, Options, connect, timing
from matting_client.client import prepare
from matting_client.idphoto import IdPhoto
from matting_client.idsizes import sizes
from matting_client.timing import Stopwatch, Timings
from PIL import Image

from tests.unit.client.pictures import astronaut, file_of

ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def client(repository: Path) -> Iterator[MattingClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
        with connect("local") as client:
            yield client


def dataclasses_with_arrays() -> list[type]:
    found = []
    for module in pkgutil.walk_packages(matting_client.__path__, "matting_client."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.name:
                types = {str(field.type) for field in dataclasses.fields(value)}
                if any(name in kind for kind in types for name in ("NDArray", "Image", "Alpha", "Float", "Picture")):
                    found.append(value)
    return found


def test_values_with_arrays_compare_by_identity_and_print_no_pixels() -> None:
    kinds = dataclasses_with_arrays()
    assert {"Cutout", "Prepared", "IdPhoto"} <= {kind.__name__ for kind in kinds}
    for kind in kinds:
        assert kind.__eq__ is object.__eq__, kind
        assert kind.__hash__ is object.__hash__, kind
        assert not kind.__dataclass_params__.repr, kind


def test_short_texts_and_equality(client: MattingClient) -> None:
    photo = astronaut(60, 80)
    cutout = client.cutout(photo, Options(format="webp"))
    prepared = prepare(photo, client.engine.size)
    id_photo = IdPhoto(photo, sizes()["one-inch"], True)
    values: list[tuple[Any, str]] = [
        (cutout, "<Cutout 80x60 webp>"),
        (prepared, "<Prepared 80x60>"),
        (id_photo, "<IdPhoto 80x60 one-inch>"),
    ]
    for value, text in values:
        assert repr(value) == text
        other = dataclasses.replace(value)
        assert value == value and value != other
        assert value in [other, value] and len({value, other, value}) == 2
    encoded = cutout.encode()
    assert repr(encoded) == f"<Encoded 80x60 image/webp, {len(encoded.data)} bytes>"


def test_encoding_changes_nothing(client: MattingClient) -> None:
    cutout = client.cutout(astronaut(60, 80))
    before = dict(cutout.seconds)
    encoded = cutout.with_options(Options(format="jpeg")).encode()
    assert dict(cutout.seconds) == before
    assert list(encoded.timings) == ["decode", "infer", "refine", "compose", "encode"]
    assert (encoded.media_type, encoded.size) == ("image/jpeg", (80, 60))
    assert list(encoded.timings.since(cutout.seconds)) == ["compose", "encode"]


def test_timings() -> None:
    assert doctest.testmod(timing).failed == 0
    watch = Stopwatch(Timings(decode=1.0))
    with watch.step("infer"):
        pass
    with pytest.raises(ZeroDivisionError), watch.step("refine"):
        1 / 0  # noqa: B018
    assert list(watch.timings) == ["decode", "infer"]


def test_a_callers_pixels_are_not_shared(client: MattingClient) -> None:
    photo = astronaut(60, 80)
    before = photo.copy()
    cutout = client.cutout(photo)
    photo[:] = 0  # as a camera's loop does
    assert np.array_equal(cutout.rgb, before)
    expected = client.cutout(before).to_bytes()
    assert cutout.to_bytes() == expected


@pytest.mark.parametrize(
    "options",
    [Options(), Options(foreground=False), Options(alpha_only=True), Options(format="jpeg"), Options(size="40px")],
    ids=repr,
)
def test_what_is_rendered_may_be_written_to(client: MattingClient, options: Options) -> None:
    cutout = client.cutout(astronaut(60, 80), options)
    data = cutout.to_bytes()
    cutout.render()[:] = 7
    assert cutout.to_bytes() == data
    for array in (cutout.rgb, cutout.raw):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


@pytest.mark.parametrize("kind", [np.ma.MaskedArray, np.memmap])
def test_arrays_of_other_kinds_become_plain(client: MattingClient, kind: type[np.ndarray[Any, Any]]) -> None:
    photo = astronaut(60, 80)
    cutouts = [client.cutout(photo.view(kind)), next(client.video([photo.view(kind)]))]
    assert [type(each.rgb) for each in cutouts] == [np.ndarray] * 2


def test_an_alpha_is_the_callers_own(client: MattingClient) -> None:
    alpha = client.alpha(astronaut(60, 80))
    alpha[alpha < 10] = 0


def test_pil_images(client: MattingClient, tmp_path: Path) -> None:
    photo = astronaut(60, 80)
    alpha = client.alpha(photo)
    assert np.array_equal(client.alpha(Image.fromarray(photo)), alpha)
    with Image.open(io.BytesIO(file_of(photo, "PNG"))) as lazy:
        assert np.array_equal(client.alpha(lazy), alpha)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(photo)))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        assert np.array_equal(client.cutout(image).rgb, client.cutout(tmp_path / "turned.png").rgb)
        assert image.size == (60, 80)  # it stays as it was
    clear = Image.new("RGBA", (8, 6), (0, 0, 0, 0))
    assert client.cutout(clear).alpha.max() == 0
    assert client.cutout(Image.new("1", (8, 6), 1)).rgb.shape == (6, 8, 3)


class Place:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_any_path(client: MattingClient, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(file_of(astronaut(60, 80), "PNG"))
    place: os.PathLike[str] = Place(path)
    cutout = client.cutout(place)
    assert cutout.raw.shape == (60, 80)
    cutout.save(Place(tmp_path / "out.png"))
    assert (tmp_path / "out.png").read_bytes() == cutout.to_bytes()
    wall = Options(background=Place(path))  # type: ignore[arg-type]
    assert wall.background == path


@pytest.mark.parametrize(
    "wrong",
    [None, 7, {}, [1], io.StringIO("text"), "a\0b", Path("/"), Image.new("RGB", (0, 5))],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_photo(client: MattingClient, wrong: Any) -> None:
    with pytest.raises(InputError) as caught:
        client.cutout(wrong, name="upload")
    assert caught.value.subject in ("upload", "a\0b", "/")


def test_a_closed_file_is_no_photo(client: MattingClient, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xff\xfe\xfd")
    file = (tmp_path / "text").open("rb")
    file.close()
    with pytest.raises(InputError, match="upload: cannot be read"):
        client.cutout(file, name="upload")
    with (tmp_path / "text").open(encoding="utf-8") as text, pytest.raises(InputError, match="upload"):
        client.cutout(text, name="upload")  # type: ignore[arg-type]
    with (tmp_path / "text").open("rb") as read, pytest.raises(InputError, match="a file at its end"):
        read.read()
        client.cutout(read, name="upload")


@pytest.mark.parametrize(
    ("name", "format"), [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP"), ("a.png", "PNG"), ("a", "PNG")]
)
def test_the_suffix_is_the_format(client: MattingClient, tmp_path: Path, name: str, format: str) -> None:
    cutout = client.cutout(astronaut(60, 80))
    cutout.save(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (format, (80, 60))
        assert np.array_equal(np.array(cutout.to_image()), cutout.render())


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.bmp"])
def test_suffixes_of_other_pictures(client: MattingClient, tmp_path: Path, name: str) -> None:
    cutout = client.cutout(astronaut(60, 80))
    with pytest.raises(OptionError, match=rf"{name}: got the suffix .*, expected .png, .jpg or .webp"):
        cutout.save(tmp_path / name)
    with pytest.raises(OptionError, match="expected png for an alpha"):
        cutout.with_options(Options(alpha_only=True)).save(tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


WRONG = [
    ({"feather": "no"}, "feather"),
    ({"alpha_only": 1}, "alpha_only"),
    ({"foreground": None}, "foreground"),
    ({"refine": np.True_}, "refine"),
    ({"crop": "yes"}, "crop"),
    ({"quality": "92"}, "quality"),
    ({"quality": 92.5}, "quality"),
    ({"quality": True}, "quality"),
    ({"alpha_threshold": 2.5}, "alpha_threshold"),
    ({"alpha_threshold": None}, "alpha_threshold"),
    ({"erode": "1"}, "erode"),
    ({"erode": [1]}, "erode"),
    ({"erode": float("nan")}, "erode"),
    ({"background": 7}, "background"),
    ({"background": (255, 255, 255)}, "background"),
    ({"background": b"white"}, "background"),
    ({"format": None}, "format"),
    ({"format": ["png"]}, "format"),
    ({"roi": 5}, "roi"),
    ({"crop_margin": 10}, "crop_margin"),
    ({"scale": 0.5}, "scale"),
    ({"position": 0}, "position"),
    ({"size": 1080}, "size"),
]


@pytest.mark.parametrize(("values", "option"), WRONG, ids=lambda value: str(value))
def test_options_check_types_when_made(values: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        Options(**values)
    assert caught.value.option == option
    assert caught.value.expected


def test_numbers_of_other_kinds_become_pythons_own() -> None:
    options = Options(quality=np.int64(80), alpha_threshold=3.0, erode=np.float32(1.5))  # type: ignore[arg-type]
    assert options == Options(quality=80, alpha_threshold=3, erode=1.5)
    assert [type(each) for each in (options.quality, options.alpha_threshold, options.erode)] == [int, int, float]


def test_a_cutout_keeps_a_copy() -> None:
    rgb, alpha = astronaut(60, 80), np.full((60, 80), 200, np.uint8)
    shown = rgb.view()
    shown.flags.writeable = False  # which `rgb` still is
    made = Cutout(shown, alpha)
    before = made.render()
    rgb[:], alpha[:] = 0, 0
    assert np.array_equal(made.render(), before)
    assert made.with_options(Options(erode=1)).rgb.base is made.rgb.base  # copied once
    for again in (made, pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert np.array_equal(again.render(), before)
        for array in (again.rgb, again.raw):
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True


def test_a_pipe_that_gives_little_at_a_time(client: MattingClient) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1000))

    photo = astronaut(60, 80)
    assert np.array_equal(client.alpha(Slow(file_of(photo, "PNG"))), client.alpha(photo))


def test_the_package_shows_its_names() -> None:
    assert {*matting_client.__all__} <= {*dir(matting_client)}
