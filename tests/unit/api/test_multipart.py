"""The parts of a form: how much of them lies in memory, and what is ended while it comes."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from typing import cast

import httpx
import pytest
from matting_api.errors import ApiError
from matting_api.request import multipart
from matting_api.request.body import FILES
from matting_api.request.multipart import MAX_FIELD_BYTES, MEMORY_BYTES, MOST_ON_DISK, Part, read_parts

from tests.unit.api.test_limits import MB, answer, connection
from tests.unit.api.test_removebg import PATH

TYPE = "multipart/form-data; boundary=b"


def part_of(name: str, data: bytes, file: str = "") -> bytes:
    named = f'; filename="{file}"' if file else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + data + b"\r\n"


def in_memory(parts: Iterable[Part]) -> int:
    """Bytes of parts that are not on disk."""
    held = 0
    for part in parts:
        file = cast("tempfile.SpooledTemporaryFile[bytes]", part.file.file)
        held += 0 if file._rolled else len(file._file.getvalue())  # type: ignore[attr-defined]
    return held


def read(chunks: Iterable[bytes], kind: str = TYPE) -> tuple[list[bytes], int]:
    """The contents of all parts, and the most bytes of them that were in memory at once."""
    seen: dict[int, Part] = {}
    most = 0

    def note(part: Part) -> None:
        nonlocal most
        seen[id(part)] = part
        most = max(most, in_memory(seen.values()))

    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def whole() -> list[bytes]:
        async with read_parts(stream(), kind, note) as parts:
            return [await part.file.read() for part in parts]

    return asyncio.run(whole()), most


@pytest.mark.parametrize("chunk", [1000, 10**6])
def test_all_parts_share_the_memory_of_one(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(multipart, "MEMORY_BYTES", 10_000)
    sent = [bytes([number]) * size for number, size in enumerate((9000, 500, 30_000, 0, 4000, 7000, 100))]
    body = b"".join(part_of(f"a{number}", data, "x") for number, data in enumerate(sent)) + b"--b--"
    read_back, most = read(body[start : start + chunk] for start in range(0, len(body), chunk))
    assert read_back == sent and 4000 < most <= 10_000


def test_files_on_disk_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a descriptor, and many parts that are just too large for what is left must not take one each."""
    monkeypatch.setattr(multipart, "MEMORY_BYTES", 1000)
    fit, too_many = (b"".join(part_of(f"a{n}", bytes(1001)) for n in range(MOST_ON_DISK + more)) for more in (0, 1))
    assert len(read([fit + b"--b--"])[0]) == MOST_ON_DISK
    with pytest.raises(ApiError, match="Form too large"):
        read([too_many + b"--b--"])
    assert len(FILES) + 1 < MOST_ON_DISK  # all that a photo's form may have


def test_one_uploads_memory_times_all_is_within_their_bound() -> None:
    from matting_api.middleware.incoming import MEMORY_BYTES as OF_ALL
    from matting_api.middleware.incoming import MOST_BODIES

    assert MOST_BODIES * MEMORY_BYTES <= OF_ALL


@pytest.mark.parametrize(
    ("kind", "name"), [(f'; a="{";" * 60_000}"', ""), (f"; a*{'9' * 5000}=b", ""), ("", "\"; filename*=\"undefined''x")]
)
def test_an_odd_header_costs_nothing(kind: str, name: str) -> None:
    start = time.thread_time()
    with pytest.raises(ApiError, match="Invalid form"):
        read([part_of("a" + name, b"b") + b"--b--"], TYPE + kind)
    assert time.thread_time() - start < 0.5


@pytest.mark.parametrize(
    ("path", "name", "file", "code"),
    [
        (PATH, "size", "", "invalid_parameter"),
        (PATH, "image_url", "x", "invalid_parameter"),
        ("/v1/cutout", "anything", "", "invalid_parameter"),
        ("/v1/cutout", "anything", "x", "unsupported_parameter"),
        ("/v1/cutout", "image_file", "", "invalid_image_file"),
        ("/v1/jobs", "format", "", "invalid_parameter"),
    ],
)
def test_what_is_no_file_is_ended_while_it_comes(api: httpx.Client, path: str, name: str, file: str, code: str) -> None:
    """The answer comes although the end of the body never does."""
    with connection(api) as link:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {TYPE}\r\nContent-Length: {2 * MB}\r\n\r\n"
        link.sendall(head.encode() + part_of(name, bytes(MAX_FIELD_BYTES + 1000), file)[:-2])
        status, body = answer(link)
    assert (status, json.loads(body)["errors"][0]["code"]) == (400, code)
