"""Where every picture comes from: `python -m matting_training.manifest DATA SET...` checks sets against the manifest.

`training/manifest.csv` has a row a picture, or one with the stem `*` for a whole set of one origin: set, stem, kind of
subject, how its alpha was made, licence and source. A picture without a row, or of a licence that training must not
use (share-alike, research only, unknown), is named. `_clean` at the end of a set's name is ignored.
`training/left_out.csv` has the pictures that earlier weights learnt from and whose origin, looked at again, is not what
their repository's licence says: they are refused, whatever the manifest says of their set.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from matting_client.cli.parser import Parser, run_alone

from matting_training.data.pairs import DataError, find_pairs, raise_problems

MANIFEST = Path(__file__).resolve().parents[1] / "manifest.csv"
LEFT_OUT = MANIFEST.with_name("left_out.csv")
# How the names of the licences begin that training may use.
ALLOWED = (
    *("CC0", "CC BY", "MIT", "Apache-2.0", "BSD", "0BSD", "Unlicense"),
    *("Unsplash", "Pexels", "public domain", "unrestricted"),
)
FIELDS = ("set", "stem", "kind", "how", "licence", "source")
EXAMPLES = """examples:
  python -m matting_training.manifest ~/matting-data portraits mixed goods_exact
"""


@dataclass(frozen=True)
class Origin:
    """A row of the manifest."""

    set: str
    stem: str
    kind: str
    how: str
    licence: str
    source: str

    @property
    def allowed(self) -> bool:
        """Whether training may use it. CC BY-SA and CC BY-NC begin like CC BY and are not."""
        return self.licence.startswith(ALLOWED) and not self.licence.startswith(("CC BY-", "CC-BY-"))


def read(path: Path = MANIFEST) -> dict[tuple[str, str], Origin]:
    """Rows by set and stem.

    Raises
    ------
    DataError
        The file is missing or no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [Origin(**row) for row in csv.DictReader(file)]
    except (OSError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}; expected a table with the columns {', '.join(FIELDS)}") from error
    return {(row.set, row.stem): row for row in rows}


def check(
    rows: dict[tuple[str, str], Origin],
    data: Path,
    names: list[str],
    *,
    left_out: Mapping[tuple[str, str], Origin] = MappingProxyType({}),
) -> list[Origin]:
    """Origin of every picture of the sets; that of `left_out` goes before that of `rows`.

    Raises
    ------
    DataError
        Pictures that have no row, or whose licence is not allowed; the first ones are named.
    """
    found = []
    wrong = []
    for name in names:
        known = name.removesuffix("_clean")
        for pair in find_pairs(data / name):
            key = (known, pair.stem)
            row = left_out.get(key) or rows.get(key) or rows.get((known, "*"))
            if row is None:
                wrong.append(f"{pair.image}: got no row in the manifest, expected its source and licence; add it")
            elif not row.allowed:
                wrong.append(f"{pair.image}: got the licence {row.licence!r}, expected {', '.join(ALLOWED)}; remove it")
            else:
                found.append(row)
    raise_problems(wrong)
    return found


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 all known and allowed, 1 not, 2 wrong usage."""
    parser = Parser(
        prog="python -m matting_training.manifest",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("sets", nargs="+", metavar="SET")
    parser.add_argument("--manifest", type=Path, default=MANIFEST, help="default: %(default)s")
    given = parser.parse_args(argv)
    try:
        found = check(read(given.manifest), given.data, given.sets, left_out=read(LEFT_OUT))
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    for (name, licence), count in sorted(Counter((row.set, row.licence) for row in found).items()):
        print(f"{count:6}  {name:14} {licence}")
    return 0


if __name__ == "__main__":
    run_alone(main)
