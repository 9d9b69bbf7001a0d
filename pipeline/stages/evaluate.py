"""evaluate: how good the classifier is on the test pictures, how sure that is, and where it errs.

Reads   data/train/classifier/, out_of_fold.parquet and history.csv, data/clean/manifest.parquet and shards/,
        data/split/split.parquet and classes.json (the test part; the training part for the majority guess),
        data/augment/imperfect/; data/validate/manifest.parquet (facts, for slices); metrics.json of split and
        train (for the page); data/confirmed_labels.csv (labels that people found right).
Writes  data/evaluate/index.html (the page of results), answers.json (when the model answers, and when it asks
        for a person), predictions.parquet (by image id), confusion.csv (one row per test picture, for `dvc
        plots`), class_scores.csv, threshold_curves.csv, slices.csv, robustness.csv (the accuracy on altered
        pictures), suspect_labels.csv, figures/ (confusion.png, class_f1.png, curves.png, roc.png,
        precision_recall.png, reliability.png, slices.png, sheet_right.png, sheet_wrong.png, sheet_labels.png;
        robustness.png, robustness_examples.png, confusion_altered.png; gradcam.png, feature_maps.png,
        filters.png, embedding.png, sheet_random.png).
Run     python -m pipeline.stages.evaluate; DARKROOM_DEVICE=auto|cpu|gpu
Cost    importing Keras (about 8 s), then some 3,000 pictures a second at 32x32 on two CPU cores. With
        train.test_mirror it is half as many, and one pass more without it. Imperfect pictures: one pass more.
        Altered pictures: at most 512 times 50, fewer where that were over 350 billion multiplications.
        Looking inside: about 15 s, most of it t-SNE of 1,000 pictures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import Pictures, join_parts, read_keys, read_part
from pipeline.errors import ModelError
from pipeline.evidence.answers import build_answers, list_mistakes, write_class_scores, write_confusion
from pipeline.evidence.drawings import draw_f1, draw_sheets, draw_training
from pipeline.evidence.examination import Examination, Finding, examine
from pipeline.evidence.flat_metrics import flatten_classes, flatten_overall
from pipeline.evidence.inside import look_inside
from pipeline.evidence.label_section import show_label_audit
from pipeline.evidence.limits_section import show_limits
from pipeline.evidence.metrics import Scores, count_confusions, score_answers
from pipeline.evidence.probabilities import show_probabilities
from pipeline.evidence.probability_scores import score_probabilities
from pipeline.evidence.results_page import Mistakes, Results, write_results
from pipeline.evidence.review import FIGURE, Unseen, choose_rule, judge_review, read_unseen
from pipeline.evidence.robustness import probe_robustness
from pipeline.evidence.slice_section import show_slices
from pipeline.evidence.variants import score_variants
from pipeline.figures.confusion import draw_confusion
from pipeline.images.picture import encode_png
from pipeline.labels import read_class_names
from pipeline.params import EvaluateParams, Params
from pipeline.paths import Paths, read_json
from pipeline.progress import log_time
from pipeline.runner import Metrics, run_stage
from pipeline.serving.answer_rule import write_rule
from pipeline.serving.classifier import Classifier
from pipeline.tables.parquet import write_table
from pipeline.tracking.runs import Run

Ints = npt.NDArray[np.int64]


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Answer every test picture, score the answers, and draw them."""
    set_up_device()
    class_names = read_class_names(paths.classes)
    test, train, val = (
        read_part(name, split_path=paths.split, manifest_path=paths.clean_manifest)
        for name in ("test", "train", "val")
    )
    classifier = load(paths, class_names)
    unseen = read_unseen(paths.out_of_fold, join_parts([train, val]), val, classifier, paths.shards)
    rule = choose_rule(unseen, params.evaluate.min_precision)
    write_rule(rule, {"min_precision": params.evaluate.min_precision}, paths.answers)
    examined = examine(classifier.with_rule(rule), test, paths.shards)
    run.log_dataset("split", paths.split, "test")
    run.log_dataset("clean", paths.clean_manifest, "test")
    scores = score(examined, params.evaluate)
    keys = read_keys(test.ids, paths.clean_manifest)
    answers = build_answers(test.ids, keys, test.y, examined.y_prob, class_names)
    support = np.bincount(test.y, minlength=len(class_names))
    baseline = float((test.y == np.bincount(train.y).argmax()).mean())

    write_table(answers, paths.predictions)
    write_confusion(answers, paths.confusion)
    write_class_scores(scores, class_names, support, paths.class_scores)
    draw_figures(examined, scores, support, params, paths)
    findings = gather_evidence(examined, unseen, scores, params=params, paths=paths)
    of_page = (params.data.name, describe_model(params), scores, class_names, support, baseline)
    results = Results(*of_page, *read_others(paths))
    mistakes = list_mistakes(answers)
    write_page(results, findings, mistakes, examined.pictures, params=params.evaluate, paths=paths)
    for file in (paths.results, paths.answers, paths.predictions, paths.confusion, paths.class_scores):
        run.log_artifact(file)
    for file in [file for one in findings for file in one.files]:
        run.log_artifact(file)
    run.log_artifact(paths.figures("evaluate"), "figures")
    return {
        "n_test": len(test),
        "log_loss": scores.overall["log_loss"].value,
        "majority_accuracy": baseline,
        **flatten_overall(scores),
        **{name: value for one in findings for name, value in one.metrics.items()},
        **flatten_classes(scores, class_names, support),
    }


def gather_evidence(
    examined: Examination, unseen: Unseen, scores: Scores, *, params: Params, paths: Paths
) -> list[Finding]:
    """All that stands beside the scores, in the order of the page."""
    asked, folder = params.evaluate, paths.figures("evaluate")
    how: dict[str, Any] = {"confidence": asked.confidence}
    source_of = params.split.fold_by or params.split.group_by
    n_planned = None if params.train.fine_tune_epochs else params.train.epochs
    trained: dict[str, Any] = {"monitor": params.train.monitor, "n_planned": n_planned}
    return [
        judge_review(examined, unseen, min_precision=asked.min_precision, figures=folder, **how),
        show_limits(examined, paths, asked, group_by=source_of, **trained),
        score_variants(examined, paths.imperfect, **how),
        show_probabilities(examined, scores, paths, **how),
        show_slices(examined, paths, source_of, asked),
        show_label_audit(examined, unseen, paths, asked),
        probe_robustness(examined, n=asked.robustness, table=paths.robustness, folder=folder, **how),
        look_inside(examined, is_wanted=asked.inside, seed=asked.seed, folder=folder),
    ]


def draw_figures(examined: Examination, scores: Scores, support: Ints, params: Params, paths: Paths) -> None:
    """Draw the confusion matrix, the F1 of each class, the training, and sheets of answers."""
    folder, names, confidence = paths.figures("evaluate"), examined.class_names, params.evaluate.confidence
    matrix = count_confusions(examined.y_true, examined.y_pred, len(names))
    draw_confusion(matrix, names, folder / "confusion.png")
    draw_f1(scores, names, support, confidence=confidence, path=folder / "class_f1.png")
    draw_training(paths.history, params.train.monitor, folder / "curves.png")
    draw_sheets(examined.pictures, examined.y_prob, names, n=params.evaluate.n_sheet, folder=folder)


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


@log_time("scores and intervals")
def score(examined: Examination, params: EvaluateParams) -> Scores:
    """All scores of the answers to the test pictures, with their intervals."""
    how: Any = {"n_resamples": params.n_bootstrap, "confidence": params.confidence, "seed": params.seed}
    y_true, groups = examined.y_true, examined.groups
    answers = score_answers(y_true, examined.y_pred, groups, len(examined.class_names), **how)
    return answers.join(score_probabilities(y_true, examined.y_prob, groups, **how))


def describe_model(params: Params) -> str:
    """The network and the size of its pictures, in words."""
    height, width = params.clean.image_hw
    return f"{params.train.model} at {height} x {width}"


def write_page(
    results: Results,
    findings: Sequence[Finding],
    mistakes: Sequence[Mapping[str, Any]],
    pictures: Pictures,
    *,
    params: EvaluateParams,
    paths: Paths,
) -> None:
    """Write the page of results, with the first `n_sheet` mistakes as pictures."""
    figures = paths.figures("evaluate")
    write_results(
        results,
        Mistakes(mistakes, encode_pictures(pictures, [row["id"] for row in mistakes[: params.n_sheet]])),
        confidence=params.confidence,
        sections={one.title: one.lines for one in findings if one.title},
        figures={
            "Which class is taken for which": figures / "confusion.png",
            "F1 of every class": figures / "class_f1.png",
            "Training": figures / "curves.png",
            "Probabilities": figures / FIGURE,
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


if __name__ == "__main__":
    run_stage("evaluate", main)
