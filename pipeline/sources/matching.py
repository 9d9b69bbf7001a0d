"""Which file of a source a path in a table of labels means.

Tables are made on other machines, beside other folders, with or without extensions. One rule is chosen for a
whole table, by the first thousand of its rows, so no single row is matched to a file by chance.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.labels import compose_label
from pipeline.sources.containers import escape_name

N_TRIED = 1000  # rows by which the rule is chosen
_DRIVE = re.compile(r"^[A-Za-z]:")

Spell = Callable[[str], str]


@dataclass(frozen=True)
class Rule:
    """How paths are matched: `describe` says it, `find` gives the key of a path's file, or ""."""

    describe: str
    spell: Spell
    index: Mapping[str, str]

    def find(self, path: str) -> str:
        """The key of the file that a cleaned path means; "" if there is none, or more than one."""
        return self.index.get(self.spell(path), "")


def clean_path(text: str) -> str:
    """A path of a table as keys are written: "/" between folders, no ".", no drive; "" for none."""
    path = _DRIVE.sub("", text.strip().removeprefix("file://").replace("\\", "/"))
    return compose_label(escape_name(posixpath.normpath(path))) if path else ""


def choose_rule(paths: Sequence[str], keys: Iterable[str], folder: str) -> tuple[Rule, int]:
    """The rule that finds most of some cleaned paths, the strictest of equals; and how many it finds.

    Args:
        keys: of all files.
        folder: where the table lies, "" at the top.
    """
    keys = list(keys)
    whole = _index(keys, str)
    prefix = _find_prefix(paths, whole)
    spellings: list[tuple[str, Spell]] = [
        ("below the table's folder", lambda path: posixpath.normpath(f"{folder}/{path}").lstrip("/")),
        ("below the source", lambda path: path.lstrip("/")),
        (f"without {prefix}", lambda path: path.removeprefix(prefix)),
    ]
    kinds: list[tuple[str, Spell]] = [("", str), (", without extensions", _drop_extension)]
    rules = []
    for kind, trim in kinds:
        index = _index(keys, trim)
        rules += [Rule(f"{words}{kind}", spell, index) for words, spell in spellings]
    for kind, trim in kinds:
        index = _index(map(posixpath.basename, keys), trim, keys)
        rules.append(Rule(f"by the names of files{kind}", posixpath.basename, index))
    n_found = [sum(bool(rule.find(path)) for path in paths) for rule in rules]
    return rules[n_found.index(max(n_found))], max(n_found)


def _index(names: Iterable[str], trim: Spell, keys: Sequence[str] | None = None) -> dict[str, str]:
    """Keys by the composed and trimmed form of their names (by default the keys); "" where two have it."""
    found: dict[str, str] = {}
    names = list(names)
    for name, key in zip(names, keys or names, strict=True):
        form = trim(compose_label(name))
        found[form] = "" if form in found else key
    return found


def _find_prefix(paths: Sequence[str], whole: Mapping[str, str]) -> str:
    """What most paths have in front of a key, such as "/home/anna/scans/"."""
    dropped: Counter[str] = Counter()
    for path in paths:
        start = 0
        while start := path.find("/", start) + 1:
            if whole.get(path[start:]):
                dropped[path[:start]] += 1
                break
    return dropped.most_common(1)[0][0] if dropped else ""


def _drop_extension(path: str) -> str:
    return posixpath.splitext(path)[0]
