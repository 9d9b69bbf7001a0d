"""train: the weights, chosen on validation pictures only.

Reads   data/clean/manifest.parquet, shards/ and scales.json, data/split/split.parquet and classes.json,
        data/augment/policy.json and extra/; checkpoints and features of an earlier run, in .darkroom/.
Writes  data/train/classifier/ (model.keras, classifier.json), history.csv (one row per epoch),
        started_from.parquet (the model that training started from, and its pictures),
        out_of_fold.parquet (each picture of train and val, answered by a network that has not seen it),
        label_answers.parquet (the same by networks that know its source; empty where folds divide sources);
        live metrics `curve/...` and the packaged model in MLflow;
        .darkroom/ (checkpoints after each epoch, features of a frozen backbone, logs of TensorBoard).
Run     python -m pipeline.stages.train; DARKROOM_DEVICE=auto|cpu|gpu, DARKROOM_CACHE; several hosts together:
        DARKROOM_HOSTS, DARKROOM_HOST (0 runs the chain and writes, the others write nothing),
        DARKROOM_COORDINATOR
Cost    importing Keras (about 8 s), then docs/benchmarks.md
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.backend.device import set_up_device
from pipeline.backend.hosts import Hosts, gather_hosts
from pipeline.backend.precision import BITS
from pipeline.collection.pictures import Part, read_keys, read_part, read_parts
from pipeline.evidence.answers import build_answers
from pipeline.evidence.intervals import bound_share
from pipeline.images.recipe import Recipe
from pipeline.json_file import read_json
from pipeline.labels import read_class_names
from pipeline.models import is_frozen
from pipeline.params import Params, TrainParams
from pipeline.paths import Paths
from pipeline.runner import Metrics, leave, run_stage
from pipeline.serving.settings import Settings, save_classifier
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import write_table
from pipeline.tables.split import NAMED
from pipeline.tracking.lineage import Lineage, compute_md5
from pipeline.tracking.runs import Run
from pipeline.training.folds import deal_folds
from pipeline.training.history import CURVES, Row, find_best_row, write_history
from pipeline.training.policy import read_policy

_CONFIDENCE = 0.95

_log = logging.getLogger(__name__)


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Train, save the classifier, and log both; a host that trains along with host 0 does neither."""
    with gather_hosts(end_with) as hosts:
        set_up_device()  # before Keras is imported
        model, history, numbers = learn(params, paths, run, hosts)
    if not hosts.is_chief:
        _log.info("train: done on this host; host 0 goes on")
        return {}
    # dvc.yaml names each of these knobs, so a threshold of clean that changes no pixel retrains nothing.
    recipe = Recipe.from_params(
        params.clean,
        formats=params.validate_.formats,
        max_pixels=params.validate_.max_pixels,
        scales=tuple(map(tuple, read_json(paths.scales, "clean"))),
    )
    settings = Settings(read_class_names(paths.classes), recipe, test_mirror=params.train.test_mirror)
    save_classifier(model, settings, paths.classifier)
    write_history(history, paths.history)
    run.log_artifact(paths.history)
    run.log_classifier(paths.classifier)
    best = find_best_row(history, params.train.monitor)
    return {
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "n_parameters": int(model.count_params()),
        **numbers,
        "train_loss": float(best["loss"]),
        "train_accuracy": float(best["accuracy"]),
        "val_loss": float(best["val_loss"]),
        "val_accuracy": float(best["val_accuracy"]),
        **answer_out_of_fold(params, paths),
    }


def learn(params: Params, paths: Paths, run: Run, hosts: Hosts) -> tuple[Any, list[Row], dict[str, float]]:
    """The network of the best epoch, a row per epoch, and how much it learned from, in what."""
    from pipeline.promotion.start import read_start_model
    from pipeline.training.assembly import describe_computation, read_sets, train_network

    def log_curves(row: Row) -> None:
        run.log_metrics({f"curve/{name}": row[name] for name in CURVES}, int(row["epoch"]))

    sets = read_sets(paths)
    run.log_dataset("split", paths.split, "train, val")
    run.log_dataset("clean", paths.clean_manifest, "train, val")
    start = read_start_model(params, paths)
    if hosts.is_chief:
        write_table(start.learnt, paths.started_from)
    computation = describe_computation(params.train)
    told = computation | {"start_from": start.name or "none", "hosts": hosts.n}
    run.set_tags({f"train.{name}": str(value) for name, value in told.items()})
    model, history = train_network(
        sets,
        policy=read_policy(paths.policy),
        params=params.train,
        computation=computation,
        inputs=Lineage(paths).list_inputs("train")
        | {"weights": hash_weights(params.train.weights), "start": start.sha256},
        cache=paths.cache,
        on_epoch=log_curves,
        start=start.network,
        hosts=hosts,
    )
    numbers: dict[str, float] = {
        "n_train": len(sets.train),
        "n_val": len(sets.val),
        "precision_bits": BITS[computation["precision"]],
    }
    return model, history, numbers


def end_with(said: str) -> None:
    """End the process with a line of error, where a lost host leaves it waiting for ever."""
    _log.error("train: %s", said)
    leave(1)


def learns_head_alone(train: TrainParams) -> bool:
    """Whether the network below the head is frozen, so that a further training costs seconds."""
    return is_frozen(train.model, weights=train.weights, fine_tune_epochs=train.fine_tune_epochs)


def wants_out_of_fold(params: Params, paths: Paths) -> bool:
    """Whether each picture is to be answered by a network that has not seen it."""
    train = params.train
    if train.out_of_fold != "auto":
        return train.out_of_fold
    if learns_head_alone(train):
        return True
    test = read_part("test", split_path=paths.split, manifest_path=paths.clean_manifest)
    counts = np.bincount(test.y, minlength=len(read_class_names(paths.classes)))
    return bool(counts.min() < params.split.min_test_images)


def answer_out_of_fold(params: Params, paths: Paths) -> dict[str, float]:
    """Answer the pictures of train and val out of fold; write the answers, and give their accuracy."""
    if not wants_out_of_fold(params, paths):
        for file in (paths.out_of_fold, paths.label_answers):
            write_table(OUT_OF_FOLD.empty_table(), file)
        return {}
    part = read_parts("train", "val", split_path=paths.split, manifest_path=paths.clean_manifest)
    folds = np.zeros(len(part), np.int64) if part.fold is None else part.fold
    y_prob = answer_folds(part, folds, params, paths, paths.out_of_fold)
    answer_labels(part, folds, params, paths)
    right = (y_prob.argmax(axis=1) == part.y).astype(np.float64)
    groups = np.unique(np.array(part.fold_group), return_inverse=True)[1]
    return bound_share(right, groups, confidence=_CONFIDENCE).flatten("cross_validated_accuracy")


def answer_labels(part: Part, folds: npt.NDArray[np.int64], params: Params, paths: Paths) -> None:
    """Where folds leave whole sources out, answer each picture by a network that knows its source, too.

    A picture of an unusual source looks like a wrong label to a network that has seen nothing of the source.
    So labels are compared with these answers. Only heads are trained for them, so that they cost seconds; of
    a network that learns as a whole there are none.
    """
    if not learns_head_alone(params.train) or not any(
        group.startswith(NAMED) for group in part.fold_group or ()
    ):
        write_table(OUT_OF_FOLD.empty_table(), paths.label_answers)
        return
    _log.info("the same once more for the labels, by networks that know other pictures of each source")
    alike = np.array(part.duplicate_group or part.ids, dtype=str)
    other_folds = deal_folds(part.y, alike, max(2, len(np.unique(folds))), params.train.seed)
    answer_folds(part, other_folds, params, paths, paths.label_answers)


def answer_folds(
    part: Part, folds: npt.NDArray[np.int64], params: Params, paths: Paths, path: Path
) -> npt.NDArray[np.float32]:
    """Class probabilities [n, n_classes], each by a network of other folds; written as a table."""
    from pipeline.training.fold_work import answer_all

    y_prob = answer_all(
        *(paths.shards, part, folds),
        policy=read_policy(paths.policy),
        params=params.train,
        features=paths.cache / "features",
    )
    keys = read_keys(part.ids, paths.clean_manifest)
    answers = build_answers(part.ids, keys, part.y, y_prob, read_class_names(paths.classes))
    seed = np.full(len(part), params.train.seed)
    answers = answers.append_column(OUT_OF_FOLD.field("seed"), [seed])
    write_table(answers.append_column(OUT_OF_FOLD.field("fold"), [folds.astype(np.int32)]), path)
    return y_prob


def hash_weights(weights: str | None) -> str:
    """The md5 of a file of weights: its path alone would let another file continue the same training."""
    return compute_md5(Path(weights)) if weights and Path(weights).is_file() else ""


if __name__ == "__main__":
    run_stage("train", main)
