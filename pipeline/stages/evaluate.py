"""evaluate: how good the classifier is on the test pictures, how sure that is, and where it errs.

Reads   data/train/classifier/ and history.csv, data/clean/manifest.parquet and shards/,
        data/split/split.parquet and classes.json (the test part; the training part for the majority guess),
        data/augment/imperfect/; metrics.json of split and train (for the page).
Writes  data/evaluate/index.html (the page of results), predictions.parquet (by image id), confusion.csv (one
        row per test picture, for `dvc plots`), class_scores.csv, figures/
        (confusion.png, class_f1.png, curves.png, sheet_right.png, sheet_wrong.png).
Run     python -m pipeline.stages.evaluate; DARKROOM_DEVICE=auto|cpu|gpu
Cost    importing Keras (about 8 s), then some 3,000 pictures a second at 32x32 on two CPU cores. With
        train.test_mirror it is half as many, and one pass more without it. Imperfect pictures: one pass more.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import (
    Part,
    Pictures,
    cut_into_runs,
    read_extra,
    read_keys,
    read_part,
)
from pipeline.errors import DataError, ModelError
from pipeline.evidence.answers import build_answers, list_mistakes, write_class_scores, write_confusion
from pipeline.evidence.drawings import draw_f1, draw_sheets, draw_training
from pipeline.evidence.flat_metrics import flatten_classes, flatten_others, flatten_overall
from pipeline.evidence.intervals import Interval, bound_share
from pipeline.evidence.metrics import Scores, count_confusions, log_loss, score_answers
from pipeline.evidence.results_page import Mistakes, Results, write_results
from pipeline.figures.confusion import draw_confusion
from pipeline.images.picture import encode_png
from pipeline.labels import read_class_names
from pipeline.params import EvaluateParams, Params
from pipeline.paths import Paths, read_json
from pipeline.progress import track
from pipeline.runner import Metrics, run_stage
from pipeline.serving.classifier import Classifier
from pipeline.tables.parquet import write_table
from pipeline.tracking.runs import Run

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

    support = matrix.sum(axis=1)
    keys = read_keys(test.ids, paths.clean_manifest)
    answers = build_answers(test.ids, keys, test.y, y_prob, class_names)
    baseline = float((test.y == np.bincount(train.y).argmax()).mean())

    write_table(answers, paths.predictions)
    write_confusion(answers, paths.confusion)
    write_class_scores(scores, class_names, support, paths.class_scores)
    folder = paths.figures("evaluate")
    draw_confusion(matrix, class_names, folder / "confusion.png")
    confidence = params.evaluate.confidence
    draw_f1(scores, class_names, support, confidence=confidence, path=folder / "class_f1.png")
    draw_training(paths.history, params.train.monitor, folder / "curves.png")
    draw_sheets(pictures, y_prob, class_names, n=params.evaluate.n_sheet, folder=folder)
    of_page = (params.data.name, describe_model(params), scores, class_names, support, baseline)
    results = Results(*of_page, *read_others(paths))
    write_page(results, list_mistakes(answers), pictures, params.evaluate, paths)
    for file in (paths.results, paths.predictions, paths.confusion, paths.class_scores):
        run.log_artifact(file)
    run.log_artifact(folder, "figures")
    return {
        "n_test": len(test),
        "log_loss": log_loss(test.y, y_prob),
        "majority_accuracy": baseline,
        **flatten_overall(scores),
        **flatten_others(
            score_unmirrored(classifier, pictures, test, params.evaluate)
            | score_imperfect(classifier, test, y_pred == test.y, paths.imperfect, params.evaluate)
        ),
        **flatten_classes(scores, class_names, support),
    }


def read_others(paths: Paths) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """The metrics of train and split, which say what the test set alone does not; {} of one that is gone."""
    train, split = (
        read_json(paths.metrics(stage), stage) if paths.metrics(stage).exists() else {}
        for stage in ("train", "split")
    )
    return train, split


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


def describe_model(params: Params) -> str:
    """The network and the size of its pictures, in words."""
    height, width = params.clean.image_hw
    return f"{params.train.model} at {height} x {width}"


def write_page(
    results: Results,
    mistakes: Sequence[Mapping[str, Any]],
    pictures: Pictures,
    params: EvaluateParams,
    paths: Paths,
) -> None:
    """Write the page of results, with the first `n_sheet` mistakes as pictures."""
    figures = paths.figures("evaluate")
    write_results(
        results,
        Mistakes(mistakes, encode_pictures(pictures, [row["id"] for row in mistakes[: params.n_sheet]])),
        confidence=params.confidence,
        figures={
            "Which class is taken for which": figures / "confusion.png",
            "F1 of every class": figures / "class_f1.png",
            "Training": figures / "curves.png",
        },
        links=list_pages(paths),
        verdict=paths.verdict,
        path=paths.results,
    )


def encode_pictures(pictures: Pictures, ids: Sequence[str]) -> list[bytes]:
    """Test pictures as PNG files, in the order of `ids`."""
    place = {id_: i for i, id_ in enumerate(pictures.ids)}
    index = np.array([place[id_] for id_ in ids], np.int64)
    return [encode_png(picture) for picture in pictures.gather(index)]


def list_pages(paths: Paths) -> dict[str, Path]:
    """What the page of results links to, by what it shows."""
    figures = [(stage, paths.figures(stage)) for stage in ("clean", "split", "augment", "evaluate")]
    return {
        "The source as it was found": paths.data_docs / "index.html",
        "What was made of it, and the quarantine": paths.ready_docs / "index.html",
    } | {f"Figures of {stage}": folder for stage, folder in figures}


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


if __name__ == "__main__":
    run_stage("evaluate", main)
