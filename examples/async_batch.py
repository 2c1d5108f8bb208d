"""A folder's photos, all at once; one that fails does not stop the others."""

from __future__ import annotations

import argparse
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder")
    parser.add_argument("out", type=Path, help="a folder")
    parser.add_argument("url", nargs="?", default="127.0.0.1:8001")
    given = parser.parse_args()
    found = sorted(path for path in given.photos.iterdir() if path.is_file())
    failed = asyncio.run(main(found, given.out, given.url))
    sys.exit(1 if failed else 0)
