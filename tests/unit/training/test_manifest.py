from __future__ import annotations

from pathlib import Path

import pytest
from matting_training.data.pairs import DataError
from matting_training.manifest import FIELDS, LEFT_OUT, check, main, read


def table(folder: Path, *rows: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join([",".join(FIELDS), *rows]) + "\n", encoding="utf-8-sig")
    return path


def test_the_projects_manifest_names_a_usable_licence_for_every_picture() -> None:
    rows = read()
    assert len(rows) > 300 and {"portraits", "fashion", "products", "studio", "mixed"} <= {name for name, _ in rows}
    assert [row for row in rows.values() if not (row.allowed and row.source and row.how)] == []
    assert not any(name.startswith("val_") for name, _ in rows)


def test_what_was_left_out_is_not_in_the_manifest_and_is_refused_by_its_licence(dataset: Path, tmp_path: Path) -> None:
    left_out = read(LEFT_OUT)
    assert left_out and [row for row in left_out.values() if row.allowed or not row.source] == []
    assert not left_out.keys() & read().keys()
    with pytest.raises(DataError, match=r"two\.png: got the licence 'PASCAL VOC', expected .*; remove it"):
        check(
            read(table(tmp_path, "people,*,people,exact,CC0,here")),
            dataset,
            ["people"],
            left_out=read(table(tmp_path, "people,two,people,exact,PASCAL VOC,there")),
        )


def test_pictures_are_known_one_by_one_or_by_their_set(dataset: Path, tmp_path: Path) -> None:
    one = "people,one,people,exact,CC0,here"
    with pytest.raises(DataError, match=r"two\.png: got no row"):
        check(read(table(tmp_path, one)), dataset, ["people"])
    (dataset / "people_clean").symlink_to(dataset / "people")
    rows = read(table(tmp_path, one, "people,*,people,exact,MIT,there"))
    assert [row.licence for row in check(rows, dataset, ["people_clean"])] == ["CC0", "MIT"]


@pytest.mark.parametrize("licence", ["CC BY-SA 4.0", "CC BY-NC 4.0", "GPL-3.0", ""])
def test_licences_that_training_must_not_use_are_refused(
    dataset: Path, tmp_path: Path, licence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path, f"people,*,people,exact,{licence},here")
    assert main([str(dataset), "people", "--manifest", str(path)]) == 1
    assert "remove it" in capsys.readouterr().err


def test_a_table_of_other_columns_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="expected a table with the columns"):
        read(tmp_path / "other.csv")
