"""Pre- and post-processing with numpy and OpenCV alone, shared by training, export, client, page and API."""

from matting_client.processing.backdrops import (
    BACKDROPS,
    BLUR,
    blur_around,
    draw_backdrop,
    fitted_backdrop,
    window_behind,
)
from matting_client.processing.closeup import alpha_beyond, locate, widened
from matting_client.processing.compose import compose_colour, compose_picture, compose_translucent, cutout_rgba
from matting_client.processing.correction import paint_mask, paint_stroke
from matting_client.processing.cover import share_of, within_cover
from matting_client.processing.crop import (
    Box,
    Window,
    clear_outside,
    place_on_canvas,
    place_window,
    render_window,
    subject_box,
)
from matting_client.processing.doubt import is_empty, uncertainty
from matting_client.processing.edge import edge_band, erode, feather, fill_inside, threshold
from matting_client.processing.foreground import estimate_foreground
from matting_client.processing.letterbox import PAD_RGB, Letterbox, letterbox, unletterbox, without_padding
from matting_client.processing.light import in_white_light, to_white
from matting_client.processing.refine import refine
from matting_client.processing.shadow import SHADOWS, cast_shadow, shadow_notes
from matting_client.processing.solid import solidify
from matting_client.processing.subjects import Subject, keep_subjects, list_subjects, remove_subject
from matting_client.processing.upright import quarters_turned, rotated

__all__ = [
    "BACKDROPS",
    "BLUR",
    "PAD_RGB",
    "SHADOWS",
    "Box",
    "Letterbox",
    "Subject",
    "Window",
    "alpha_beyond",
    "blur_around",
    "cast_shadow",
    "clear_outside",
    "compose_colour",
    "compose_picture",
    "compose_translucent",
    "cutout_rgba",
    "draw_backdrop",
    "edge_band",
    "erode",
    "estimate_foreground",
    "feather",
    "fill_inside",
    "fitted_backdrop",
    "in_white_light",
    "is_empty",
    "keep_subjects",
    "letterbox",
    "list_subjects",
    "locate",
    "paint_mask",
    "paint_stroke",
    "place_on_canvas",
    "place_window",
    "quarters_turned",
    "refine",
    "remove_subject",
    "render_window",
    "rotated",
    "shadow_notes",
    "share_of",
    "solidify",
    "subject_box",
    "threshold",
    "to_white",
    "uncertainty",
    "unletterbox",
    "widened",
    "window_behind",
    "within_cover",
    "without_padding",
]
