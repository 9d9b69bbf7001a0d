"""Labels, as folders and classes are called: the order that people expect of them."""

import re


def natural(label: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key in which numbers count as numbers and capitals do not matter: "a2" before "A10"."""
    parts = re.findall(r"[0-9]+|[^0-9]+", label.casefold())
    # The label itself settles ties ("01" and "1"), so that the order never depends on the input's.
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], label
