"""Which photos a command line means, and where each result goes."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

from matting_client.errors import OptionError
from matting_client.imaging.decode import SUFFIXES

DEFAULT_FOLDER = Path("outputs")
STANDARD = "-"
FORMAT_OF_SUFFIX = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
SUFFIX_OF_FORMAT = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


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


def find_photos(inputs: list[str]) -> tuple[list[Path | None], bool]:
    """Photos named by files, folders (their own pictures, by name), globs and "-"; and whether a single file is named.

    Raises
    ------
    OptionError
        A folder or glob holds no picture.
    """
    found: list[Path | None] = []
    for text in inputs:
        path = Path(text)
        if text == STANDARD:
            found.append(None)
        elif path.is_dir():
            inside: list[Path | None] = [
                p for p in sorted(path.iterdir()) if p.suffix.lower() in SUFFIXES and p.is_file()
            ]
            if not inside:
                raise OptionError(f"{path}: got a folder without pictures, expected {', '.join(SUFFIXES)} files")
            found += inside
        elif not path.exists() and glob.has_magic(text):
            matches: list[Path | None] = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
            if not matches:
                raise OptionError(f"{text}: got no matching file; check the pattern")
            found += matches
        else:
            found.append(path)
    single = len(inputs) == 1 and len(found) == 1 and not Path(inputs[0]).is_dir()
    return found, single


def output_format(out: str | None, single: bool) -> str | None:
    """The format that the suffix of -o asks for, when it names a file."""
    return FORMAT_OF_SUFFIX.get(Path(out).suffix.lower()) if out and single and not _is_folder(out) else None


def _is_folder(out: str) -> bool:
    return out.endswith("/") or Path(out).is_dir()


def plan(inputs: list[str], out: str | None, format: str) -> list[Job]:
    """Pair every photo with its result.

    Two photos that would get the same name, and results that would replace a photo, become jobs with a `clash`.

    Raises
    ------
    OptionError
        The inputs and -o do not fit together.
    """
    photos, single = find_photos(inputs)
    if out == STANDARD or (out is None and photos == [None]):
        if not single:
            raise OptionError(f"-o -: got {len(photos)} photos, expected one for standard output; name a folder")
        return [Job(photos[0], None)]
    if out is not None and single and Path(out).suffix and not _is_folder(out):
        if output_format(out, single) is None:
            raise OptionError(
                f"-o {out}: got the suffix {Path(out).suffix}, expected .png, .jpg or .webp; end a folder's name with /"
            )
        return _checked([(photos[0], Path(out))])
    if out is not None and Path(out).suffix.lower() in FORMAT_OF_SUFFIX and not _is_folder(out):
        raise OptionError(f"-o {out}: got one file for {len(photos)} photos, expected a folder; name one")
    folder = Path(out) if out is not None else DEFAULT_FOLDER
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"-o {folder}: got a file, expected a folder for {len(photos)} photos")
    return _checked([(p, folder / ((p.stem if p else "stdin") + SUFFIX_OF_FORMAT[format])) for p in photos])


def _checked(pairs: list[tuple[Path | None, Path]]) -> list[Job]:
    sources = {p.resolve() for p, _ in pairs if p}
    taken: dict[Path, Path | None] = {}
    jobs = []
    for source, target in pairs:
        clash = None
        if target.resolve() in sources:
            clash = f"the result would replace the photo {target}; choose another -o"
        elif target in taken:
            clash = f"{target} is the result of {taken[target]} already; rename one of the photos"
        taken.setdefault(target, source)
        jobs.append(Job(source, target, clash))
    return jobs
