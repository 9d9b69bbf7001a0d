"""The hashes of a dvc.lock state: of a stage's lock entry, and of the whole chain.

A stage knows its entry before DVC has written it, from the same md5s of the same files that dvc.lock will
hold a moment later. So a run that carries the hash can be found again from dvc.lock alone, even after DVC
restored the stage from its cache and nothing ran.

The md5s of the image source and of labelled pictures are left out of an entry on purpose. The manifest, an
output, already holds the sha256 of every file in them, and hashing them again would read all of them.
Made-up pictures are left out too: those that count are in the outputs of augment, and others must not make a
row of an equal result.
"""

import copy
import hashlib
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import ParamsError, PromotionError, one_line
from pipeline.paths import STAGES, Paths
from pipeline.storage import hash_file, is_leftover
from pipeline.yaml_file import read_yaml

UPSTREAM = STAGES[:-1]
_IN_OUTPUTS = {"data/synthetic/pictures"}  # dependencies of which an output holds all that counts


@dataclass(frozen=True)
class Lineage:
    """The chain as `dvc.yaml` wires it and `dvc.lock` last recorded it."""

    paths: Paths

    @cached_property
    def _stages(self) -> dict[str, Any]:
        stages: dict[str, Any] = read_yaml(self.paths.dvc_yaml)["stages"]
        return stages

    @cached_property
    def _params(self) -> dict[str, Any]:
        return read_yaml(self.paths.params)

    @cached_property
    def _lock(self) -> dict[str, Any]:
        if not self.paths.dvc_lock.is_file():
            return {}
        stages: dict[str, Any] = read_yaml(self.paths.dvc_lock).get("stages", {})
        if not isinstance(stages, dict) or not all(_is_entry(stages.get(name, {})) for name in STAGES):
            raise ParamsError(
                f"{self.paths.dvc_lock.name} is damaged; restore it from git, or run `dvc repro`"
            )
        return stages

    def hash_entry_from_files(self, stage: str) -> str:
        """The hash of the entry that dvc.lock will hold for a stage that has just written its outputs.

        Raises:
            PromotionError: a dependency or output of the stage does not exist.
        """
        return _hash(self.list_inputs(stage) | {"outs": self._hash_files(self.list_out_paths(stage))})

    def hash_entry_from_lock(self, stage: str) -> str:
        """The hash of the entry that dvc.lock holds for a stage.

        Raises:
            PromotionError: dvc.lock has no entry for the stage.
        """
        locked = self._find_entry(stage)
        deps = _index_md5s(locked.get("deps", []))
        wired = self.list_deps(stage) - _IN_OUTPUTS
        return _hash(
            {
                "cmd": locked.get("cmd"),
                "deps": {path: md5 for path, md5 in deps.items() if path in wired},
                "params": self._list_locked_params(stage),
                "outs": self.list_outs(stage),
            }
        )

    def has(self, stage: str) -> bool:
        """Whether dvc.yaml wires a stage."""
        return stage in self._stages

    def reads_source(self, stage: str) -> bool:
        """Whether a stage reads the image source, by the parameter that says where it is."""
        return self.has(stage) and "data.source" in self._stages[stage].get("params", [])

    def list_out_paths(self, stage: str) -> set[str]:
        """The paths of all that a stage writes, relative to the root."""
        return {_find_path(out) for out in _list_outs(self._stages[stage])}

    def is_recorded(self, stage: str, paths: Collection[str]) -> bool:
        """Whether files and folders are what dvc.lock recorded of them when a stage ended.

        Args:
            paths: of dependencies or outputs of the stage, relative to the root.
        """
        entry = self._lock.get(stage, {})
        locked = _index_md5s([*entry.get("deps", []), *entry.get("outs", [])])
        with suppress(OSError):
            return all(compute_md5(self.paths.root / path) == locked.get(path) for path in paths)
        return False

    def list_made(self) -> set[str]:
        """The paths of all that any stage writes."""
        return set().union(*map(self.list_out_paths, self._stages))

    def list_deps(self, stage: str) -> set[str]:
        """The paths of all that a stage depends on, without the image source and labelled pictures."""
        return {dep for dep in map(str, self._stages[stage].get("deps", [])) if not _is_template(dep)}

    def list_params(self, stage: str) -> dict[str, Any]:
        """The parameters of a stage in params.yaml, by dotted key; None for one that is missing."""
        return {key: _look_up(self._params, key) for key in self._stages[stage].get("params", [])}

    def list_outs(self, stage: str) -> dict[str, str]:
        """The outputs of a stage in dvc.lock: path relative to the root -> DVC's md5."""
        return _index_md5s(self._find_entry(stage).get("outs", []))

    def hash_state(self) -> str:
        """The hash of the whole state that promote decides about. Equal states are the same row in MLflow.

        It covers the entries of the six other stages, and promote's own command, parameters and code.

        Raises:
            PromotionError: dvc.lock is missing or lacks a stage.
        """
        entries: dict[str, Any] = {stage: self.hash_entry_from_lock(stage) for stage in UPSTREAM}
        return _hash(entries | {"promote": self.list_inputs("promote")})

    def check_files(self) -> None:
        """Check code and outputs in the workspace against dvc.lock; folders are compared in `check_copies`.

        Parameters, decisions and the source may have been edited for the next run: the row takes what it
        says of them from dvc.lock.

        Raises:
            PromotionError: a file is not what dvc.lock recorded, so a row would describe another state.
        """
        made = self.list_made()
        for stage in UPSTREAM:
            locked = {**_index_md5s(self._find_entry(stage).get("deps", [])), **self.list_outs(stage)}
            for path in (self.list_deps(stage) & locked.keys()) | self.list_outs(stage).keys():
                is_of_people = path.startswith("data/") and path not in made
                if not locked[path].endswith(".dir") and not is_of_people:
                    self._check(path, locked[path], stage)

    def check_copies(self, of: "Lineage", paths: Collection[str]) -> None:
        """Check that this is a copy of another lineage, with files and folders that are its dvc.lock's.

        Args:
            paths: of outputs, as dvc.lock names them.

        Raises:
            PromotionError: one is not, since something was changed while it was copied or before.
        """
        if (self._lock, self._stages) != (of._lock, of._stages):
            raise PromotionError(f"{self.paths.dvc_lock.name} was changed meanwhile; run `dvc repro` again")
        for stage in UPSTREAM:
            for path, md5 in self.list_outs(stage).items():
                if path in paths:
                    self._check(path, md5, stage)

    def is_current(self) -> bool:
        """Whether params.yaml holds what the stages ran with."""
        return self.list_used_params() == self._params

    def _check(self, path: str, md5: str, stage: str) -> None:
        if path not in self._computed:
            with suppress(OSError):
                self._computed[path] = compute_md5(self.paths.root / path)
        if self._computed.get(path) != md5:
            raise PromotionError(f"{path} is not what dvc.lock recorded for {stage}; run `dvc repro`")

    @cached_property
    def _computed(self) -> dict[str, str]:
        return {}

    def list_used_params(self) -> dict[str, Any]:
        """The sections of params.yaml with the values that the stages ran with, from dvc.lock."""
        values = copy.deepcopy(self._params)
        for stage in UPSTREAM:
            for key, value in self._list_locked_params(stage).items():
                *sections, name = key.split(".")
                place = values
                for section in sections:
                    place = place.setdefault(section, {})
                place[name] = value
        return values

    def _list_locked_params(self, stage: str) -> dict[str, Any]:
        found: dict[str, Any] = self._find_entry(stage).get("params", {}).get(self.paths.params.name, {})
        return found

    def list_inputs(self, stage: str) -> dict[str, Any]:
        """What a stage's lock entry will hold besides outputs: command, parameters, md5s of dependencies.

        Raises:
            PromotionError: a dependency does not exist.
        """
        deps = self._hash_files(self.list_deps(stage) - _IN_OUTPUTS)
        return {"cmd": self._stages[stage]["cmd"], "deps": deps, "params": self.list_params(stage)}

    def _hash_files(self, paths: set[str]) -> dict[str, str]:
        try:
            return {
                path: self._known.get(path) or compute_md5(self.paths.root / path) for path in sorted(paths)
            }
        except OSError as error:
            raise PromotionError(
                f"{error.filename} cannot be read ({error.strerror}); run `dvc repro`"
            ) from None

    @cached_property
    def _known(self) -> dict[str, str]:
        """Outputs that DVC has hashed already: those of the stages before the running one."""
        import os

        running = os.environ.get("DVC_STAGE")
        done = UPSTREAM[: UPSTREAM.index(running)] if running in UPSTREAM else ()
        if running == "promote":
            done = UPSTREAM
        return {
            path: md5 for stage in done if stage in self._lock for path, md5 in self.list_outs(stage).items()
        }

    def _find_entry(self, stage: str) -> dict[str, Any]:
        if stage not in self._lock:
            raise PromotionError(f"{self.paths.dvc_lock.name} has no entry for {stage}; run `dvc repro`")
        entry: dict[str, Any] = self._lock[stage]
        return entry


def compute_md5(path: Path) -> str:
    """DVC 3's md5 of a file, or of a folder: the md5 of the JSON list of its files, ending in ".dir".

    What a killed process left half-written in a folder is left out, as in DVC's own.
    """
    if not path.is_dir():
        return hash_file(path, "md5")
    found = (p for p in path.rglob("*") if p.is_file() and not is_leftover(p.name))
    files = sorted((p.relative_to(path).parts, p) for p in found)
    listing = [{"md5": hash_file(p, "md5"), "relpath": "/".join(parts)} for parts, p in files]
    return (
        hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
    )


def _hash(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _list_outs(spec: Mapping[str, Any]) -> list[Any]:
    return [out for key in ("outs", "metrics", "plots") for out in spec.get(key, [])]


def _find_path(out: Any) -> str:
    """The path of an output, which is a path or a mapping of one path to its options."""
    return str(next(iter(out))) if isinstance(out, Mapping) else str(out)


def _index_md5s(items: list[dict[str, Any]]) -> dict[str, str]:
    return {item["path"]: item[_name_hash(item)] for item in items}


def _name_hash(item: Mapping[str, Any]) -> str:
    """What DVC knows the bytes of a dependency by: in an object store, the store's own etag or checksum."""
    return next((name for name in ("md5", "etag", "checksum") if name in item), "md5")


def _is_entry(entry: Any) -> bool:
    """Whether what dvc.lock holds of a stage has the form that DVC gives it."""
    try:
        items = [*entry.get("deps", []), *entry.get("outs", [])]
        texts = [item[key] for item in items for key in ("path", _name_hash(item))]
        texts += [key for values in entry.get("params", {}).values() for key in values.keys()]  # noqa: SIM118
    except (AttributeError, LookupError, TypeError):
        return False
    return all(isinstance(text, str) for text in texts)


def _is_template(dep: str) -> bool:
    """Whether a dependency is the image source or labelled pictures, which params.yaml fills in."""
    return dep.startswith("${")


def show_value(value: Any) -> str:
    """A parameter's value on one line."""
    return one_line(ValueError(json.dumps(value, ensure_ascii=False)))


def _look_up(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
