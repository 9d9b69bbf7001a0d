"""Whether a ledger is as it was written: its chain, its mirror in the tags of the versions, and the alias."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.characters import cut, escape
from pipeline.tracking import registry
from pipeline.tracking.ledger import FileLedger, Line, hash_text, list_tagged, open_ledger, parse_line
from pipeline.tracking.moves import is_pending

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MAX_NAME = 60


def find_faults(client: "MlflowClient", root: Path, model: str) -> tuple[int, list[str]]:
    """How many lines the ledger holds, and what is wrong with it, in words.

    Args:
        model: a registered model; a local ledger is checked for all models that it names.
    """
    ledger = open_ledger(client, root, model)
    texts = ledger.read()
    lines = [parse_line(text) for text in texts]
    whole = [line for line in lines if line]
    names = sorted({model, *(line.move.model for line in whole)})
    versions = {name: registry.list_versions(client, name) for name in names}
    mirror = {name: _read_mirror(found) for name, found in versions.items()}
    faults = [
        *_check_order(lines),
        *(
            ["the last line was never finished: the next move takes its place"]
            if isinstance(ledger, FileLedger) and ledger.is_cut
            else []
        ),
        *_check_chain(whole, mirror),
        *_check_mirror(client, whole, mirror),
    ]
    if whole and not any(versions.values()):
        faults.append(
            "the registry holds no version of the models in it: its database was emptied, or is another one; "
            "put a copy of it back"
        )
    else:
        faults += [fault for name in names for fault in _check_alias(client, whole, name)]
    return len(texts), list(dict.fromkeys(faults))


# The lines that the tags of a model's versions hold: model -> number of the line -> version, text.
Mirror = Mapping[str, Mapping[int, tuple[int, str]]]


def _read_mirror(versions: Sequence[Any]) -> dict[int, tuple[int, str]]:
    return {
        n: (int(found.version), text) for found in versions for n, text in list_tagged(found.tags).items()
    }


def _check_order(lines: Sequence[Line | None]) -> Iterator[str]:
    """Damaged, missing, doubled and reordered lines."""
    damaged = [place for place, line in enumerate(lines, start=1) if line is None]
    if damaged:
        n_more = len(damaged) - 1
        yield f"line {damaged[0]} is damaged" + (f", and {n_more:,} more after it" if n_more else "")
    numbers = [line.n for line in lines if line]
    known = sorted({0, *numbers, *(place for place in damaged if place < max(numbers, default=0))})
    for here, following in itertools.pairwise(known):
        if following - here == 2:
            yield f"line {here + 1} is missing"
        elif following - here > 2:
            yield f"lines {here + 1} to {following - 1} are missing"
    yield from (f"line {n} is there {count} times" for n, count in Counter(numbers).items() if count > 1)
    for here, following in itertools.pairwise(numbers):
        if here > following:
            yield f"line {here} stands before line {following}: they were reordered"


def _check_chain(lines: Sequence[Line], mirror: Mirror) -> Iterator[str]:
    """Lines that are others than the next line says."""
    by_number = {line.n: line for line in lines}
    for line in lines:
        before = by_number.get(line.n - 1)
        if line.n == 1 and line.previous:
            yield "line 1 was changed: it names a line before it"
        if before is None or hash_text(before.text) == line.previous:
            continue
        is_before_true = _is_mirrored(before, mirror)
        is_true = _is_mirrored(line, mirror)
        changed = line.n if is_before_true and not is_true else before.n
        yield f"line {changed} was changed: the hash of line {before.n} in line {line.n} is another"


def _is_mirrored(line: Line, mirror: Mirror) -> bool:
    return mirror[line.move.model].get(line.n) == (line.move.version, line.text)


def _check_mirror(client: "MlflowClient", lines: Sequence[Line], mirror: Mirror) -> Iterator[str]:
    """Differences between the ledger and the tags of the versions."""
    by_number = {line.n: line for line in lines}
    last = {line.move.model: line for line in lines}
    for name, held in mirror.items():
        for n, (version, text) in held.items():
            line = by_number.get(n)
            said = f"the tags of {_name(name)} version {version}"
            if line is None:
                yield f"line {n} is missing, and {said} hold it"
            elif line.text != text:
                yield f"line {n} was changed: {said} hold another"
    for line in lines:
        if line.n in mirror[line.move.model] or not is_pending(client, line):
            continue
        where = f"{_name(line.move.model)} version {line.move.version}"
        if last[line.move.model] is line:
            yield (
                f"line {line.n} was not carried out to its end: the next promotion or `darkroom registry "
                "rollback` completes it"
            )
        else:
            yield f"line {line.n} is not in the tags of {where}"


def _check_alias(client: "MlflowClient", lines: Sequence[Line], name: str) -> Iterator[str]:
    """Whether the champion is the one of the last line; without a line, an older Darkroom made it."""
    own = [line for line in lines if line.move.model == name]
    champion = registry.find_alias(client, name, registry.CHAMPION)
    if own and champion != own[-1].move.version and not is_pending(client, own[-1]):
        is_now = "there is no champion" if champion is None else f"version {champion} is champion"
        yield (
            f"{is_now} of {_name(name)}, and the last line about it, line {own[-1].n}, says version "
            f"{own[-1].move.version}: the alias was moved outside Darkroom"
        )


def _name(model: str) -> str:
    return cut(escape(model), _MAX_NAME)
