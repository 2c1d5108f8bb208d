"""How long the page takes to follow a slider: `python -m matting_bench.page` beside a running `matting ui`.

A photo is cut out once; then a control is moved again and again, as the page does it: through the queue, until the
addresses of the new pictures have come. What the browser needs to fetch and draw them is not in it.
"""

from __future__ import annotations

import io
import json
import secrets
import time
from typing import Any

import httpx
import numpy as np
from matting_client.cli.parser import Parser
from PIL import Image
from skimage import data

SIZE = 3464  # pixels of both sides of the portrait: 12 megapixels
SECONDS = 0.15  # a move shall take no longer
WARM = 5  # moves that do not count


class Visitor:
    """A visit to the page, over HTTP alone."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)
        self._session = secrets.token_hex(6)
        config = self._http.get("/config").raise_for_status().json()
        self._functions = {each["api_name"]: each for each in config["dependencies"]}
        self._parts = {each["id"]: each["props"] for each in config["components"]}

    def upload(self, photo: bytes) -> dict[str, Any]:
        """Send a photo; returns what stands for it in a call."""
        (path,) = self._http.post("/gradio_api/upload", files={"files": ("photo.jpg", photo)}).raise_for_status().json()
        return {"path": path, "orig_name": "photo.jpg", "meta": {"_type": "gradio.FileData"}}

    def call(self, name: str, **moved: Any) -> None:
        """Call a function with the controls as they are at first, but for those named, by element; wait for its end.

        Raises
        ------
        RuntimeError
            It failed.
        """
        function = self._functions[name]
        parts = [self._parts[each] for each in function["inputs"]]
        values = [moved.get(str(part.get("elem_id")).replace("-", "_"), part.get("value")) for part in parts]
        call = {"data": values, "fn_index": function["id"], "session_hash": self._session}
        self._http.post("/gradio_api/queue/join", json=call).raise_for_status()
        with self._http.stream("GET", f"/gradio_api/queue/data?session_hash={self._session}") as answers:
            for line in answers.iter_lines():
                answer = json.loads(line.removeprefix("data: ")) if line else {}
                if answer.get("msg") == "process_completed" and not answer["success"]:
                    raise RuntimeError(f"{name}: {answer['output']}")


def time_moves(url: str, count: int) -> list[float]:
    """Seconds of each of `count` moves, between which a visitor pauses for a moment."""
    buffer = io.BytesIO()
    portrait = Image.fromarray(data.astronaut()).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    portrait.save(buffer, "JPEG", quality=92)
    visitor = Visitor(url)
    visitor.call("cutout", photo=visitor.upload(buffer.getvalue()))
    seconds = []
    for index in range(count + WARM):
        time.sleep(0.1)
        start = time.perf_counter()
        visitor.call("recompose", alpha_threshold=index % 51, erode=index % 6)
        seconds.append(time.perf_counter() - start)
    return seconds[WARM:]


def main() -> None:
    """Print what was measured."""
    parser = Parser(prog="python -m matting_bench.page", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:7860", help="of the page (default: %(default)s)")
    parser.add_argument("--moves", type=int, default=100, metavar="N", help="default: %(default)s")
    given = parser.parse_args()
    found = 1000 * np.array(time_moves(given.url, given.moves))
    low, middle, high, worst = np.percentile(found, (5, 50, 95, 100))
    print(f"{len(found)} moves: median {middle:.0f} ms, 5 % {low:.0f} ms, 95 % {high:.0f} ms, worst {worst:.0f} ms")
    print(f"{(found < 1000 * SECONDS).mean():.0%} within {1000 * SECONDS:.0f} ms")


if __name__ == "__main__":
    main()
