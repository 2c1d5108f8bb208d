"""Which part of a photo a result shows, as the options want it."""

from __future__ import annotations

import math

from matting_client import processing
from matting_client.lengths import parse_canvas, parse_margins, parse_position, parse_scale, parse_size
from matting_client.options import Options
from matting_client.types import Alpha

CANVAS_SCALE = 0.85  # of a canvas that the subject fills where nothing else is said
MIDDLE = (0.5, 0.5)


def window_of(options: Options, pha: Alpha) -> processing.Window:
    """The part of the photo that the result shows, and the size it is drawn with.

    Parameters
    ----------
    options : its `crop`, `crop_margin`, `scale`, `position`, `canvas` and `size` count.
    pha : (H, W) alpha of the photo.
    """
    height, width = pha.shape
    scale = parse_scale(options.scale)
    if options.canvas is not None:
        placed = processing.place_on_canvas(
            (height, width),
            processing.subject_box(pha),
            parse_canvas(options.canvas),
            scale or CANVAS_SCALE,
            parse_position(options.position or "center") or MIDDLE,
        )
        return placed.limited(*parse_size(options.size))
    window = processing.Window(0, 0, width, height, (width, height))
    position = parse_position(options.position or ("original" if scale is None else "center"))
    if options.crop or scale is not None or position is not None:
        box = processing.subject_box(pha)
        if box is not None:  # nothing to crop to otherwise
            margins = _margins(options, box)
            window = processing.place_window((height, width), box, margins, scale, position)
    return window.limited(*parse_size(options.size))


def more_pixels(options: Options, photo: int) -> int:
    """How many pixels a result may have beside the `photo` ones of its photo, which are held anyway."""
    if options.canvas:
        result = math.prod(parse_canvas(options.canvas))
        held = 0
    elif options.crop:
        side = math.isqrt(photo)
        top, right, bottom, left = (each.of(side) for each in parse_margins(options.crop_margin))
        result = (left + side + right) * (top + side + bottom)
        held = photo
    else:
        return 0
    longest, area = parse_size(options.size)
    return max(0, int(min(result, area, longest**2)) - held)


def _margins(options: Options, box: processing.Box) -> tuple[int, int, int, int] | None:
    if not options.crop:
        return None
    top, right, bottom, left = parse_margins(options.crop_margin)
    return top.of(box.height), right.of(box.width), bottom.of(box.height), left.of(box.width)
