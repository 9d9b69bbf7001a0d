"""Text as people may see it: nothing that is obeyed, unseen or endless."""

import unicodedata

import pytest

from pipeline.characters import cut, escape, quote_cell, say_count, unquote_cell

UNSEEN = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
# Signs that are drawn around or over numbers and letters: formats by name only.
DRAWN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"


def test_what_is_not_seen_is_escaped() -> None:
    kept = {character for character in UNSEEN if character < "\ud800" and escape(character) == character}
    assert kept == set(DRAWN)
    assert escape("\x1b[31mred\u202e\n") == "\\x1b[31mred\\xe2\\x80\\xae\\x0a"
    assert escape("\ud800, \udce9, \udfff") == "\\xed\\xa0\\x80, \\xe9, \\xed\\xbf\\xbf"
    assert escape("Übung, 日本, [a] \\x00 'b' 👍") == "Übung, 日本, [a] \\x00 'b' 👍"


def test_long_text_loses_its_middle() -> None:
    assert cut("abcdefghij", 10) == "abcdefghij"
    assert cut("abcdefghijk", 10) == "abcd...ijk"
    assert len(cut("x" * 10**6, 200)) == 200


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "''@x"])
def test_a_formula_becomes_a_text_and_comes_back(text: str) -> None:
    assert quote_cell(text) == f"'{text}"
    assert unquote_cell(quote_cell(text)) == text


@pytest.mark.parametrize("text", ["", "Photo/a.png", "1-2", "a=b", "'a", "'", "0.5", "#x"])
def test_other_text_is_as_it_is(text: str) -> None:
    assert quote_cell(text) == unquote_cell(text) == text


@pytest.mark.parametrize(
    ("n", "things", "said"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2000, ("file",), "2,000 files"),
        (1, ("class", "classes"), "1 class"),
        (2, ("class", "classes"), "2 classes"),
    ],
)
def test_a_number_of_things_in_words(n: int, things: tuple[str, ...], said: str) -> None:
    assert say_count(n, *things) == said
