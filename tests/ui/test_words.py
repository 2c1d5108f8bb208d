"""Words and values are not mistaken for each other."""

from __future__ import annotations

from matting_client import presets
from matting_ui import ids
from matting_ui.i18n import EN
from matting_ui.page import translations


def test_no_word_has_the_name_of_a_value() -> None:
    """WebKit puts the word in the place of the value then."""
    known = translations().translations
    assert known and all(not words.keys() & {*ids.BACKGROUNDS, *presets(), ids.OFFICIAL} for words in known.values())
    assert all(translations()(key).key in words for key in EN for words in known.values())
