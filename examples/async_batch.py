"""A folder's photos, all at once: `async_batch.py PHOTOS OUT_FOLDER [URL]`; one that fails does not stop the others."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import matting_client


async def main(photos: list[Path], out: Path, url: str) -> int:
    """Cut out ``photos`` into the folder ``out``; the number of those that failed."""
    out.mkdir(exist_ok=True)
    async with matting_client.connect_async(url=url) as client:
        results = await asyncio.gather(*(client.cutout(photo) for photo in photos), return_exceptions=True)
    failed = 0
    for photo, result in zip(photos, results, strict=True):
        if isinstance(result, matting_client.MattingError):
            print(result, file=sys.stderr)
            failed += 1
        elif isinstance(result, BaseException):
            raise result
        else:
            result.save(out / f"{photo.stem}.png")
    return failed


if __name__ == "__main__":
    folder, out, *url = sys.argv[1:]
    photos = sorted(path for path in Path(folder).iterdir() if path.is_file())
    sys.exit(1 if asyncio.run(main(photos, Path(out), url[0] if url else "127.0.0.1:8001")) else 0)
