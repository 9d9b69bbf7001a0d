"""evaluate: how good the classifier is on the test pictures, how sure that is, and where it errs.

Reads   data/train/classifier/, out_of_fold.parquet, label_answers.parquet and history.csv;
        data/clean/manifest.parquet and shards/; data/split/split.parquet and classes.json (the test part;
        train and val for what was learned);
        data/augment/imperfect/; data/validate/manifest.parquet (facts, for slices); metrics.json of split and
        train, shortcuts.json of split (for the page); data/confirmed_labels.csv (labels that people found
        right).
Writes  data/evaluate/report.html (for people; index of the rest), model_card.json and model_card.md,
        answers.json (when the model answers, and when it asks for a person), training_facts.json (what the
        training pictures were like), predictions.parquet (by image id), confusion.csv (one row per test
        picture, for `dvc plots`), class_scores.csv, slices.csv, threshold_curves.csv, robustness.csv (the
        accuracy on altered pictures), suspect_labels.csv, figures/ (confusion.png, class_f1.png, curves.png,
        roc.png, precision_recall.png, reliability.png, slices.png, sheet_right.png, sheet_wrong.png,
        sheet_labels.png; robustness.png, robustness_examples.png, confusion_altered.png; gradcam.png,
        feature_maps.png, filters.png, embedding.png, sheet_random.png).
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
from pipeline.characters import say_count
from pipeline.collection.pictures import join_parts, read_keys, read_part
from pipeline.errors import ModelError
from pipeline.evidence.answers import build_answers, list_mistakes, write_class_scores, write_confusion
from pipeline.evidence.drawings import draw_f1, draw_sheets, draw_training
from pipeline.evidence.examination import Examination, Finding, examine
from pipeline.evidence.flat_metrics import flatten_classes, flatten_overall
from pipeline.evidence.inside import look_inside
from pipeline.evidence.label_section import show_label_audit
from pipeline.evidence.limits_section import show_limits
from pipeline.evidence.metrics import Scores, count_confusions, score_answers
from pipeline.evidence.model_card import Described, build_card, write_card
from pipeline.evidence.probabilities import show_probabilities
from pipeline.evidence.probability_scores import score_probabilities
from pipeline.evidence.report import write_report
from pipeline.evidence.review import choose_rule, judge_review
from pipeline.evidence.robustness import probe_robustness
from pipeline.evidence.score_section import show_mistakes, show_scores
from pipeline.evidence.slice_section import show_slices
from pipeline.evidence.source_section import Known, show_sources
from pipeline.evidence.training_facts import gather_facts
from pipeline.evidence.unseen import Unseen, read_label_answers, read_unseen
from pipeline.evidence.variants import score_variants
from pipeline.figures.confusion import draw_confusion
from pipeline.json_file import read_json
from pipeline.labels import read_class_names
from pipeline.params import EvaluateParams, Params
from pipeline.paths import Paths
from pipeline.progress import log_time
from pipeline.runner import Metrics, run_stage
from pipeline.serving.answer_rule import write_rule
from pipeline.serving.classifier import Classifier
from pipeline.serving.training_facts import write_facts
from pipeline.tables.parquet import write_table
from pipeline.tracking.runs import Run

Ints = npt.NDArray[np.int64]

_OF_TRAINING = ("epochs", "best_epoch", "n_parameters", "train_accuracy", "val_accuracy")  # for the card


def main(params: Params, paths: Paths, run: Run) -> Metrics:
    """Answer every test picture, score the answers, and draw them."""
    set_up_device()
    class_names = read_class_names(paths.classes)
    parts = {
        name: read_part(name, split_path=paths.split, manifest_path=paths.clean_manifest)
        for name in ("train", "val", "test")
    }
    train, val, test = parts.values()
    classifier = load(paths, class_names)
    learnt = join_parts([train, val])
    unseen = read_unseen(paths.out_of_fold, learnt, val, classifier, paths.shards)
    of_labels = read_label_answers(paths.label_answers, learnt, unseen)
    rule = choose_rule(unseen, params.evaluate.min_precision)
    write_rule(rule, {"min_precision": params.evaluate.min_precision}, paths.answers)
    examined = examine(classifier.with_rule(rule), test, paths.shards)
    for name, file in (("split", paths.split), ("clean", paths.clean_manifest)):
        run.log_dataset(name, file, "test")
    facts = gather_facts(examined, train, shards=paths.shards, raw_manifest=paths.raw_manifest)
    write_facts(facts, paths.training_facts)
    scores = score(examined, params.evaluate)
    keys = read_keys(test.ids, paths.clean_manifest)
    answers = build_answers(test.ids, keys, test.y, examined.y_prob, class_names)
    support = np.bincount(test.y, minlength=len(class_names))
    baseline = float(support.max() / len(test))  # the best of all answers that are always the same

    write_table(answers, paths.predictions)
    write_confusion(answers, paths.confusion)
    write_class_scores(scores, class_names, support, paths.class_scores)
    draw_figures(examined, scores, support, params, paths)
    known = read_known(params, paths)
    of_scores: Any = {"baseline": baseline, "confidence": params.evaluate.confidence}
    findings = [
        show_scores(examined, scores, folder=paths.figures("evaluate"), **of_scores),
        show_mistakes(list_mistakes(answers), examined, params.evaluate.n_sheet),
        *gather_evidence(examined, unseen, scores, known, of_labels, params=params, paths=paths),
    ]
    counts = {name: count_classes(part.y, class_names) for name, part in parts.items()}
    write_pages(findings, counts, flatten_overall(scores), known, params=params, paths=paths)
    log_files([file for one in findings for file in one.files], run, paths)
    return {
        "n_test": len(test),
        "log_loss": scores.overall["log_loss"].value,
        "majority_accuracy": baseline,
        **flatten_overall(scores),
        **{name: value for one in findings for name, value in one.metrics.items()},
        **flatten_classes(scores, class_names, support),
    }


def gather_evidence(
    examined: Examination,
    unseen: Unseen,
    scores: Scores,
    known: Known,
    of_labels: Unseen,
    *,
    params: Params,
    paths: Paths,
) -> list[Finding]:
    """All that stands beside the scores, in the order of the page."""
    asked, folder = params.evaluate, paths.figures("evaluate")
    how: dict[str, Any] = {"confidence": asked.confidence}
    source_of = params.split.fold_by or params.split.group_by
    n_planned = None if params.train.fine_tune_epochs else params.train.epochs
    trained: dict[str, Any] = {"monitor": params.train.monitor, "n_planned": n_planned}
    return [
        show_sources(examined, unseen, known, confidence=asked.confidence),
        judge_review(examined, unseen, min_precision=asked.min_precision, figures=folder, **how),
        show_limits(examined, paths, asked, group_by=source_of, **trained),
        score_variants(examined, paths.imperfect, **how),
        show_probabilities(examined, scores, paths, min_precision=asked.min_precision, **how),
        show_slices(examined, paths, source_of, asked),
        show_label_audit(examined, of_labels, paths, asked),
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


def read_known(params: Params, paths: Paths) -> Known:
    """What split and train say that the test set alone does not; nothing of a file that is gone."""
    split, train = (
        read_json(paths.metrics(stage), stage) if paths.metrics(stage).exists() else {}
        for stage in ("split", "train")
    )
    limit, pattern = params.split.max_metadata_accuracy, params.split.fold_by or params.split.group_by
    audit = read_json(paths.shortcuts, "split") if paths.shortcuts.exists() else {}
    telling = tuple(
        fact["sentence"] for fact in audit.get("metadata", {}).get("facts", ()) if fact["sentence"]
    )
    return Known(split, train, limit, has_pattern=bool(pattern), telling=telling)


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


def count_classes(y: Ints, class_names: Sequence[str]) -> dict[str, int]:
    """How many pictures there are of each class."""
    return dict(zip(class_names, np.bincount(y, minlength=len(class_names)).tolist(), strict=True))


def write_pages(
    findings: Sequence[Finding],
    counts: Mapping[str, Mapping[str, int]],
    scores: Mapping[str, float],
    known: Known,
    *,
    params: Params,
    paths: Paths,
) -> None:
    """Write the report and the model card.

    Args:
        counts: of pictures, by part and class.
        scores: the headline metrics.
    """
    name, (height, width) = params.data.name, params.clean.image_hw
    network = params.train.model
    tested = say_count(sum(counts["test"].values()), "test picture")
    question = f"{network} at {height} x {width}, asked about {tested} that it has never seen"
    trained = {key: known.train[key] for key in _OF_TRAINING if key in known.train}
    described = Described(name, network, (height, width), counts, trained)
    card = build_card(described, scores, [judgement for one in findings for judgement in one.judgements])
    write_card(card, data=paths.model_card, text=paths.model_card_text)
    links = list_pages(paths)
    write_report(name, question, findings, links=links, verdict=paths.verdict, path=paths.report)


def log_files(found: Sequence[Path], run: Run, paths: Paths) -> None:
    """Log what was written: the pages, the tables, what each part of the evidence found, the figures."""
    pages, tables = (
        (paths.report, paths.model_card, paths.model_card_text),
        (paths.answers, paths.predictions),
    )
    for file in (*pages, *tables, paths.confusion, paths.class_scores, *found):
        run.log_artifact(file)
    run.log_artifact(paths.figures("evaluate"), "figures")


def list_pages(paths: Paths) -> dict[str, Path]:
    """What the report links to, by what it shows."""
    figures = [(stage, paths.figures(stage)) for stage in ("clean", "split", "augment", "evaluate")]
    return {
        "Model card": paths.model_card_text,
        "The source as it was found": paths.data_docs / "index.html",
        "What was made of it, and the quarantine": paths.ready_docs / "index.html",
    } | {f"Figures of {stage}": folder for stage, folder in figures}


if __name__ == "__main__":
    run_stage("evaluate", main)
