"""How accuracy falls when pictures are altered: ten alterations in five severities, on a sample of the tests.

Reads nothing but an examination. Writes robustness.csv, and the figures robustness.png,
robustness_examples.png and confusion_altered.png.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from pipeline.characters import say_count
from pipeline.evidence.altered_answers import Answers, answer_altered, suggest_n
from pipeline.evidence.examination import Examination, Finding, Judgement
from pipeline.evidence.flat_metrics import flatten_others
from pipeline.evidence.intervals import Interval
from pipeline.evidence.metrics import count_confusions
from pipeline.figures.confusion import draw_confusions
from pipeline.figures.drawing import shorten
from pipeline.figures.page import frame_picture, render_bar, render_table
from pipeline.figures.robustness_curves import Curve, draw_robustness
from pipeline.figures.sheets import draw_sheet
from pipeline.images.graded_alterations import GRAYSCALE, MAX_SEVERITY, alter
from pipeline.progress import log_time
from pipeline.storage import remove_files, write_whole

Accuracies = Mapping[tuple[str, int], Interval]  # by alteration and severity

CURVES, EXAMPLES, CONFUSIONS = "robustness.png", "robustness_examples.png", "confusion_altered.png"
COLUMNS = ("alteration", "severity", "accuracy", "low", "high", "n")
MIDDLE = 3  # the severity that words and examples are about
UNALTERED = "none"
_N_TOLD = 3
_FEW_TESTED = 50  # below, that nothing hurts says nothing
_QUESTION = "What happens to altered pictures?"
_N_LOOKED_AT = 32  # pictures, for an example
_WORDS = {
    "noise": "grain, as in the dark",
    "blur": "out of focus",
    "jpeg": "compressed",
    "brightness": "too bright",
    "contrast": "pale",
    "rotation": "turned, 11 to 57 degrees",
    "shift": "moved, 4 to 18 % of the side",
    "imperfect": "shrunk to 90 to 50 %, anywhere in the frame",
    "occlusion": "5 to 40 % of it hidden",
    GRAYSCALE: "colour lost",
}


@log_time("altered pictures")
def probe_robustness(
    examined: Examination, *, n: int | None, confidence: float, table: Path, folder: Path
) -> Finding:
    """Answer altered pictures, and say what hurts.

    Args:
        n: how many test pictures; None: as many as the network answers in seconds; 0: none.
        table: for the accuracy under each alteration at each severity; without answers its head alone.
        folder: for figures.
    """
    remove_files(folder, "robustness*.png")
    remove_files(folder, CONFUSIONS)
    n_pictures = (
        suggest_n(examined.classifier, examined.pictures.gather(np.array([0]))[0]) if n is None else n
    )
    if not n_pictures:
        _write_table([], table)
        return Finding(files=[table])
    answers = answer_altered(examined, n_pictures)
    clean = answers.bound(answers.find_right(UNALTERED, 0), confidence)
    found = {
        (name, severity): answers.bound(answers.find_right(name, severity), confidence)
        for name in answers.names
        for severity in range(1, MAX_SEVERITY + 1)
    }
    share = np.mean([answers.find_right(*one) for one in found], axis=0)
    mean = answers.bound(share, confidence)
    _write_table([(UNALTERED, 0, *clean, len(answers.at)), *_list_rows(found, len(answers.at))], table)
    _draw(answers, clean, found, folder)
    return Finding(
        metrics=flatten_others({"robust_accuracy": mean})
        | {f"robustness/{name}": _average(found, name) for name in answers.names}
        | {"robustness/n": len(answers.at)},
        title="Altered pictures",
        lines=list(_say(answers, clean, found, mean, folder)),
        files=[table],
        judgements=[_judge(clean, found, mean, len(answers.at))],
    )


def _judge(clean: Interval, found: Accuracies, mean: Interval, n: int) -> Judgement:
    hurting = _list_hurting(clean, found)
    words = (
        f"Of {say_count(n, 'test picture')} {clean.value:.1%} are right as they are, and altered "
        f"<b>{mean.value:.1%}</b>."
    )
    if not hurting and n < _FEW_TESTED:
        return Judgement(_QUESTION, f"{words} {n:,} test pictures cannot show what hurts.", "unknown")
    if not hurting:
        return Judgement(_QUESTION, f"{words} At severity {MIDDLE} nothing hurts by more than luck.", "good")
    told = ", ".join(f"{name} ({found[name, MIDDLE].value:.0%})" for name in hurting)
    return Judgement(_QUESTION, f"{words} What hurts most, at severity {MIDDLE}: {told}.", "warning")


def _list_rows(found: Accuracies, n: int) -> Iterator[Sequence[str | float]]:
    yield from ((*one, *accuracy, n) for one, accuracy in found.items())


def _write_table(rows: Sequence[Sequence[str | float]], path: Path) -> None:
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for name, severity, *shares, n in rows:
            table.writerow((name, severity, *(f"{share:.6f}" for share in shares), n))


def _draw(answers: Answers, clean: Interval, found: Accuracies, folder: Path) -> None:
    examined, n = answers.examined, len(answers.at)
    curves = []
    for name in answers.names:
        ends = [clean, *(found[name, severity] for severity in range(1, MAX_SEVERITY + 1))]
        curves.append(Curve(name, *(list(part) for part in zip(*ends, strict=True))))
    chance = float(np.bincount(answers.y_true).max() / n)
    title = f"Accuracy of {n:,} test pictures under alterations (dotted: guessing the most common class)"
    draw_robustness(curves, chance=chance, title=title, path=folder / CURVES)
    _draw_examples(answers, folder / EXAMPLES)
    k = len(examined.class_names)
    clean_matrix = count_confusions(answers.y_true, examined.y_pred[answers.at], k)
    altered = sum(count_confusions(answers.y_true, given, k) for given in answers.y_pred.values())
    draw_confusions(
        {"as they are": clean_matrix, "under all alterations and severities": np.asarray(altered)},
        examined.class_names,
        title=f"What {n:,} test pictures are taken for: percent of each class",
        path=folder / CONFUSIONS,
    )


def _draw_examples(answers: Answers, path: Path) -> None:
    """One picture, answered right if there is such a one, under each alteration."""
    examined = answers.examined
    first = _choose_example(answers)
    picture = examined.pictures.gather(answers.at[[first]])
    ids = [examined.pictures.ids[answers.at[first]]]
    tiles, captions = [picture[0]], [f"as it is\n{_name(examined, examined.y_pred[answers.at[first]])}"]
    for name in answers.names:
        tiles.append(alter(picture, ids, name, MIDDLE)[0])
        captions.append(f"{name}\n{_name(examined, answers.y_pred[name, MIDDLE][first])}")
    title = f"One picture under each alteration, at severity {MIDDLE} of {MAX_SEVERITY}, with its answers"
    draw_sheet(np.stack(tiles), captions, title=title, path=path, n_columns=6)


def _choose_example(answers: Answers) -> int:
    """Which of the sample: of the first that were answered right, the one with most to see."""
    right = np.flatnonzero(answers.find_right(UNALTERED, 0))
    shown = (right if len(right) else np.arange(len(answers.at)))[:_N_LOOKED_AT]
    pictures = answers.examined.pictures.gather(answers.at[shown])
    return int(shown[pictures.std(axis=(1, 2, 3)).argmax()])


def _name(examined: Examination, class_index: int) -> str:
    return f"→ {shorten(examined.class_names[class_index], 16)}"


def _average(found: Accuracies, name: str) -> float:
    return float(np.mean([one.value for (other, _), one in found.items() if other == name]))


def _say(
    answers: Answers,
    clean: Interval,
    found: Accuracies,
    mean: Interval,
    folder: Path,
) -> Iterator[str]:
    n = len(answers.at)
    yield (
        f"<p>{n:,} test pictures were answered again under {len(answers.names)} alterations, each at "
        f"{MAX_SEVERITY} severities. As they are, {clean.value:.1%} are right. Altered, on average "
        f"<b>{mean.value:.1%}</b> ({mean.low:.1%} to {mean.high:.1%}). {_say_worst(clean, found)}</p>"
    )
    if GRAYSCALE not in answers.names:
        yield "<p>Loss of colour was not tried: these pictures are grey.</p>"
    shown = (1, MIDDLE, MAX_SEVERITY)
    names = sorted(answers.names, key=lambda name: _average(found, name))
    yield from render_table(
        ("alteration", "mean", *(f"severity {severity}" for severity in shown)),
        (
            [
                f"{escape(name)}<br><em>{_WORDS[name]}</em>",
                render_bar(_average(found, name), f"{_average(found, name):.1%}"),
                *(f"<td>{found[name, severity].value:.1%}</td>" for severity in shown),
            ]
            for name in names
        ),
    )
    for heading, file in (
        ("By severity", CURVES),
        ("What the alterations look like", EXAMPLES),
        ("Which class is taken for which, clean and altered", CONFUSIONS),
    ):
        yield f'<h3 class="strip">{heading}</h3>'
        yield frame_picture(heading, (folder / file).read_bytes())


def _list_hurting(clean: Interval, found: Accuracies) -> list[str]:
    """What hurts most at the middle severity, by more than luck."""
    return [name for name in _sort_middle(found) if found[name, MIDDLE].high < clean.value][:_N_TOLD]


def _sort_middle(found: Accuracies) -> list[str]:
    """The alterations, the worst at the middle severity first."""
    names = [name for name, severity in found if severity == MIDDLE]
    return sorted(names, key=lambda name: found[name, MIDDLE].value)


def _say_worst(clean: Interval, found: Accuracies) -> str:
    """What hurts most at the middle severity, if it is more than luck."""
    hurting = _list_hurting(clean, found)
    if not hurting:
        worst = _sort_middle(found)[0]
        return (
            f"At severity {MIDDLE} no alteration costs more than luck may: the most, {worst}, "
            f"{clean.value:.0%} &rarr; {found[worst, MIDDLE].value:.0%}."
        )
    told = [f"{name}: {clean.value:.0%} &rarr; {found[name, MIDDLE].value:.0%}" for name in hurting]
    return f"What hurts most, at severity {MIDDLE}: <b>{'; '.join(told)}</b>."
