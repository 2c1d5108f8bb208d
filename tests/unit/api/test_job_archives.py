"""ZIPs whose list of contents is hostile."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from matting_api.errors import ApiError
from matting_api.jobs.archive import open_archive, read_entry
from matting_api.jobs.job import Job
from matting_api.jobs.sources import SOURCE, Elsewhere, list_archive, open_source

from tests.unit.api.conftest import Serve, error
from tests.unit.api.test_jobs import packed, results, wait

MUTATIONS = 1500


def entry(name: bytes, comment: int = 0) -> bytes:
    """An entry of the list, of an empty file at the archive's beginning."""
    return struct.pack(
        "<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, len(name), 0, comment, 0, 0, 0, 0
    ) + name + bytes(comment)  # fmt: skip


def ending(count: int, size: int, offset: int = 0) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, offset, 0)


def zip64_ending(count: int, size: int) -> bytes:
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, size, 1)
    return record + locator + ending(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def refused(path: Path, data: bytes) -> ApiError:
    path.write_bytes(data)
    with pytest.raises(ApiError) as raised:
        list_archive(path)
    assert (raised.value.status, raised.value.code) == (400, "invalid_archive")
    return raised.value


def hostile() -> dict[str, bytes]:
    many = entry(b"a.png") * 200_000
    wide = entry(b"a.png", comment=60_000) * 200
    return {
        "many": many + ending(0xFFFF, len(many)),
        "many, and says one": many + ending(1, len(many)),
        "many, with zip64": many + zip64_ending(200_000, len(many)),
        "wide": wide + ending(200, len(wide)),
        "says a size that it has not": entry(b"a.png") + zip64_ending(1, 2**62),
    }


@pytest.mark.parametrize("kind", hostile())
def test_a_long_list_costs_little(kind: str, tmp_path: Path) -> None:
    data = hostile()[kind]
    tracemalloc.start()
    try:
        refused(tmp_path / "a.zip", data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(data) + 10 * 2**20  # what is read; the objects of 200,000 entries are 63 MB more


def test_a_full_job_fits_with_what_a_mac_adds(tmp_path: Path) -> None:
    names = [f"{'a long folder ' * 8}/{number:06}.png" for number in range(10_000)]
    listed = b"".join(entry(f"{name}".encode()) + entry(f"__MACOSX/._{name}".encode()) for name in names)
    (tmp_path / "a.zip").write_bytes(listed + ending(20_000, len(listed)))
    assert list_archive(tmp_path / "a.zip") == names


def test_names_that_cannot_be_used(serve: Serve, disc: bytes, tmp_path: Path) -> None:
    for name in (b"", b"\0hidden.png", b"a" * 1021 + b".png"):
        told = refused(tmp_path / "a.zip", entry(name) + ending(1, len(entry(name))))
        assert "expected 1 to 1024" in told.detail and len(told.detail) < 200
    longest = "a" * 1020 + ".png"
    (tmp_path / "a.zip").write_bytes(packed({longest: disc}))
    assert list_archive(tmp_path / "a.zip") == [longest]
    sent = entry(b"") + ending(1, 46)
    answer = serve().post("/v1/jobs", files={"archive": ("a.zip", sent)})
    assert (answer.status_code, error(answer)["code"]) == (400, "invalid_archive")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_mutated_archives_are_invalid_and_nothing_else(method: int, tmp_path: Path) -> None:
    """Whatever is raised, when it is opened or unpacked, is an error that the API knows."""
    path = tmp_path / SOURCE
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in ("a.png", "b/ü.png", "c.png"):
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.extra = struct.pack("<HHQQ", 1, 16, 300, 300)
            archive.writestr(info, name * 100)
    whole = path.read_bytes()
    draw = random.Random(0)
    seen = 0
    for _ in range(MUTATIONS):
        data = bytearray(whole)
        for _ in range(draw.choice((1, 1, 2, 5))):
            data[draw.randrange(len(data))] = draw.choice((0, 1, 255, draw.randrange(256)))
        path.write_bytes(data[: draw.choice((len(data), len(data), draw.randrange(len(data))))])
        try:
            names = list_archive(path)
            job = Job("job", tmp_path, {"names": names, "by_address": False}, len(names))
            with open_source(job, Elsewhere(), 1000) as read:
                for number in range(len(names)):
                    read(number)
        except ApiError as told:
            assert told.code in ("invalid_archive", "file_too_large")
            seen += 1
    assert seen > MUTATIONS / 10


def test_folders_as_some_packers_of_windows_write_them(serve: Serve, disc: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("shop\\", "shop\\a.png", "shop\\.hidden.png", "b/a.png"):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 0
            archive.writestr(entry, b"" if name.endswith("\\") else disc)
        archive.writestr("c\\d.png", disc)  # a name on the other systems
    client = serve()
    begun = client.post("/v1/jobs", files={"archive": ("a.zip", (tmp_path / "a.zip").read_bytes())})
    files, told = results(client, wait(client, begun.json(), "done", "failed"))
    assert [each["photo"] for each in told] == ["shop/a.png", "b/a.png", "c\\d.png"]
    assert list(files) == ["a-cutout.png", "a-cutout-2.png", "c_d-cutout.png"]


def test_a_photo_with_a_password_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", b"x")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    with open_archive(tmp_path / "a.zip") as archive, pytest.raises(ApiError, match="without a password"):
        read_entry(archive, archive.infolist()[0], 1000)


class Named(zipfile.ZipInfo):
    """An entry whose name is stored in cp437's bytes, whatever these are, and said to be no UTF-8."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("cp437"), 0


def test_names_are_read_as_their_packer_wrote_them(tmp_path: Path, serve: Serve, disc: bytes) -> None:
    """macOS and Info-ZIP write UTF-8 without saying so, others an old code page with the name in UTF-8 beside it."""
    raw = "M├╝nchen.png".encode("cp437")  # the bytes that Müller's ZIP would have
    assert raw.decode("utf-8") == "München.png"
    old = "Grüße.png".encode("cp850")
    beside = b"\x01" + struct.pack("<L", zlib.crc32(old)) + "Grüße 名.png".encode()
    stale = b"\x01" + struct.pack("<L", 0) + b"evil.png"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, extra in ((raw, b""), (old, beside), ("é.png".encode("cp437"), stale), (b"a.png", b"")):
            entry = Named(name.decode("cp437"))
            entry.extra = struct.pack("<HH", 0x7075, len(extra)) + extra if extra else b""
            archive.writestr(entry, disc)
        archive.writestr("名.png", disc)
    expected = ["München.png", "Grüße 名.png", "é.png", "a.png", "名.png"]
    assert list_archive(tmp_path / "a.zip") == expected
    client = serve()
    begun = client.post("/v1/jobs", files={"archive": ("a.zip", (tmp_path / "a.zip").read_bytes())})
    files, told = results(client, wait(client, begun.json(), "done", "failed"))
    assert [each["photo"] for each in told] == expected
    assert sorted(files) == sorted(f"{name.removesuffix('.png')}-cutout.png" for name in expected)
