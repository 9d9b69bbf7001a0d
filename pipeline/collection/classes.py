"""The class of each source folder: by the class map `data.classes`, or one class per folder."""

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pipeline.errors import DataError, ParamsError
from pipeline.labels import compose_label, sort_naturally

REST = "*"  # in a class map: all folders that are not named elsewhere


def index_classes(
    folders: Collection[str], *, classes: Mapping[str, Sequence[str]], class_names: Sequence[str]
) -> tuple[list[str], dict[str, int]]:
    """The class names in the order of the model's outputs, and each folder's index into them.

    Args:
        folders: the folders that hold pictures.
        classes: class name -> folders, where `REST` stands for all that are not named; empty: each folder is
            its own class, in natural order ("2" before "10").
        class_names: if `classes` is empty, the folders among these come first, in this order.

    A name matches its folder in either of Unicode's forms (é as one character or as two).

    Raises:
        ParamsError: the map names a folder that does not exist or is named twice, leaves a folder out, has a
            class without folders, or more than one `REST`.
        DataError: there are fewer than two classes, or pictures that lie in no folder.
    """
    as_held = {compose_label(folder): folder for folder in folders}
    class_names = [_spell_as_held(name, folders, as_held) for name in class_names]
    classes = {
        name: [_spell_as_held(member, folders, as_held) for member in members]
        for name, members in classes.items()
    }
    if "" in folders:
        raise DataError("some pictures lie in no class folder; put each into the folder of its class")
    names, index_of = _map_folders(folders, classes) if classes else _take_folders(folders, class_names)
    if len(names) < 2:
        raise DataError(
            f"a classifier needs at least two classes, got {len(names)} ({_join_quoted(names)}); "
            "add a folder of pictures, or change data.classes"
        )
    return names, index_of


def list_folders(name: str, *, classes: Mapping[str, Sequence[str]], folders: Collection[str]) -> list[str]:
    """The folders that a class map gives the class `name`, in natural order."""
    as_held = {compose_label(folder): folder for folder in folders}
    spelt = {
        one: {_spell_as_held(member, folders, as_held) for member in members}
        for one, members in classes.items()
    }
    rest = set(folders).difference(*spelt.values()) if REST in spelt[name] else set()
    return sorted((spelt[name] - {REST}) | rest, key=sort_naturally)


def _spell_as_held(name: str, folders: Collection[str], as_held: Mapping[str, str]) -> str:
    return name if name in folders else as_held.get(compose_label(name), name)


def _take_folders(folders: Collection[str], class_names: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    place = {name: i for i, name in enumerate(class_names)}
    names = sorted(set(folders), key=lambda name: (place.get(name, len(place)), sort_naturally(name)))
    return names, {name: i for i, name in enumerate(names)}


def _map_folders(
    folders: Collection[str], classes: Mapping[str, Sequence[str]]
) -> tuple[list[str], dict[str, int]]:
    named = [folder for members in classes.values() for folder in members]
    _check_named(named, folders)
    rest = sorted(set(folders) - set(named), key=sort_naturally)
    if rest and REST not in named:
        raise ParamsError(
            f"data.classes leaves out {_join_quoted(rest)}: add it to a class, use "
            f'"{REST}" for all that are not named, or skip it with data.ignore'
        )
    index_of: dict[str, int] = {}
    for i, (name, members) in enumerate(classes.items()):
        own = [folder for member in members for folder in (rest if member == REST else [member])]
        if not own:
            why = f'"{REST}" finds every folder named elsewhere' if members else "an empty list"
            raise ParamsError(
                f"data.classes.{name} holds no folder ({why}); folders: {_join_sorted(folders)}"
            )
        index_of |= dict.fromkeys(own, i)
    return list(classes), index_of


def _check_named(named: Sequence[str], folders: Collection[str]) -> None:
    twice = [folder for folder, n in Counter(named).items() if n > 1]
    if twice:
        raise ParamsError(
            f"data.classes names {_join_quoted(twice)} more than once; a folder is in one class"
        )
    missing = [folder for folder in named if folder != REST and folder not in folders]
    if missing:
        match = difflib.get_close_matches(missing[0], folders, n=1)
        hint = f" (did you mean {match[0]!r}?)" if match else ""
        raise ParamsError(
            f"data.classes names {_join_quoted(missing)}{hint}, which holds no picture that was kept; "
            f"folders: {_join_sorted(folders)}"
        )


def _join_quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def _join_sorted(folders: Collection[str]) -> str:
    return ", ".join(sorted(folders, key=sort_naturally))
