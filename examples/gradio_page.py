"""The page's function: `gradio_page.py PHOTO OUT.png [URL]`."""

from __future__ import annotations

import shutil
import sys

from gradio_client import Client, handle_file

photo, out, *url = sys.argv[1:]
page = Client(url[0] if url else "http://127.0.0.1:7860", verbose=False)
result = page.predict(photo=handle_file(photo), api_name="/cut_out")
shutil.copy(result[0] if isinstance(result, (list, tuple)) else result, out)
