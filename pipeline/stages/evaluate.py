"""evaluate: how good the classifier is on the test pictures, how sure that is, and where it errs.

Reads   data/train/classifier/ and history.csv, data/clean/manifest.parquet and shards/,
        data/split/split.parquet and classes.json (the test part; the training part for the majority guess),
        data/augment/imperfect/.
Writes  data/evaluate/predictions.parquet (by image id), confusion.csv (one row per test picture, for `dvc
        plots`), figures/ (confusion.png, class_f1.png, curves.png, sheet_right.png, sheet_wrong.png).
Run     python -m pipeline.stages.evaluate; DARKROOM_DEVICE=auto|cpu|gpu
Cost    importing Keras (about 8 s), then some 3,000 pictures a second at 32x32 on two CPU cores. With
        train.test_mirror it is half as many, and one pass more without it. Imperfect pictures: one pass more.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import Part, Pictures, cut_into_runs, read_extra, read_part
from pipeline.errors import DataError, ModelError
from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.metrics import SCORES, Scores, count_confusions, log_loss, score_answers
from pipeline.figures.class_bars import draw_class_bars
from pipeline.figures.confusion import draw_confusion
from pipeline.figures.curves import draw_curves
from pipeline.figures.drawing import shorten
from pipeline.figures.sheets import draw_sheet
from pipeline.labels import metric_name, read_class_names
from pipeline.params import EvaluateParams, Params
from pipeline.paths import Paths
from pipeline.progress import track
from pipeline.runner import Metrics, run_stage
from pipeline.serving.classifier import Classifier
from pipeline.storage import write_whole
from pipeline.tables.parquet import build_table, write_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tracking.runs import Run
from pipeline.training.history import find_best_row, read_history

Ints = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_CHUNK = 512


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Answer every test picture, score the answers, and draw them."""
    set_up_device()
    class_names = read_class_names(paths.classes)
    classifier = load(paths, class_names)
    test, train = (
        read_part(name, split_path=paths.split, manifest_path=paths.clean_manifest)
        for name in ("test", "train")
    )
    if not len(test):
        raise DataError("there is no test picture; raise split.test, or add pictures")
    run.log_dataset("split", paths.split, "test")
    run.log_dataset("clean", paths.clean_manifest, "test")
    pictures = Pictures((paths.shards, test))
    y_prob = predict(classifier, pictures)
    y_pred = y_prob.argmax(axis=1)
    matrix = count_confusions(test.y, y_pred, len(class_names))
    scores = score(test, y_pred, len(class_names), params.evaluate)

    write_predictions(test, y_prob, paths.predictions)
    write_confusion(test.y, y_pred, class_names, paths.confusion)
    folder = paths.figures("evaluate")
    draw_confusion(matrix, class_names, folder / "confusion.png")
    draw_f1(scores, class_names, folder / "class_f1.png")
    draw_training(paths.history, params.train.monitor, folder / "curves.png")
    draw_sheets(pictures, y_prob, class_names, n=params.evaluate.n_sheet, folder=folder)
    run.log_artifact(paths.predictions)
    run.log_artifact(paths.confusion)
    run.log_artifact(folder, "figures")
    return {
        "n_test": len(test),
        "log_loss": log_loss(test.y, y_prob),
        "majority_accuracy": float((test.y == np.bincount(train.y).argmax()).mean()),
        **flatten_overall(scores),
        **flatten_others(
            score_unmirrored(classifier, pictures, test, params.evaluate)
            | score_imperfect(classifier, test, y_pred == test.y, paths.imperfect, params.evaluate)
        ),
        **flatten_classes(scores, class_names, matrix.sum(axis=1)),
    }


def load(paths: Paths, class_names: Sequence[str]) -> Classifier:
    """The trained classifier.

    Raises:
        ModelError: it is missing or damaged, or was trained for other classes.
    """
    classifier = Classifier.load(paths.classifier)
    if list(classifier.class_names) != list(class_names):
        raise ModelError(
            f"{paths.classifier} knows the classes {', '.join(classifier.class_names)}, {paths.classes.name}"
            f" holds {', '.join(class_names)}; run `dvc repro train`"
        )
    return classifier


def predict(classifier: Classifier, pictures: Pictures) -> Float32:
    """Class probabilities [n, n_classes] of all pictures, gathered in runs."""
    runs = list(cut_into_runs(len(pictures), _CHUNK))
    return np.concatenate(
        [
            classifier.predict_pictures(pictures.gather(index))
            for index in track(runs, total=len(runs), what=f"predicting, {_CHUNK} pictures at a time")
        ]
    )


def score(test: Part, y_pred: Ints, n_classes: int, params: EvaluateParams) -> Scores:
    """All scores of the answers to the test pictures, with their intervals."""
    return score_answers(
        test.y,
        y_pred,
        number_groups(test),
        n_classes,
        n_resamples=params.n_bootstrap,
        confidence=params.confidence,
        seed=params.seed,
    )


def number_groups(test: Part) -> Ints:
    """The number of each test picture's group of near-duplicates [n]; without any, a group by itself."""
    return np.unique(np.array(test.duplicate_group or test.ids), return_inverse=True)[1]


def score_unmirrored(
    classifier: Classifier, pictures: Pictures, test: Part, params: EvaluateParams
) -> dict[str, Interval]:
    """The accuracy without the mirror image, if `train.test_mirror` adds it; otherwise nothing."""
    if not classifier.settings.test_mirror:
        return {}
    y_prob = predict(classifier.without_mirror(), pictures)
    return {"unmirrored_accuracy": measure_accuracy(y_prob.argmax(axis=1) == pictures.y, test, params)}


def score_imperfect(
    classifier: Classifier, test: Part, is_right: Bools, folder: Path, params: EvaluateParams
) -> dict[str, Interval]:
    """The accuracy on imperfect copies of the test pictures, and on both together; nothing without copies.

    Args:
        is_right: whether the answer to each test picture itself is right [n].

    Raises:
        DataError: the folder holds copies of other pictures.
    """
    copies = read_extra(folder)
    if not len(copies):
        return {}
    if (copies.ids, copies.y.tolist()) != (test.ids, test.y.tolist()):
        raise DataError(f"{folder} does not hold a copy of each test picture; run `dvc repro augment`")
    is_right_too = predict(classifier, Pictures((folder, copies))).argmax(axis=1) == copies.y
    return {
        "imperfect_accuracy": measure_accuracy(is_right_too, test, params),
        "mixed_accuracy": measure_accuracy((is_right + is_right_too.astype(np.float64)) / 2, test, params),
    }


def measure_accuracy(right: Bools | Float64, test: Part, params: EvaluateParams) -> Interval:
    """An accuracy with its interval.

    Args:
        right: the share of right answers for each test picture [n]. A picture counts once, however many
            answers there are to it: two answers to one picture say less than answers to two.
    """
    return bound_share(right.astype(np.float64), number_groups(test), confidence=params.confidence)


def flatten_overall(scores: Scores) -> dict[str, float]:
    """The scores that a promotion may go by, with their intervals; the others are details."""
    flat: dict[str, float] = {}
    for name, one in scores.overall.items():
        flat |= one.flatten(name if name in SCORES else f"overall/{name}")
    return flat


def flatten_others(accuracies: Mapping[str, Interval]) -> dict[str, float]:
    """Accuracies on other pictures or by other means; their intervals are details."""
    flat = {name: one.value for name, one in accuracies.items()}
    for name, one in accuracies.items():
        flat |= {f"overall/{end}": value for end, value in one.flatten(name).items() if end != name}
    return flat


def flatten_classes(scores: Scores, class_names: Sequence[str], support: Ints) -> dict[str, float]:
    """The class scores as flat metrics, "class/<name>/<score>"; undefined scores are left out."""
    flat: dict[str, float] = {}
    for index, name in enumerate(class_names):
        flat[metric_name("class", name, "support")] = int(support[index])
        for score_name, of_classes in scores.of_classes.items():
            found = of_classes[index].flatten(metric_name("class", name, score_name))
            flat |= {key: value for key, value in found.items() if not np.isnan(value)}
    return flat


def write_predictions(test: Part, y_prob: Float32, path: Path) -> None:
    """Write predictions.parquet, of schema PREDICTIONS, sorted by id."""
    y_pred = y_prob.argmax(axis=1)
    columns = (test.ids, test.y.tolist(), y_pred.tolist(), y_prob.tolist())
    rows = (dict(zip(PREDICTIONS.names, row, strict=True)) for row in zip(*columns, strict=True))
    write_table(build_table(rows, PREDICTIONS, sort_by="id"), path)


def write_confusion(y_true: Ints, y_pred: Ints, class_names: Sequence[str], path: Path) -> None:
    """Write the actual and the predicted class of each test picture, for `dvc plots --template confusion`."""
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("actual", "predicted"))
        table.writerows((class_names[t], class_names[p]) for t, p in zip(y_true, y_pred, strict=True))


def draw_f1(scores: Scores, class_names: Sequence[str], path: Path) -> None:
    """Draw one bar of F1 with its interval per class."""
    values, lows, highs = np.array(scores.of_classes["f1"]).T
    draw_class_bars(values, lows, highs, class_names, what="F1 and its interval", path=path)


def draw_training(history: Path, monitor: str, path: Path) -> None:
    """Draw the curves of the training, with the epoch whose weights were kept."""
    rows = read_history(history)
    draw_curves(rows, best_epoch=int(find_best_row(rows, monitor)["epoch"]), path=path)


def draw_sheets(
    pictures: Pictures, y_prob: Float32, class_names: Sequence[str], *, n: int, folder: Path
) -> None:
    """Draw a sheet of wrong answers, the most confident first, and one of right answers, the first by id."""
    y_pred, confidence = y_prob.argmax(axis=1), y_prob.max(axis=1)
    wrong = np.flatnonzero(y_pred != pictures.y)
    right = np.flatnonzero(y_pred == pictures.y)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    for name, found, title in (
        ("right", right, "Right answers"),
        ("wrong", wrong, "Wrong answers, the most confident first"),
    ):
        shown = found[:n]
        captions = [
            f"{_write_caption(class_names, pictures.y[i], y_pred[i])}, {confidence[i]:.0%}" for i in shown
        ]
        draw_sheet(
            pictures.gather(shown),
            captions,
            title=f"{title}: {len(shown)} of {len(found):,} ({len(pictures):,} test pictures)"
            if len(found)
            else f"{title}: there are none among {len(pictures):,} test pictures",
            path=folder / f"sheet_{name}.png",
        )


def _write_caption(class_names: Sequence[str], true: int, predicted: int) -> str:
    """One class name, or two lines: the actual, then the predicted one."""
    if true == predicted:
        return shorten(class_names[true], 14)
    return f"{shorten(class_names[true], 18)}\n→ {shorten(class_names[predicted], 14)}"


if __name__ == "__main__":
    run_stage("evaluate", main)
