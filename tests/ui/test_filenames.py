"""Names of results: every system can hold them."""

from __future__ import annotations

import pytest
from matting_ui.filenames import LONGEST, MOST_BYTES, cut, portable, unique_names


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("photo", "photo-x.png"),
        ("图" * 100, "图" * 38 + "-x.png"),
        ("con.photo", "_con.photo-x.png"),
        ("LPT¹.a", "_LPT¹.a-x.png"),
        ("a:b*c?", "a_b_c_-x.png"),
        (" .. ", "photo-x.png"),
        ("dots...", "dots-x.png"),
        ("tab\tnew\nline", "tab_new_line-x.png"),
        ("right\u202eleft", "right_left-x.png"),
        ("e\u0301", "é-x.png"),
        ("\ud800", "_-x.png"),
        ("../../etc/passwd", "_.._etc_passwd-x.png"),
    ],
)
def test_names_that_every_system_takes(stem: str, name: str) -> None:
    assert portable(stem, "-x.png") == name
    assert len(name.encode()) <= MOST_BYTES


def test_a_device_stays_one_with_our_ending() -> None:
    """Windows looks at what stands before the first dot."""
    assert portable("con", ".png") == "_con.png" and portable("console", ".png") == "console.png"


def test_names_that_differ_in_case_alone_get_numbers() -> None:
    assert unique_names(["a.png", "A.png", "a-2.png", "STRASSE.png", "straße.png"]) == [
        "a.png",
        "A-2.png",
        "a-2-2.png",
        "STRASSE.png",
        "straße-2.png",
    ]


def test_text_is_cut_between_letters() -> None:
    assert cut("图" * 100, LONGEST) == "图" * 85 and cut("图片", 4) == "图" and cut("ab", 9) == "ab"
