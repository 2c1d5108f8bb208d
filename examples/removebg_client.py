"""The PyPI client `removebg`, only its address changed: `removebg_client.py PHOTO [URL]` writes PHOTO_no_bg.png."""

from __future__ import annotations

import os
import sys

import removebg.removebg as client

photo, *url = sys.argv[1:]
client.API_ENDPOINT = f"{url[0] if url else 'http://127.0.0.1:7860'}/v1.0/removebg"
client.RemoveBg("any key", os.devnull).remove_background_from_img_file(photo, size="full")
