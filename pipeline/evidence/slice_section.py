"""The section about slices: which kinds of pictures are answered worse, in words, with examples."""

import csv
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from pipeline.characters import quote_cell, say_count
from pipeline.evidence.examination import Examination, Finding, Judgement
from pipeline.evidence.slice_facts import read_facts
from pipeline.evidence.slices import Judged, Slice, choose_worst, find_slices
from pipeline.evidence.wording import MISSING, show_ends, show_level, show_name, show_share
from pipeline.figures.drawing import BLUE, RED
from pipeline.figures.page import embed_png, render_table, render_tiles
from pipeline.figures.score_dots import draw_score_dots
from pipeline.images.picture import encode_png
from pipeline.params import EvaluateParams
from pipeline.paths import Paths
from pipeline.progress import log_time
from pipeline.storage import write_whole

_FEW_TESTED = 100  # below, that nothing stands out says nothing
_WORSE, _NOT_WORSE = "significantly worse than the rest", "not significantly worse"
_COLUMNS = (
    *("fact", "slice", "n_test", "n_groups", "accuracy", "accuracy_low", "accuracy_high"),
    *("rest_accuracy", "p", "p_adjusted", "is_worse", "only_class"),
)


@log_time("slices")
def show_slices(examined: Examination, paths: Paths, group_by: str, params: EvaluateParams) -> Finding:
    """Slices with their scores: a table, a figure and a section; empty files without `evaluate.slices`.

    Raises:
        DataError: validate has not seen a test picture.
    """
    slices: list[Slice] = []
    if params.slices:
        facts = read_facts(
            examined.test.ids,
            raw_manifest=paths.raw_manifest,
            clean_manifest=paths.clean_manifest,
            group_by=group_by,
        )
        slices = find_slices(
            facts,
            Judged(examined.y_true, examined.is_right, examined.groups, examined.class_names),
            confidence=params.confidence,
        )
    write_slices(slices, params.confidence, paths.slices)
    figure = paths.figures("evaluate") / "slices.png"
    _draw(slices, examined, params, figure)
    if not params.slices:
        return Finding(files=[paths.slices])
    worst = choose_worst(slices, confidence=params.confidence)
    n_worse = sum(_is_worse(one, params.confidence) for one in slices)
    return Finding(
        metrics={"slices/n_slices": len(slices), "slices/n_worse": n_worse},
        title="Slices",
        lines=[
            *_render_worst(worst, n_worse, slices, examined),
            *(_render_all(slices, figure.read_bytes(), params.confidence) if slices else ()),
        ],
        files=[paths.slices],
        judgements=[_judge(worst, n_worse, len(examined.y_true))],
    )


def _judge(worst: Sequence[Slice], n_worse: int, n_tested: int) -> Judgement:
    question = "Which pictures does it get wrong more often?"
    if not worst and n_tested < _FEW_TESTED:
        few = say_count(n_tested, "test picture")
        return Judgement(question, f"Not known: {few} cannot show it.", "unknown")
    if not worst:
        return Judgement(question, "No kind of picture stands out, by the facts of the files.", "good")
    told = (
        f"<b>{escape(one.fact)}: {show_name(one.value)}</b> ({one.accuracy.value:.0%} right, others of its "
        f"classes {one.rest:.0%})"
        for one in worst
    )
    more = f" and {n_worse - len(worst)} more" if n_worse > len(worst) else ""
    return Judgement(question, f"{'; '.join(told)}{more}.", "warning")


def write_slices(slices: Sequence[Slice], confidence: float, path: Path) -> None:
    """Write a row per slice ("": not defined)."""
    rows = (
        [
            *(quote_cell(one.fact), quote_cell(one.value), one.n, one.n_groups),
            *("" if np.isnan(v) else round(v, 6) for v in (*one.accuracy, one.rest, one.p, one.adjusted)),
            *(int(_is_worse(one, confidence)), quote_cell(one.only_class)),
        ]
        for one in slices
    )
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        table.writerows(rows)


def _is_worse(one: Slice, confidence: float) -> bool:
    return one.adjusted < 1 - confidence


def _draw(slices: Sequence[Slice], examined: Examination, params: EvaluateParams, path: Path) -> None:
    ends = np.array([one.accuracy for one in slices]).reshape(-1, 3).T
    nothing = "no slices: pictures do not differ in any fact" if params.slices else "evaluate.slices is off"
    draw_score_dots(
        (ends[0], ends[1], ends[2]),
        [f"{one.fact}: {one.value}" for one in slices],
        words=[f"n={one.n:,}" for one in slices],
        kinds=[_WORSE if _is_worse(one, params.confidence) else _NOT_WORSE for one in slices],
        colours={_NOT_WORSE: BLUE, _WORSE: RED},
        line=float(examined.is_right.mean()) if slices else np.nan,
        title="Accuracy by slice of the test pictures; dotted: all"
        if slices
        else f"Accuracy by slice: {nothing}",
        what=f"accuracy, with its {show_level(params.confidence)} interval",
        path=path,
    )


def _render_worst(
    worst: Sequence[Slice], n_worse: int, slices: Sequence[Slice], examined: Examination
) -> Iterator[str]:
    n_compared = sum(not np.isnan(one.p) for one in slices)
    if not n_compared:
        yield "<p>There is nothing to compare: the test pictures differ in no fact of their files.</p>"
        return
    compared = (
        f"{say_count(n_compared, 'slice')} of the test pictures, each compared with others of its classes"
    )
    if not worst:
        yield f"<p>{compared}: none is worse by more than luck.</p>"
        return
    most = f" The {len(worst)} that lose most:" if n_worse > len(worst) else ""
    are = "is" if n_worse == 1 else "are"
    yield f"<p>{compared}: <b>{n_worse} {are} worse</b> by more than luck.{most}</p>"
    for one in worst:
        yield (
            f"<h3>{escape(one.fact)}: {escape(one.value)}</h3>\n<p>{one.accuracy.value:.1%} of "
            f"{say_count(one.n, 'picture')} are right ({show_ends(one.accuracy)}), of others of its "
            f"classes {one.rest:.1%}. Luck alone brings that, in any slice, with a probability of "
            f"{_show_p(one.adjusted)}.</p>"
        )
        yield from _render_mistakes(one, examined)


def _render_mistakes(one: Slice, examined: Examination) -> Iterator[str]:
    """Tiles of wrong answers in a slice."""
    names, index = examined.class_names, np.array(one.mistakes, np.int64)
    captions = (
        f"is {show_name(names[examined.y_true[i]])}, answered <b>{show_name(names[examined.y_pred[i]])}</b> "
        f"({examined.y_prob[i].max():.0%})"
        for i in one.mistakes
    )
    pictures = map(encode_png, examined.pictures.gather(index))
    yield from render_tiles(
        (f"a mistake in {one.value}", png, caption) for png, caption in zip(pictures, captions, strict=True)
    )


def _render_all(slices: Sequence[Slice], png: bytes, confidence: float) -> Iterator[str]:
    """The figure, and behind it the numbers."""
    yield f'<p></p><div class="scroll">{embed_png("accuracy by slice", png)}</div>'
    yield "<details><summary>All slices as a table</summary>"
    yield from render_table(
        ("slice", "test pictures", "accuracy", f"{show_level(confidence)} interval", "the rest", "p"),
        (
            [
                escape(f"{one.fact}: {one.value}")
                + (f" (all {escape(one.only_class)})" if one.only_class else ""),
                f"<td>{one.n:,}</td>" if one.n else "<td>none</td>",
                f"<td>{show_share(one.accuracy.value)}</td>",
                f"<td>{show_ends(one.accuracy)}</td>",
                f"<td>{show_share(one.rest)}</td>",
                f"<td>{_show_p(one.adjusted)}{' !' if _is_worse(one, confidence) else ''}</td>",
            ]
            for one in slices
        ),
    )
    yield (
        "<p>The rest: the other test pictures, in the proportions of classes that the slice has. p: adjusted "
        "for all slices; ! marks what is worse by more than luck. Slices overlap, so one cause may show in "
        "several.</p></details>"
    )


def _show_p(p: float) -> str:
    return MISSING if np.isnan(p) else "below 0.001" if p < 0.001 else f"{p:.3f}"
