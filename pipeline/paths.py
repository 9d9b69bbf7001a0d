"""Every path that the pipeline reads or writes, below one root: the folder that holds `dvc.yaml`."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.storage import find_working_folder

STAGES = ("validate", "clean", "split", "augment", "train", "evaluate", "promote")


@dataclass(frozen=True)
class Paths:
    """Paths below `root`, the folder that holds `dvc.yaml` (a workspace, or a `dvc exp run --temp` copy)."""

    root: Path

    @property
    def params(self) -> Path:
        """All knobs, by stage; in git."""
        return self.root / "params.yaml"

    @property
    def dvc_yaml(self) -> Path:
        """The chain: the command, dependencies and outputs of every stage."""
        return self.root / "dvc.yaml"

    @property
    def dvc_lock(self) -> Path:
        """What DVC last recorded of every stage: command, params, and md5s of what it reads and writes."""
        return self.root / "dvc.lock"

    @property
    def raw(self) -> Path:
        """The default of `data.source`: the images, which `darkroom demo` may put there."""
        return self.root / "data" / "raw"

    @property
    def overrides(self) -> Path:
        """What people decided about single files; in git."""
        return self.root / "data" / "overrides.csv"

    @property
    def confirmed_labels(self) -> Path:
        """Labels that looked wrong and that people found right; in git."""
        return self.root / "data" / "confirmed_labels.csv"

    @property
    def label_queue(self) -> Path:
        """What to label next: a table that people fill in, with a folder of its pictures; in git."""
        return self.root / "data" / "labels" / "queue.csv"

    @property
    def shown(self) -> Path:
        """The sheet that `darkroom quarantine show` draws."""
        return self.root / "data" / "shown.png"

    @property
    def synthetic(self) -> Path:
        """A file of made-up pictures for each class that has some; written by `darkroom synthesize`."""
        return self.root / "data" / "synthetic" / "pictures"

    @property
    def synthetic_sheets(self) -> Path:
        """A folder of sheets for each class with made-up pictures; nothing reads them."""
        return self.root / "data" / "synthetic" / "sheets"

    @property
    def home(self) -> Path:
        """The repository that owns caches and the tracking database: `DVC_ROOT` names it in a --temp copy."""
        return Path(os.environ.get("DVC_ROOT") or self.root).resolve()

    @property
    def cache(self) -> Path:
        """What is kept between runs and may be deleted at any time: `DARKROOM_CACHE`, or .darkroom."""
        return self.home / (os.environ.get("DARKROOM_CACHE") or ".darkroom")

    def source(self, path: str) -> Path:
        """The image source `data.source`, relative to the root unless absolute."""
        return self.root / path

    def stage(self, name: str) -> Path:
        """The folder of outputs of one stage."""
        return self.root / "data" / name

    def metrics(self, stage: str) -> Path:
        """The small metrics file of one stage: sorted keys, no times, ids or absolute paths."""
        return self.stage(stage) / "metrics.json"

    def details(self, stage: str) -> Path:
        """Further numbers of one stage: per class, per reason, per repair."""
        return self.stage(stage) / "details.json"

    @property
    def raw_manifest(self) -> Path:
        """One row per file of the source, with its facts and verdict; written by validate."""
        return self.stage("validate") / "manifest.parquet"

    @property
    def raw_classes(self) -> Path:
        """One row per class folder of the source, with its counts of files; written by validate."""
        return self.stage("validate") / "classes.parquet"

    @property
    def expectations(self) -> Path:
        """The result of the suite `intake`, as JSON; written by validate."""
        return self.stage("validate") / "expectations.json"

    @property
    def data_docs(self) -> Path:
        """The page that shows the result of `intake`, in a folder of its own; written by validate."""
        return self.stage("validate") / "docs"

    @property
    def clean_manifest(self) -> Path:
        """One row per kept picture, with its place in the shards and its group; written by clean."""
        return self.stage("clean") / "manifest.parquet"

    @property
    def quarantine(self) -> Path:
        """One row per file that is not kept, with the reason; written by clean."""
        return self.stage("clean") / "quarantine.parquet"

    @property
    def pairs(self) -> Path:
        """One row per link between near-duplicates; written by clean."""
        return self.stage("clean") / "pairs.parquet"

    @property
    def ready_expectations(self) -> Path:
        """The result of the suite `ready`, as JSON; written by clean."""
        return self.stage("clean") / "expectations.json"

    @property
    def ready_docs(self) -> Path:
        """The page that shows the result of `ready`, in a folder of its own; written by clean."""
        return self.stage("clean") / "docs"

    @property
    def scales(self) -> Path:
        """The scales of deep pictures whose files do not say them, as JSON; written by clean."""
        return self.stage("clean") / "scales.json"

    @property
    def shards(self) -> Path:
        """The pixels of the kept pictures, uint8 .npy files; written by clean."""
        return self.stage("clean") / "shards"

    @property
    def split(self) -> Path:
        """One row per picture, with its class, split, fold and group; written by split."""
        return self.stage("split") / "split.parquet"

    @property
    def classes(self) -> Path:
        """The class names as a JSON list, in the order of the model's outputs; written by split."""
        return self.stage("split") / "classes.json"

    @property
    def shortcuts(self) -> Path:
        """How well facts beside the picture predict its class, as JSON; written by split."""
        return self.stage("split") / "shortcuts.json"

    @property
    def policy(self) -> Path:
        """The augmentation layers as a JSON list; written by augment."""
        return self.stage("augment") / "policy.json"

    @property
    def extra(self) -> Path:
        """Extra training pictures: `manifest.parquet` beside its shards; written by augment."""
        return self.stage("augment") / "extra"

    @property
    def imperfect(self) -> Path:
        """One altered copy of each test picture: `manifest.parquet` beside its shards; for evaluate only."""
        return self.stage("augment") / "imperfect"

    @property
    def classifier(self) -> Path:
        """The folder that is a whole classifier: `model.keras` and `classifier.json`; written by train."""
        return self.stage("train") / "classifier"

    @property
    def history(self) -> Path:
        """One row per epoch, with the values of the training curves; written by train."""
        return self.stage("train") / "history.csv"

    @property
    def out_of_fold(self) -> Path:
        """Answers to the pictures of train and val by networks that have not seen them; written by train."""
        return self.stage("train") / "out_of_fold.parquet"

    @property
    def label_answers(self) -> Path:
        """The same, by networks that have seen other pictures of the source; written by train, or empty."""
        return self.stage("train") / "label_answers.parquet"

    @property
    def started_from(self) -> Path:
        """The pictures of the model that training started from: see tables/started_from.py."""
        return self.stage("train") / "started_from.parquet"

    @property
    def predictions(self) -> Path:
        """One row per test picture, with its class probabilities; written by evaluate."""
        return self.stage("evaluate") / "predictions.parquet"

    @property
    def answers(self) -> Path:
        """When the model answers, and when it asks for a person; written by evaluate."""
        return self.stage("evaluate") / "answers.json"

    @property
    def training_facts(self) -> Path:
        """What the training pictures were like, for comparison with new files; written by evaluate."""
        return self.stage("evaluate") / "training_facts.json"

    @property
    def confusion(self) -> Path:
        """The actual and the predicted class of each test picture, for `dvc plots`; written by evaluate."""
        return self.stage("evaluate") / "confusion.csv"

    @property
    def class_scores(self) -> Path:
        """One row per class with its scores and their intervals; written by evaluate."""
        return self.stage("evaluate") / "class_scores.csv"

    @property
    def robustness(self) -> Path:
        """The accuracy under each alteration at each severity; written by evaluate."""
        return self.stage("evaluate") / "robustness.csv"

    @property
    def threshold_curves(self) -> Path:
        """What each class gains and loses by its threshold, for `dvc plots`; written by evaluate."""
        return self.stage("evaluate") / "threshold_curves.csv"

    @property
    def slices(self) -> Path:
        """One row per slice of the test pictures, with its accuracy; written by evaluate."""
        return self.stage("evaluate") / "slices.csv"

    @property
    def suspect_labels(self) -> Path:
        """One row per label that may be wrong, the likeliest first; written by evaluate."""
        return self.stage("evaluate") / "suspect_labels.csv"

    @property
    def crossval(self) -> Path:
        """One row per picture and seed, answered by a network that has not seen it."""
        return self.stage("search") / "out_of_fold.parquet"

    @property
    def studies(self) -> Path:
        """The trials of `darkroom tune`, as an SQLite database."""
        return self.stage("search") / "studies.db"

    @property
    def report(self) -> Path:
        """The page for people: may one rely on the model? Written by evaluate."""
        return self.stage("evaluate") / "report.html"

    @property
    def model_card(self) -> Path:
        """What the model is for, made of and good for, as JSON; written by evaluate."""
        return self.stage("evaluate") / "model_card.json"

    @property
    def model_card_text(self) -> Path:
        """The same for people, as Markdown; written by evaluate."""
        return self.stage("evaluate") / "model_card.md"

    @property
    def verdict(self) -> Path:
        """A script that shows the verdict in the report; written by promote."""
        return self.stage("promote") / "verdict.js"

    @property
    def decision_page(self) -> Path:
        """The decision as a page for people; written by promote."""
        return self.stage("promote") / "decision.html"

    @property
    def decision(self) -> Path:
        """The verdict about the model with its reasons, as JSON; written by promote."""
        return self.stage("promote") / "decision.json"

    def figures(self, stage: str) -> Path:
        """The folder of a stage's pictures."""
        return self.stage(stage) / "figures"


def project_root(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` (default: the working folder) that holds `dvc.yaml`.

    If there is none, it is `start` itself. Raises StorageError if the working folder was deleted.
    """
    here = (start or find_working_folder()).resolve()
    return next((p for p in (here, *here.parents) if (p / "dvc.yaml").is_file()), here)
