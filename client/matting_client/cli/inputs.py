"""Which photos a command line means, and where each result goes."""

from __future__ import annotations

import glob
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matting_client.cli.folders import list_folder
from matting_client.cli.overwriting import file_identity
from matting_client.errors import OptionError
from matting_client.imaging.decode import Limits, read_bytes
from matting_client.imaging.encode import FORMAT_OF_SUFFIX, SUFFIX_OF_FORMAT

DEFAULT_FOLDER = Path("outputs")
STANDARD = "-"


@dataclass(frozen=True)
class Job:
    """One photo and where its result goes; None stands for standard input or output. `clash`: why it cannot be done."""

    source: Path | None
    target: Path | None
    clash: str | None = None

    @property
    def name(self) -> str:
        """What messages call the photo."""
        return str(self.source) if self.source else "standard input"


@dataclass(frozen=True)
class Photo:
    """A photo that was named: its file (None for standard input), and the folder of its result within that of all."""

    path: Path | None
    under: Path = Path()


@dataclass(frozen=True)
class Found:
    """What a command line names.

    Attributes
    ----------
    photos : in the order to work on.
    single : whether exactly one file was named.
    left_out : lines on what of folders is not worked on.
    """

    photos: list[Photo]
    single: bool
    left_out: list[str]


def find_photos(inputs: list[str], recursive: bool = False, out: str | None = None) -> Found:
    """Photos named by files, folders, globs and "-".

    Of a folder its own pictures are taken, or with `recursive` those of its subfolders, too, whose results keep the
    tree, as those of a glob with ** do. `out`, where results go, is passed over.

    Raises
    ------
    OptionError
        A folder or glob holds no picture, or results would go to the photos' own folder.
    """
    photos: list[Photo] = []
    left_out: list[str] = []
    for text in inputs:
        path = Path(text)
        if text == STANDARD:
            photos.append(Photo(None))
        elif path.is_dir():
            folder = Path(out) if out else DEFAULT_FOLDER
            if file_identity(folder) == file_identity(path):  # the next run would take the results for photos
                raise OptionError(f"-o {folder}", "the photos' own folder", "one for the results", "name another")
            listing = list_folder(path, recursive, folder)
            left_out += listing.lines(path)
            if not listing.photos:
                raise OptionError(path, "a folder without pictures", "some", "; ".join(left_out))
            photos += [Photo(each, each.parent.relative_to(path)) for each in listing.photos]
        elif not path.exists() and glob.has_magic(text):
            photos += _match(text)
        else:
            photos.append(Photo(path))
    return Found(photos, len(inputs) == 1 and len(photos) == 1 and not Path(inputs[0]).is_dir(), left_out)


def _match(pattern: str) -> list[Photo]:
    """Files that match, those of a ** with their folders below what was named plainly."""
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
    files = [path for path in matches if not path.is_dir()]
    if not files:
        raise OptionError(pattern, "no matching file", remedy="check the pattern")
    if "**" not in pattern:
        return [Photo(path) for path in files]
    plain = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    return [Photo(path, path.parent.relative_to(plain)) for path in files]


def output_format(out: str | None, single: bool) -> str | None:
    """The format that the suffix of -o asks for, when it names a file."""
    return FORMAT_OF_SUFFIX.get(Path(out).suffix.lower()) if out and single and not is_folder(out) else None


def is_folder(out: str) -> bool:
    """Whether a name for results is one of a folder, whatever it ends with."""
    return out.endswith("/") or Path(out).is_dir()


def pair_with_results(found: Found, out: str | None, format: str, reads: Iterable[Path] = ()) -> list[Job]:
    """Pair every photo with its result.

    Photos of one folder whose results would have the same name all keep their suffix in it, whichever came first: a
    photo that is added later takes no other's result. Results that would replace a photo, another file that is read,
    or another result become jobs with a `clash`.

    Parameters
    ----------
    reads : what is read beside the photos.

    Raises
    ------
    OptionError
        The inputs and -o do not fit together.
    """
    photos = found.photos
    single = found.single
    if out == STANDARD or (out is None and photos == [Photo(None)]):
        if not single:
            raise OptionError("-o -", f"{len(photos)} photos", "one for standard output", "name a folder")
        return [Job(photos[0].path, None)]
    if out is not None and single and Path(out).suffix and not is_folder(out):
        if output_format(out, single) is None:
            raise OptionError(
                f"-o {out}", f"the suffix {Path(out).suffix}", ".png, .jpg or .webp", "end a folder's name with /"
            )
        return _checked([(photos[0].path, Path(out))], reads)
    if out is not None and Path(out).suffix.lower() in FORMAT_OF_SUFFIX and not is_folder(out):
        raise OptionError(f"-o {out}", f"one file for {len(photos)} photos", "a folder", "name one")
    folder = Path(out) if out is not None else DEFAULT_FOLDER
    if folder.exists() and not folder.is_dir():
        expected = "a folder, or a name that ends with .png, .jpg or .webp" if single else "a folder"
        raise OptionError(f"-o {folder}", "a file", expected)
    return _checked(_targets(photos, folder, SUFFIX_OF_FORMAT[format]), reads)


def _targets(photos: list[Photo], folder: Path, suffix: str) -> list[tuple[Path | None, Path]]:
    alike: dict[tuple[Path, Path, str], set[str]] = defaultdict(set)
    for photo in photos:
        if photo.path:
            alike[_stem(photo.path, photo.under)].add(photo.path.name)
    pairs: list[tuple[Path | None, Path]] = []
    for photo in photos:
        name = "stdin"
        if photo.path:
            is_alone = len(alike[_stem(photo.path, photo.under)]) == 1
            name = photo.path.stem if is_alone else photo.path.name
        pairs.append((photo.path, folder / photo.under / (name + suffix)))
    return pairs


def _stem(path: Path, under: Path) -> tuple[Path, Path, str]:
    """The same for photos whose results would have the same name; case does not tell files apart everywhere."""
    return path.parent, under, path.stem.lower()


def _checked(pairs: list[tuple[Path | None, Path]], reads: Iterable[Path]) -> list[Job]:
    photos = {file_identity(photo) for photo, _ in pairs if photo}
    others = {file_identity(path) for path in reads}
    taken: dict[Path, Path | None] = {}
    jobs = []
    for source, target in pairs:
        clash = None
        here = file_identity(target)
        if here in photos:
            clash = f"the result would replace the photo {target}; choose another -o"
        elif here in others:
            clash = f"the result would replace {target}, which is read; choose another -o"
        elif target in taken:
            clash = f"{target} is the result of {taken[target] or 'standard input'} already; rename one of the photos"
        taken.setdefault(target, source)
        jobs.append(Job(source, target, clash))
    return jobs


def file_named(text: str) -> Path | None:
    """The file that a text of the command line names; None is standard input."""
    return None if text == STANDARD else Path(text)


def read_named(path: Path | None) -> bytes:
    """The bytes of a file, or of standard input.

    Raises
    ------
    InputError
        As of `read_bytes`.
    """
    return read_bytes(path) if path else sys.stdin.buffer.read(Limits().max_bytes + 1)
