"""A dvc.lock state in copies: what a row is made of, compared with what dvc.lock recorded."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PromotionError, one_line
from pipeline.params import Params
from pipeline.params_file import check_params
from pipeline.paths import Paths
from pipeline.storage import is_leftover
from pipeline.tracking.lineage import UPSTREAM, Lineage


@dataclass(frozen=True)
class State:
    """A dvc.lock state in copies that are what dvc.lock recorded: what is edited now is of the next state.

    Attributes:
        root: of the project.
        paths: of the copies.
        lineage: of the copied dvc.lock.
        params: what the stages ran with, and the current `promote`.
    """

    root: Path
    paths: Paths
    lineage: Lineage
    params: Params


def copy_state(paths: Paths, lineage: Lineage, into: Path) -> State:
    """Copy all that a row is made of, and compare the copies with dvc.lock.

    Raises:
        PromotionError: one is not what dvc.lock recorded, or cannot be copied.
    """
    names = {str(path.relative_to(paths.root)) for path in _list_contents(paths)}
    made = {path for stage in UPSTREAM for path in lineage.list_outs(stage)} & names
    for name in (*made, paths.dvc_yaml.name, paths.dvc_lock.name, paths.params.name):
        source, target = paths.root / name, into / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=lambda _, found: list(filter(is_leftover, found)))
            else:
                shutil.copy(source, target)
        except OSError as error:
            raise PromotionError(f"{name} cannot be copied to {into}: {one_line(error)}") from None
    copied = Lineage(Paths(into))
    copied.check_copies(lineage, made)
    params = check_params(lineage.list_used_params(), paths.dvc_lock.name)
    return State(paths.root, Paths(into), copied, params)


def _list_contents(paths: Paths) -> list[Path]:
    """What a row is made of, as far as a stage has made it."""
    of_stages = [
        path
        for stage in UPSTREAM
        for path in (paths.metrics(stage), paths.details(stage), paths.figures(stage))
    ]
    tables = [paths.raw_manifest, paths.clean_manifest, paths.split, paths.out_of_fold, paths.started_from]
    return [*of_stages, *tables, paths.training_facts, *list_artifacts(paths), paths.classifier]


def list_artifacts(paths: Paths) -> list[Path]:
    """The files of the stages that a row holds as artifacts, each under the name of its stage."""
    checked = (paths.expectations, paths.ready_expectations)
    card = (paths.model_card, paths.model_card_text)
    return [paths.classes, paths.history, paths.answers, paths.predictions, paths.confusion, *checked, *card]
