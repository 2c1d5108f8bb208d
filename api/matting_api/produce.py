"""From bytes of a photo to the file that was asked for."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

import cv2
import numpy as np
from matting_client import OptionError
from matting_client.budget import room_for
from matting_client.correction import Correction
from matting_client.cutout import Cutout
from matting_client.files import Encoded
from matting_client.framing import more_pixels
from matting_client.idphoto import IdAsked
from matting_client.imaging.decode import GREY, decode, decode_photo
from matting_client.imaging.encode import MEDIA_TYPES, SUFFIX_OF_FORMAT, encode
from matting_client.processing import cast_shadow, compose_translucent, shadow_notes
from matting_client.processing.scene import Scene, compose_scene, limited, scene_notes
from matting_client.shop import broken_rules
from matting_client.timing import Stopwatch, Timings
from matting_client.types import Alpha, Image

from matting_api.errors import bad_request
from matting_api.model_client import Service
from matting_api.request.fields import invalid
from matting_api.request.parameters import Asked

SHEET_PIXELS = 9_000_000  # of the largest sheet of ID photos, A4 at 300 dpi
SUFFIXES = {
    **{MEDIA_TYPES[format]: suffix for format, suffix in SUFFIX_OF_FORMAT.items()},
    "application/zip": ".zip",
    "application/pdf": ".pdf",
}


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A file, its media type, the alpha (h, w) of the subject in it, and the seconds of each step from the photo on."""

    data: bytes
    media_type: str
    pha: Alpha  # without a shadow; 255 all over where the whole picture counts
    timings: Timings
    notes: tuple[str, ...] = ()  # what to be warned of


@dataclass(frozen=True)
class Facts:
    """What is told of a result beside its file: in the headers of an answer, in the list of a job.

    Attributes
    ----------
    found : False where there is no subject, and the result is empty.
    uncertainty : how doubtful the result is, see `Cutout.uncertainty`; to four places.
    width, height : of the result, in pixels.
    warnings : what the caller should know, a sentence each.
    """

    found: bool
    uncertainty: float
    width: int
    height: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beside:
    """Pictures that came with a photo, each as bytes of a file and what errors call it.

    Attributes
    ----------
    background : to put behind the subject.
    mask : white keeps, black removes, grey and transparent leave the result as it is.
    """

    background: tuple[bytes, str] | None = None
    mask: tuple[bytes, str] | None = None

    @property
    def files(self) -> tuple[tuple[bytes, str], ...]:
        """Those that came."""
        return tuple(each for each in (self.background, self.mask) if each is not None)


def _more_pixels(asked: Asked, photo: int) -> int:
    """How many pixels a result may have beside the `photo` ones of its photo, which are held anyway."""
    if asked.id_photo is not None:
        return SHEET_PIXELS if asked.id_photo.paper else 0
    return more_pixels(asked.options, photo)


def produce(service: Service, photo: tuple[bytes, str], beside: Beside, asked: Asked) -> tuple[Cutout, Result]:
    """Cut out and encode, count it, and keep it where that was asked for; in a thread.

    Parameters
    ----------
    photo : bytes of a file, and what errors call it.
    beside : pictures that came with it.
    asked : what the result is.

    Raises
    ------
    MattingError
    ApiError
        Nothing was found, where that is an error.
    """
    limits = service.settings.limits
    with room_for(*photo, limits, beside=beside.files, made=partial(_more_pixels, asked)):
        # First: they are cheap to refuse.
        behind = decode(*beside.background, limits) if beside.background else None
        mask = cv2.cvtColor(decode_photo(*beside.mask, limits).on(GREY), cv2.COLOR_RGB2GRAY) if beside.mask else None
        cutout = service.cutout(photo[0], asked.options, photo[1], asked.model)
        if mask is not None or asked.correction:
            cutout = _corrected(cutout, mask, asked.correction)
        if cutout.is_empty and asked.must_find:  # it is found here, where there is room, and told of later
            remedy = "another roi, or leave it out" if asked.options.roi else "one with a clear foreground"
            detail = f"{photo[1]}: got a photo in which no subject was found; try {remedy}"
            raise bad_request("unknown_foreground", "Could not identify foreground in image", detail)
        result = _result(cutout, behind, asked)
    service.metrics.spent(result.timings.since(cutout.seconds))
    service.keep(result.data, PurePath(photo[1]).stem, _ending(asked, result.media_type))
    return cutout, result


def facts_of(cutout: Cutout, result: Result, asked: Asked) -> Facts:
    """What is told of a result of `produce`."""
    height, width = result.pha.shape
    warnings = (*map(str, cutout.origin.notes), *asked.notes, *result.notes, *_broken(cutout, result, asked))
    return Facts(not cutout.is_empty, round(cutout.uncertainty, 4), width, height, warnings)


def _corrected(cutout: Cutout, mask: Alpha | None, marks: Correction) -> Cutout:
    """The cutout with a request's corrections; errors name the field, and a remedy that its sender has."""
    try:
        return cutout.corrected(mask, picks=marks.picks, strokes=marks.strokes)
    except OptionError as error:
        remedy = "choose another point, or give it a radius" if marks.picks else "choose another point"
        raise invalid("points", str(error.replace(subject="points", remedy=remedy))) from None


def _ending(asked: Asked, media_type: str) -> str:
    """How a kept result's name ends."""
    kind = "cutout"
    if asked.id_photo:
        kind = asked.id_photo.size.name
    elif asked.options.alpha_only:
        kind = "alpha"
    elif asked.scene:
        kind = "scene"
    return f"-{kind}{SUFFIXES[media_type]}"


def _broken(cutout: Cutout, result: Result, asked: Asked) -> tuple[str, ...]:
    if asked.template is None:
        return ()
    height, width = result.pha.shape
    return broken_rules(
        asked.template, cutout, Encoded(result.data, result.media_type, (width, height), result.timings)
    )


def _result(cutout: Cutout, background: Image | None, asked: Asked) -> Result:
    if asked.id_photo is not None:
        return _id_photo(cutout, asked.id_photo)
    if asked.scene is not None and background is not None:
        return _scene(cutout, background, asked.scene)
    return _zip(cutout) if asked.as_zip else _picture(cutout, background, asked)


def _id_photo(cutout: Cutout, asked: IdAsked) -> Result:
    watch = Stopwatch(cutout.seconds)
    with watch.step("compose"):
        data, photo, (width, height) = asked.make(cutout)
    pha = np.full((height, width), 255, np.uint8)  # photo and sheet are opaque
    media_type = "application/pdf" if asked.format == "pdf" else MEDIA_TYPES["jpeg"]
    return Result(data, media_type, pha, watch.timings, tuple(map(str, photo.warnings)))


def _scene(cutout: Cutout, background: Image, scene: Scene) -> Result:
    watch = Stopwatch(cutout.seconds)
    with watch.step("compose"):
        fgr, shown = cutout.layers()
        picture = compose_scene(fgr, shown, limited(background), scene)
    with watch.step("encode"):
        data = encode(picture, cutout.options.format, cutout.options.quality)
    notes = tuple(map(str, scene_notes(shown, picture.shape, scene)))
    pha = np.full(picture.shape[:2], 255, np.uint8)  # a scene has no holes
    return Result(data, MEDIA_TYPES[cutout.options.format], pha, watch.timings, notes)


def _picture(cutout: Cutout, background: Image | None, asked: Asked) -> Result:
    watch = Stopwatch(cutout.seconds)
    with watch.step("compose"):
        if cutout.options.alpha_only:
            picture = pha = cutout.render()
        else:
            fgr, pha = cutout.subject_layers()
            fgr, shown = _with_shadow(cutout, fgr, pha)
            if asked.translucent is not None:
                picture = compose_translucent(fgr, shown, asked.translucent)
            else:
                picture = cutout.compose(fgr, shown, background)
    with watch.step("encode"):
        data = cutout.encoded(picture)
    return Result(data, MEDIA_TYPES[cutout.options.format], pha, watch.timings, _no_shadow(cutout, pha))


def _with_shadow(cutout: Cutout, fgr: Image, pha: Alpha) -> tuple[Image, Alpha]:
    return cast_shadow(fgr, pha, cutout.options.shadow, cutout.options.shadow_opacity)


def _no_shadow(cutout: Cutout, pha: Alpha) -> tuple[str, ...]:
    """What to be warned of a shadow that was asked for with a subject (h, w)."""
    return () if cutout.options.alpha_only else tuple(map(str, shadow_notes(pha, cutout.options.shadow)))


def _zip(cutout: Cutout) -> Result:
    """Colours and alpha as two files, smaller and quicker to make than a PNG with both."""
    watch = Stopwatch(cutout.seconds)
    with watch.step("compose"):
        fgr, pha = cutout.subject_layers()
        fgr, shown = _with_shadow(cutout, fgr, pha)
    with watch.step("encode"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:  # both are compressed already
            file.writestr("color.jpg", encode(fgr, "jpeg", cutout.options.quality))
            file.writestr("alpha.png", encode(shown, "png"))
    return Result(buffer.getvalue(), "application/zip", pha, watch.timings, _no_shadow(cutout, pha))
