"""The command line's options for what becomes of a cutout: shop pictures, shadows, what the file says."""

from __future__ import annotations

import argparse

from matting_client.options import MAX_DPI
from matting_client.processing import SHADOWS
from matting_client.shop import templates


def add_finishing(parser: argparse.ArgumentParser) -> None:
    """Add them, in a group of their own."""
    group = parser.add_argument_group("shop pictures, shadows and files")
    group.add_argument(
        "--template",
        metavar="NAME",
        default=None,
        help=f"a shop's picture in one step, with a warning for each rule it breaks: {', '.join(templates())}",
    )
    group.add_argument(
        "--canvas",
        metavar="WxH",
        help="the result's exact size, of which the subject fills --scale (default there: 85%%)",
    )
    group.add_argument("--shadow", metavar="|".join(SHADOWS), help="what the subject casts (default: none)")
    group.add_argument("--shadow-opacity", type=int, metavar="0..100", help="how dark it is (default: 50)")
    group.add_argument(
        "--solid",
        action=argparse.BooleanOptionalAction,
        help="make the inside of the subject opaque, as of car windows (default: off)",
    )
    group.add_argument("--max-kb", type=int, metavar="N", help="lower the quality of JPEG and WebP until it fits")
    group.add_argument("--dpi", type=float, metavar=f"1..{MAX_DPI}", help="pixels an inch to write into the file")
    group.add_argument(
        "--keep-exif",
        action=argparse.BooleanOptionalAction,
        help="write when and with what the photo was taken into the file, never where (default: off)",
    )
