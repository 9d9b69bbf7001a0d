"""evaluate: how good the classifier is on the test pictures, how sure that is, and where it errs.

Reads   data/train/classifier/, data/clean/manifest.parquet and shards/, data/split/split.parquet and
        classes.json (the test part; the training part for the majority guess), data/augment/imperfect/.
Writes  data/evaluate/predictions.parquet (by image id), confusion.csv (a row a test picture, for
        `dvc plots`), figures/ (confusion.png, class_f1.png, sheet_right.png, sheet_wrong.png).
Run     python -m pipeline.stages.evaluate; DARKROOM_DEVICE=auto|cpu|gpu
Cost    importing Keras (about 8 s), then some 3,000 pictures a second at 32x32 on two CPU cores; half as
        many with train.test_mirror, and one pass more without it; one pass more for imperfect pictures.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import figures
from pipeline.backend.device import set_up_device
from pipeline.errors import DataError, ModelError
from pipeline.evidence import metrics
from pipeline.params import EvaluateParams, Params
from pipeline.paths import Paths, written_whole
from pipeline.progress import track
from pipeline.runner import Metrics, run_stage
from pipeline.serving.classifier import Classifier
from pipeline.tables.parquet import PREDICTIONS, from_rows, write_table
from pipeline.tracking.runs import Run
from pipeline.training.batches import Part, Pictures, chunks, read_extra, read_part

Ints = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_CHUNK = 512


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    set_up_device()
    class_names = json.loads(paths.classes.read_text(encoding="utf-8"))
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
    matrix = metrics.confusion_matrix(test.y, y_pred, len(class_names))
    scores, of_classes = scored(matrix, params=params.evaluate)

    write_predictions(test, y_prob, paths.predictions)
    write_confusion(test.y, y_pred, class_names, paths.confusion)
    draw(matrix, of_classes, class_names, paths.figures("evaluate"))
    draw_sheets(pictures, y_prob, class_names, n=params.evaluate.n_sheet, folder=paths.figures("evaluate"))
    run.log_artifact(paths.predictions)
    run.log_artifact(paths.confusion)
    run.log_artifact(paths.figures("evaluate"), "figures")
    return {
        "n_test": len(test),
        "log_loss": metrics.log_loss(test.y, y_prob),
        "majority_accuracy": float((test.y == np.bincount(train.y).argmax()).mean()),
        **{f"{name}{end}": value for name, ends in scores.items() for end, value in ends.items()},
        **unmirrored(classifier, pictures, params=params.evaluate),
        **on_imperfect(classifier, test, y_pred == test.y, folder=paths.imperfect, params=params.evaluate),
        **named(of_classes, class_names, matrix.sum(axis=1)),
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
    runs = list(chunks(len(pictures), _CHUNK))
    return np.concatenate(
        [
            classifier.predict_pictures(pictures.gather(index))
            for index in track(runs, total=len(runs), what=f"predicting, {_CHUNK} pictures at a time")
        ]
    )


def unmirrored(classifier: Classifier, pictures: Pictures, *, params: EvaluateParams) -> dict[str, float]:
    """The accuracy without the mirror image, where `train.test_mirror` adds it; otherwise nothing."""
    if not classifier.settings.test_mirror:
        return {}
    y_prob = predict(classifier.without_mirror(), pictures)
    return accuracy_of("unmirrored", y_prob.argmax(axis=1) == pictures.y, params=params)


def on_imperfect(
    classifier: Classifier, test: Part, is_right: Bools, *, folder: Path, params: EvaluateParams
) -> dict[str, float]:
    """The accuracy on imperfect copies of the test pictures, and on both together; nothing without copies.

    Args:
        is_right: whether the answer to each test picture itself is right.

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
        **accuracy_of("imperfect", is_right_too, params=params),
        **accuracy_of("mixed", (is_right + is_right_too.astype(np.float64)) / 2, params=params),
    }


def accuracy_of(name: str, right: Bools | Floats, *, params: EvaluateParams) -> dict[str, float]:
    """A mean with its percentile bootstrap interval, as flat metrics.

    Args:
        right: the share of right answers for each picture [n]. Whole pictures are resampled, never one
            answer to a picture without the other: two answers to one picture say less than those to two.
    """
    values, counts = np.unique(right.astype(np.float64), return_counts=True)
    rng = np.random.default_rng(params.seed)
    drawn = rng.multinomial(len(right), counts / len(right), size=params.n_bootstrap) @ values / len(right)
    tails = [(1 - params.confidence) / 2, (1 + params.confidence) / 2]
    low, high = (float(end) for end in np.quantile(drawn, tails))
    ends = _ends(float(right.mean()), (low, high))
    return {f"{name}/accuracy{end}": value for end, value in ends.items()}


def scored(
    matrix: Ints, *, params: EvaluateParams
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Floats]]]:
    """All scores with their intervals, each as {"": value, "/low": ..., "/high": ...}.

    Returns:
        The overall scores by name, and the class scores by name with a value a class [n_classes]
        (nan where a class gives none).
    """
    counts = metrics.counts_of(matrix)
    intervals, of_classes = metrics.bootstrap(
        matrix, n_resamples=params.n_bootstrap, confidence=params.confidence, seed=params.seed
    )
    overall = {name: _ends(float(v), intervals[name]) for name, v in metrics.overall_scores(*counts).items()}
    a_class = {name: _ends(v, of_classes[name]) for name, v in metrics.class_scores(*counts).items()}
    return overall, a_class


def named(
    of_classes: dict[str, dict[str, Floats]], class_names: Sequence[str], support: Ints
) -> dict[str, float]:
    """The class scores as flat metrics, "class/<name>/<score>"; what is not defined is left out."""
    flat: dict[str, float] = {}
    for index, name in enumerate(class_names):
        flat[metrics.metric_name("class", name, "support")] = int(support[index])
        for score, ends in of_classes.items():
            for end, values in ends.items():
                if not np.isnan(values[index]):
                    flat[metrics.metric_name("class", name, score) + end] = float(values[index])
    return flat


def write_predictions(test: Part, y_prob: Float32, path: Path) -> None:
    """tables.PREDICTIONS, sorted by id."""
    y_pred = y_prob.argmax(axis=1)
    columns = (test.ids, test.y.tolist(), y_pred.tolist(), y_prob.tolist())
    rows = (dict(zip(PREDICTIONS.names, row, strict=True)) for row in zip(*columns, strict=True))
    write_table(from_rows(rows, PREDICTIONS, sort_by="id"), path)


def write_confusion(y_true: Ints, y_pred: Ints, class_names: Sequence[str], path: Path) -> None:
    """A row a test picture, actual and predicted class by name, for `dvc plots --template confusion`."""
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("actual", "predicted"))
        table.writerows((class_names[t], class_names[p]) for t, p in zip(y_true, y_pred, strict=True))


def draw(
    matrix: Ints, of_classes: dict[str, dict[str, Floats]], class_names: Sequence[str], folder: Path
) -> None:
    """The confusion matrix, and F1 with its interval a class."""
    figures.confusion(matrix, class_names, folder / "confusion.png")
    f1 = of_classes["f1"]
    figures.class_bars(
        f1[""], f1["/low"], f1["/high"], class_names, what="F1 and its interval", path=folder / "class_f1.png"
    )


def draw_sheets(
    pictures: Pictures, y_prob: Float32, class_names: Sequence[str], *, n: int, folder: Path
) -> None:
    """A sheet of wrong answers, the most confident first, and one of right answers, the first by id."""
    y_pred, confidence = y_prob.argmax(axis=1), y_prob.max(axis=1)
    wrong = np.flatnonzero(y_pred != pictures.y)
    right = np.flatnonzero(y_pred == pictures.y)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    for name, found, title in (
        ("right", right, "Right answers"),
        ("wrong", wrong, "Wrong answers, the most confident first"),
    ):
        shown = found[:n]
        captions = [f"{_caption(class_names, pictures.y[i], y_pred[i])}, {confidence[i]:.0%}" for i in shown]
        figures.sheet(
            pictures.gather(shown),
            captions,
            title=f"{title}: {len(shown)} of {len(found):,} ({len(pictures):,} test pictures)"
            if len(found)
            else f"{title}: there are none among {len(pictures):,} test pictures",
            path=folder / f"sheet_{name}.png",
        )


def _caption(class_names: Sequence[str], true: int, predicted: int) -> str:
    """One class name, or two lines: the actual, then the predicted one."""
    if true == predicted:
        return figures.short(class_names[true], 14)
    return f"{figures.short(class_names[true], 18)}\n→ {figures.short(class_names[predicted], 14)}"


def _ends(value: Any, interval: tuple[Any, Any]) -> dict[str, Any]:
    return {"": value, "/low": interval[0], "/high": interval[1]}


if __name__ == "__main__":
    run_stage("evaluate", main)
