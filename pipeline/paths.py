"""Every path the pipeline reads or writes, once, and how a file gets there whole.

All paths hang off one root: the folder that holds `dvc.yaml`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STAGES = ("validate", "clean", "split", "augment", "train", "evaluate", "promote")


@dataclass(frozen=True)
class Paths:
    """Paths below `root`, the folder that holds `dvc.yaml` (a workspace, or a `dvc exp run --temp` copy)."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def dvc_yaml(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def dvc_lock(self) -> Path:
        return self.root / "dvc.lock"

    @property
    def raw(self) -> Path:
        return self.root / "data" / "raw"

    @property
    def overrides(self) -> Path:
        """What people decided about single files; in git."""
        return self.root / "data" / "overrides.csv"

    @property
    def shown(self) -> Path:
        """The sheet that `darkroom quarantine show` draws."""
        return self.root / "data" / "shown.png"

    @property
    def home(self) -> Path:
        """The repository that owns caches and the tracking database: `DVC_ROOT`, which names it also from
        inside a `dvc exp run --temp` copy, or the root."""
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

    @property
    def raw_manifest(self) -> Path:
        return self.stage("validate") / "manifest.parquet"

    @property
    def raw_classes(self) -> Path:
        return self.stage("validate") / "classes.parquet"

    @property
    def expectations(self) -> Path:
        return self.stage("validate") / "expectations.json"

    @property
    def data_docs(self) -> Path:
        return self.stage("validate") / "docs"

    @property
    def clean_manifest(self) -> Path:
        return self.stage("clean") / "manifest.parquet"

    @property
    def quarantine(self) -> Path:
        return self.stage("clean") / "quarantine.parquet"

    @property
    def pairs(self) -> Path:
        return self.stage("clean") / "pairs.parquet"

    @property
    def ready_expectations(self) -> Path:
        return self.stage("clean") / "expectations.json"

    @property
    def ready_docs(self) -> Path:
        return self.stage("clean") / "docs"

    @property
    def shards(self) -> Path:
        return self.stage("clean") / "shards"

    @property
    def split(self) -> Path:
        return self.stage("split") / "split.parquet"

    @property
    def classes(self) -> Path:
        return self.stage("split") / "classes.json"

    @property
    def shortcuts(self) -> Path:
        """What facts beside the picture say about its class."""
        return self.stage("split") / "shortcuts.json"

    @property
    def policy(self) -> Path:
        return self.stage("augment") / "policy.json"

    @property
    def extra(self) -> Path:
        """Extra training pictures: `manifest.parquet` beside its shards."""
        return self.stage("augment") / "extra"

    @property
    def imperfect(self) -> Path:
        """Altered test pictures, a copy of each: `manifest.parquet` beside its shards; for evaluate only."""
        return self.stage("augment") / "imperfect"

    @property
    def classifier(self) -> Path:
        """The folder that is a whole classifier: `model.keras` and `classifier.json`."""
        return self.stage("train") / "classifier"

    @property
    def history(self) -> Path:
        return self.stage("train") / "history.csv"

    @property
    def predictions(self) -> Path:
        return self.stage("evaluate") / "predictions.parquet"

    @property
    def confusion(self) -> Path:
        return self.stage("evaluate") / "confusion.csv"

    @property
    def decision(self) -> Path:
        return self.stage("promote") / "decision.json"

    def figures(self, stage: str) -> Path:
        """The folder of a stage's pictures."""
        return self.stage(stage) / "figures"


def project_root(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` (default: the working folder) that holds `dvc.yaml`.

    Falls back to `start` itself: the missing `params.yaml` is then what the user hears about.
    """
    here = (start or Path.cwd()).resolve()
    return next((p for p in (here, *here.parents) if (p / "dvc.yaml").is_file()), here)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it into place on success.

    A reader never sees half a file, and a file that DVC hard-linked from its cache is never
    edited in place. On an exception the temporary file is removed and `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
