"""Shop pictures: canvas, shadow, size of the file, and what a shop would object to."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matting_client import Cutout, OptionError, Options, OutputError, templates
from matting_client.framing import CANVAS_SCALE
from matting_client.processing import fill_inside, subject_box
from matting_client.processing.shadow import lay_under, shadow_of
from matting_client.shop import broken_rules, template
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.unit.client.conftest import RunCommand


def jar(**options: object) -> Cutout:
    """A brown box that stands in a photo of 600 x 400, 100 px wide and 200 high."""
    rgb = np.full((400, 600, 3), 90, np.uint8)
    pha = np.zeros((400, 600), np.uint8)
    pha[150:350, 50:150] = 255
    rgb[pha > 0] = (150, 90, 40)
    return Cutout(rgb, pha, Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("canvas", "scale", "size", "share"),
    [
        ("800x800", "original", (800, 800), CANVAS_SCALE),
        ("500", "50%", (500, 500), 0.5),
        ("900x300", "90%", (900, 300), 0.9),
        ("251x250", "80%", (251, 250), 0.8),  # in its own size, with room that has no middle
    ],
)
def test_a_canvas_has_its_size_and_the_subject_its_share(
    canvas: str, scale: str, size: tuple[int, int], share: float
) -> None:
    pha = jar(canvas=canvas, scale=scale, foreground=False).layers()[1]
    assert pha.shape == size[::-1]
    box = subject_box(pha)
    assert box is not None
    assert box.height == pytest.approx(share * size[1], rel=0.01)
    assert (box.left + box.right) / 2 == pytest.approx(size[0] / 2, abs=1.5)
    assert (box.top + box.bottom) / 2 == pytest.approx(size[1] / 2, abs=1.5)


def test_a_canvas_without_a_subject_shows_the_photo() -> None:
    empty = Cutout(np.zeros((40, 80, 3), np.uint8), np.zeros((40, 80), np.uint8), Options(canvas="64"))
    assert empty.render().shape == (64, 64, 4)


@pytest.mark.parametrize("text", ["0x10", "20000", "10000x10000", "800 x 800", "x800", "800x", "8e2"])
def test_a_canvas_has_bounds(text: str) -> None:
    with pytest.raises(OptionError, match="canvas: got"):
        Options(canvas=text)


def test_a_drop_shadow_lies_below_and_beside() -> None:
    pha = jar().alpha
    shadow = shadow_of(pha, "drop")
    assert shadow is not None and shadow.shape == pha.shape and shadow.min() >= 0 and shadow.max() <= 1
    assert shadow[353, 100] > shadow[146, 100] and shadow[250, 152] > shadow[250, 47]
    assert shadow[20, 500] == 0


def test_a_contact_shadow_lies_where_the_subject_stands() -> None:
    pha = jar().alpha.copy()
    shadow = shadow_of(pha, "contact")
    assert shadow is not None
    assert shadow[352, 100] > 0.3 and shadow[200, 100] < 0.01 and shadow[352, 400] == 0
    pha[150:, 50:150] = 255  # cut off by the lower edge
    assert shadow_of(pha, "contact") is None and shadow_of(pha, "none") is None
    assert shadow_of(np.pad(np.full((1, 9000), 255, np.uint8), ((3, 7), (0, 0))), "contact") is not None


def test_a_shadow_in_the_layers_looks_the_same_on_any_background() -> None:
    """As the background darkened first and the subject laid over it."""
    pha = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    fgr = np.full((64, 64, 3), 200, np.uint8)
    shadow = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[:, None], (1, 64))
    colours, alpha = (each.astype(float) for each in lay_under(fgr, pha, shadow))
    for bgr in (0, 100, 255):
        a, whole = pha / 255, alpha / 255
        expected = 200 * a + bgr * (1 - shadow) * (1 - a)
        assert np.abs(colours[..., 0] * whole + bgr * (1 - whole) - expected).max() < 1.5


def test_a_shadow_darkens_the_ground_and_not_the_subject() -> None:
    plain, cast = (jar(background="white", shadow=kind).render().astype(int) for kind in ("none", "contact"))
    assert (cast <= plain).all() and cast[353, 100].max() < 235 and plain[353, 100].min() == 255
    assert (cast[200:300, 60:140] == plain[200:300, 60:140]).all()
    darker = jar(background="white", shadow="contact", shadow_opacity=100).render()
    assert darker[353, 100].max() < cast[353, 100].min()


def test_what_lies_inside_becomes_solid_and_hair_and_holes_stay() -> None:
    pha = np.zeros((1024, 1024), np.uint8)
    pha[100:900, 100:900] = 255
    pha[300:500, 300:500] = 120  # a window
    pha[600:700, 600:700] = 0  # a hole
    pha[100:900, 900:915] = 100  # hair
    solid = fill_inside(pha)
    assert solid[400, 400] == 255 and solid[650, 650] == 0 and (solid[110:890, 905:915] == 100).all()
    assert (solid >= pha).all()


def photo(side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(data.astronaut()).resize((side, side)))


def of_a_box(rgb: NDArray[np.uint8], **options: object) -> Cutout:
    pha = np.zeros(rgb.shape[:2], np.uint8)
    side = len(rgb) // 8
    pha[side:-side, side:-side] = 255
    return Cutout(rgb, pha, Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_the_file_is_made_to_fit(format: str) -> None:
    cutout = of_a_box(photo(512), format=format, background="white", quality=95)
    full = len(cutout.to_bytes())
    limit = round(full / 2000)
    fitted = cutout.with_options(cutout.options.with_changes(max_kb=limit)).to_bytes()
    assert 0.8 * 1000 * limit < len(fitted) <= 1000 * limit < full
    with pytest.raises(OutputError, match=r"got \d+ kB at quality 30, expected at most 1 kB; make it smaller"):
        cutout.with_options(cutout.options.with_changes(max_kb=1)).to_bytes()
    with pytest.raises(OutputError, match="kB at quality 9, "):
        cutout.with_options(cutout.options.with_changes(max_kb=1, quality=9)).to_bytes()
    with pytest.raises(OptionError, match="max_kb"):
        Options(max_kb=10)


@pytest.mark.parametrize("name", list(templates()))
def test_every_template_makes_what_its_shop_accepts(name: str) -> None:
    shop = template(name)
    cutout = of_a_box(photo(2400), **shop.options)
    result = cutout.encode()
    assert broken_rules(shop, cutout, result) == ()
    assert all(shop.title[language] for language in ("en", "zh"))
    with Image.open(io.BytesIO(result.data)) as picture:
        assert picture.format == shop.options["format"].upper() and "icc_profile" in picture.info


def test_a_png_has_no_largest_size() -> None:
    for shop in templates().values():
        assert shop.make(format="png").max_kb is None


def test_broken_rules_are_named() -> None:
    shop = template("amazon")
    small = jar(**{**shop.options, "canvas": "900x600", "scale": "40%", "background": "#fefefe", "format": "webp"})
    said = " | ".join(broken_rules(shop, small, small.encode()))
    for text in (
        "the longer side: got 900 px, expected at least 1000",
        "the subject fills: got 40 %, expected at least 85",
        "got webp, expected jpeg or png",
        "not pure white",
    ):
        assert text in said
    chinese = " | ".join(broken_rules(shop, small, small.encode(), "zh"))
    for text in ("长边为 900 px，要求至少 1000", "主体占比为 40 %", "格式为 webp，要求 jpeg 或 png", "不是纯白"):
        assert text in chinese
    large = jar(**shop.options)
    assert broken_rules(shop, large, large.encode()) == ("the subject was enlarged 9.0 times; take a larger photo",)
    empty = Cutout(np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), np.uint8), shop.make())
    told = broken_rules(shop, empty, empty.encode())
    assert "got a picture without a subject" in told and "enlarged" not in " | ".join(told)
    drawn = jar(**{**shop.options, "background": "studio"})
    assert "got a background that is not pure white" in " | ".join(broken_rules(shop, drawn, drawn.encode()))
    with pytest.raises(OptionError, match="template: got 'nowhere', expected one of amazon, "):
        template("nowhere")


def test_the_command_line_makes_it_and_warns(matting: RunCommand, tmp_path: Path) -> None:
    picture = np.full((300, 300, 3), 30, np.uint8)
    picture[100:200, 120:180] = 250
    Image.fromarray(picture).save(tmp_path / "lamp.png")
    done = matting("cutout", "lamp.png", "-o", "lamp.jpg", "--engine", "local", "--template", "taobao", "--dpi", "96")
    assert done.returncode == 0, done.stderr
    assert b"lamp.png: warning: the subject was enlarged" in done.stderr
    with Image.open(tmp_path / "lamp.jpg") as made:
        assert (made.size, made.info["dpi"]) == ((800, 800), (96, 96))
    picture[200:, 120:180] = 250
    Image.fromarray(picture).save(tmp_path / "cut.png")
    done = matting("cutout", "cut.png", "-o", "out.png", "--engine", "local", "--shadow", "contact")
    assert done.returncode == 0 and b"cut.png: warning: no shadow was drawn" in done.stderr
    both = matting("cutout", "lamp.png", "--engine", "local", "--template", "taobao", "--preset", "product")
    assert both.returncode == 2 and b"expected one of them; leave one out" in both.stderr
