"""Text as people may see it: awkward characters escaped, cut to a length, harmless in a spreadsheet."""

import re

# What a terminal obeys (C0, C1), what turns the direction of a line or breaks it, what nobody sees.
AWKWARD = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_AWKWARD = re.compile(f"[{AWKWARD}]")
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


def escape(text: str) -> str:
    """Text on one line, in which each awkward character is written as the \\xNN of its UTF-8."""
    return _AWKWARD.sub(spell_bytes, text)


def spell_bytes(found: re.Match[str]) -> str:
    """The character of a match, byte by byte, as \\xNN; one half of a pair, as JSON may hold, too."""
    is_byte = "\udc80" <= found[0] <= "\udcff"  # of a name that is no UTF-8
    data = found[0].encode("utf-8", "surrogateescape" if is_byte else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in data)


def cut(text: str, n_characters: int) -> str:
    """Text of at most `n_characters`: what is longer loses its middle."""
    if len(text) <= n_characters:
        return text
    half = (n_characters - 3) // 2
    return f"{text[: n_characters - 3 - half]}...{text[len(text) - half :]}"


def say_count(n: int, thing: str, things: str = "") -> str:
    """A number of things in words, such as "1 file" or "2,000 files"; `things`: where "s" is not enough."""
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def quote_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe stands before what would be one."""
    return f"'{text}" if _FORMULA.match(text) else text


def unquote_cell(cell: str) -> str:
    """The text of a cell that `quote_cell` made."""
    return cell[1:] if _QUOTED.match(cell) else cell
