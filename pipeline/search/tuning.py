"""A search from beginning to end: look, refine, and let the winner prove itself against params.yaml."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.backend.device import describe_machine, set_up_device
from pipeline.collection.pictures import read_parts
from pipeline.errors import ParamsError, StudyError, TrackingError
from pipeline.param_types import check_name
from pipeline.params import Params
from pipeline.params_file import check_params
from pipeline.paths import Paths
from pipeline.progress import track
from pipeline.search import dead_trials
from pipeline.search import study as studies
from pipeline.search.contest import Contest, list_entries, read_contest
from pipeline.search.plots import draw_study, measure_importance, write_trials
from pipeline.search.questions import ask
from pipeline.search.settings import Settings, pick
from pipeline.search.space import Space, read_space
from pipeline.search.study import Address
from pipeline.search.supervision import watch_trials
from pipeline.search.terms import Terms, make_terms
from pipeline.search.worker import Job
from pipeline.storage import hold_lock
from pipeline.tracking.connection import name_experiments, translate_errors
from pipeline.tracking.runs import Run, Tracked
from pipeline.tracking.search_runs import open_search_run
from pipeline.tracking.views import save_trials_view
from pipeline.workers import is_on_cluster
from pipeline.workers.cluster import join_cluster, tell_cluster
from pipeline.yaml_file import read_yaml, write_values

_RUN = "mlflow_run"  # the note of a study that names its run in MLflow
_FEW = 100  # pictures
_N_REFINED = 3  # keys that vary in a grid around the winner


@dataclass(frozen=True)
class Tuning:
    """The search that params.yaml asks for, in a study of a database.

    Attributes:
        values: of params.yaml, as `read_yaml` gives them.
        n_trials: settings to try, unless a grid says how many.
        n_workers: processes of this command; others may share the study.
    """

    paths: Paths
    params: Params
    values: dict[str, Any]
    space: Space
    terms: Terms
    address: Address
    n_trials: int
    n_workers: int

    @classmethod
    def read(cls, paths: Paths, address: Address, *, n_trials: int | None, n_workers: int) -> "Tuning":
        """The search as params.yaml describes it now.

        Raises:
            ParamsError: tune.space is wrong, or the name of the study is none.
            DataError: the stages before train have not run, or a class has too few pictures for tune.folds.
        """
        try:
            check_name(address.name)
        except ValueError as error:
            raise ParamsError(f"--study: {error}") from None
        values = read_yaml(paths.params)
        params = check_params(values, paths.params.name)
        space = read_space(values, params)
        terms = make_terms(values, params, paths, space.keys)
        if terms.folds:
            ask(paths, n_folds=terms.folds, pattern="", with_test=False)
        return cls(paths, params, values, space, terms, address, n_trials or params.tune.trials, n_workers)

    @property
    def base(self) -> Settings:
        """What params.yaml says now of the keys that are tuned."""
        return pick(self.values, self.space.keys)

    @property
    def experiment(self) -> str:
        """The name of the experiment in MLflow that holds the trials."""
        return name_experiments().search

    def find_folder(self, study: Study) -> Path:
        """Where the table and the plots of a study are."""
        return self.paths.stage("search") / str(study.study_name).replace(os.sep, "_")

    def describe_pictures(self) -> str:
        """Which pictures scored, in words."""
        n = self._count_scored()
        few = "; so few cannot tell good settings apart: set tune.folds to 5" if n < _FEW else ""
        if self.terms.folds:
            said = f"scored on {n:,} pictures in {self.terms.folds} folds of train and val"
        else:
            said = f"scored on the {n:,} validation pictures, which also chose the winner{few}"
        return f"{said}; the test set was not looked at"

    def describe_ceiling(self, study: Study) -> str:
        """That a score cannot rise, in words; "" where it can."""
        best = studies.find_best(study)
        if self.terms.metric != "accuracy" or best is None or best.value is None or best.value < 1:
            return ""
        other = "tune.metric: log_loss" + ("" if self.terms.folds else ", or tune.folds: 5,")
        return f"trial {best.number} has all pictures right, so nothing can be better: {other} tells more"

    def _count_scored(self) -> int:
        """How many pictures the value of a trial is of."""
        names = ("train", "val") if self.terms.folds else ("val",)
        return len(read_parts(*names, split_path=self.paths.split, manifest_path=self.paths.clean_manifest))

    def look(self) -> Study:
        """Try settings, those of params.yaml first, until `n_trials` are finished."""
        sampler = self.params.tune.sampler
        grid = self.space.list_grid() if sampler == "grid" else []
        queued = [self.base, *(one for one in grid if one != self.base)]
        n = len(queued) if grid else self.n_trials
        return self._run("", queued, sampler=sampler, pruner=self.params.tune.pruner, n_trials=n)

    def refine(self) -> Study:
        """Try a grid around the winner of the study; of more than three keys, the three that matter most.

        Raises:
            StudyError: the study has no winner yet.
        """
        study = studies.open_study(self.address, metric=self.terms.metric)
        winner = self._find_winner(study)
        keys = _list_important(study, self.space)[:_N_REFINED]
        grid = [one for one in self.space.list_around(winner, keys) if one != winner]
        return self._run(" refined", [winner, *grid], sampler="grid", pruner="none", n_trials=len(grid) + 1)

    def compete(self, study: Study, n_seeds: int) -> Contest | None:
        """Train the winner and params.yaml with several seeds; None where params.yaml is the winner."""
        winner = self._find_winner(study)
        if winner == self.base:
            return None
        entries = list_entries((winner, self.base), self.params.train.seed, n_seeds)
        suffix = f"{study.study_name.removeprefix(self.address.name)} seeds"
        before = _count(studies.open_study(self._name(suffix), metric=self.terms.metric), entries)
        again = self._run(suffix, entries, sampler="grid", pruner="none", n_trials=before + len(entries))
        return read_contest(again, winner, self.base, self.terms.metric)

    def apply(self, study: Study) -> Settings:
        """Write the winner into params.yaml, which keeps its comments; returns what was written.

        Raises:
            ParamsError: params.yaml says something else by now.
        """
        winner = self._find_winner(study)
        with hold_lock(self.paths.cache / "params.lock", lambda: None):
            now = pick(read_yaml(self.paths.params), self.space.keys)
            if now not in (self.base, winner):
                raise ParamsError(
                    "params.yaml was changed during the search and is left as it is; repeat with --apply to "
                    "write the winner"
                )
            write_values(self.paths.params, winner)
        return winner

    def _find_winner(self, study: Study) -> Settings:
        best = studies.find_best(study)
        if best is None:
            why = [one.user_attrs.get(studies.WHY) for one in studies.list_finished(study)]
            said = (
                f"all its trials failed, the last one with: {why[-1]}" if why else "run darkroom tune first"
            )
            raise StudyError(f"the study {self.address.describe()} has no winner: {said}")
        return studies.read_settings(best)

    def _name(self, suffix: str) -> Address:
        return Address(self.address.url, f"{self.address.name}{suffix}")

    def _run(
        self, suffix: str, queued: Sequence[Settings], *, sampler: str, pruner: str, n_trials: int
    ) -> Study:
        """Run the trials of a study that belongs to this search, and draw what came of them."""
        address, machine = self._name(suffix), _ask_cluster()
        study = studies.open_study(address, metric=self.terms.metric)
        with studies.translate_errors(address), self._open_run(study, sampler, pruner, n_trials) as run:
            with hold_lock(self.paths.cache / "tune.lock", lambda: None):
                studies.agree(study, self.terms, address)
                dead_trials.recover(study)
                studies.queue(study, queued, is_inside=self.space.contains)
            job = Job(
                root=str(self.paths.root),
                url=address.url,
                study=address.name,
                sampler=sampler,
                pruner=pruner,
                seed=self.params.tune.seed,
                n_trials=n_trials,
                experiment=name_experiments().rows,
                parent=run.run_id if isinstance(run, Tracked) else "",
                machine=machine,
            )
            n_left = n_trials - len(studies.list_finished(study))
            with closing(watch_trials(job, study, self.n_workers, self.paths.cache / "tune")) as finished:
                for _ in track(finished, total=n_left, what=_make_title(study, self.terms.metric)):
                    pass
            self._show(study, run, is_drawn=all(one.keys() == set(self.space.keys) for one in queued))
        return study

    @contextmanager
    def _open_run(self, study: Study, sampler: str, pruner: str, n_trials: int) -> Iterator[Run]:
        """The run of a study in MLflow: a new one, or the one that it had."""
        said = {"study": study.study_name, "tune.sampler": sampler, "tune.pruner": pruner}
        params = self.params.tune.flatten("tune.") | said | {"tune.trials": n_trials}
        known = studies.read_note(study, _RUN)
        with open_search_run(self.paths.root, study.study_name, params, known_id=known) as run:
            if isinstance(run, Tracked):
                studies.note(study, _RUN, run.run_id)
            yield run

    def _show(self, study: Study, run: Run, *, is_drawn: bool) -> None:
        """Write the table of a study, with or without plots, and log them."""
        folder = self.find_folder(study)
        write_trials(study, folder / "trials.csv")
        if is_drawn:
            draw_study(study, self.space, self.terms.metric, folder)
        run.log_artifact(folder)
        best = studies.find_best(study)
        if best is not None and best.value is not None:
            run.log_metrics({f"best_{self.terms.metric}": best.value, "best_trial": best.number})
        run.log_metrics({"n_trials": len(studies.list_finished(study))})
        if isinstance(run, Tracked) and not run.is_lost:
            with suppress(TrackingError), translate_errors():
                save_trials_view(run.client, run.run_id, self.space.keys, self.terms.logged_metric)


def _ask_cluster() -> dict[str, Any] | None:
    """What the machines of the cluster must be like; None where trials run here.

    Raises:
        WorkersError: the cluster is away; nothing is begun yet.
    """
    if not is_on_cluster():
        return None
    with join_cluster() as ray:
        tell_cluster(ray)
        set_up_device()
        return describe_machine()


def _make_title(study: Study, metric: str) -> Callable[[], str]:
    def make_title() -> str:
        best = studies.find_best(study)
        said = f", best {metric} {best.value:.4f} (trial {best.number})" if best else ""
        return f"{study.study_name}: trials{said}"

    return make_title


def _count(study: Study, entries: Sequence[Settings]) -> int:
    """How many finished trials of a study are none of these entries."""
    return sum(studies.read_settings(one) not in entries for one in studies.list_finished(study))


def _list_important(study: Study, space: Space) -> list[str]:
    """The keys of a space, the most important first."""
    found = measure_importance(study, space)
    return [*found, *(key for key in space.keys if key not in found)]


def list_best(study: Study, n: int) -> list[FrozenTrial]:
    """The best trials with a value, complete ones before those that were ended early."""
    sign = -1 if study.direction.name == "MAXIMIZE" else 1
    with_value = [one for one in studies.list_finished(study) if studies.read_value(one) is not None]
    return sorted(
        with_value,
        key=lambda one: (one.state != TrialState.COMPLETE, sign * float(studies.read_value(one) or 0)),
    )[:n]
