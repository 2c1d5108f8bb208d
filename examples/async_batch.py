"""Many photos at once: `async_batch.py OUT_FOLDER URL PHOTO...`; one that fails does not stop the others."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import matting_client


async def main(folder: Path, url: str, photos: list[str]) -> int:
    """Cut out ``photos`` into ``folder``; the number of those that failed."""
    folder.mkdir(exist_ok=True)
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
            result.save(folder / f"{Path(photo).stem}.png")
    return failed


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])) else 0)
