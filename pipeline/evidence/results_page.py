"""The page of results: how good the model is, how sure that is, and what it gets wrong, with file names."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evidence.intervals import Interval
from pipeline.evidence.metrics import Scores
from pipeline.figures.page import (
    frame_page,
    render_bar,
    render_facts,
    render_picture,
    render_table,
    render_tiles,
)
from pipeline.storage import write_whole

_MAX_CLASSES = 200
_TOO_FEW = 10  # test pictures of a class, below which its scores are marked
# Written by promote, which comes later: the page asks for it when it is opened.
_VERDICT = """<p class="banner waiting" id="verdict"><b>Not decided yet, or this page lies outside
its project: <code>dvc repro</code> runs promote, which writes the verdict beside it</b></p>
<script src="{}" onerror="void 0"></script>"""


@dataclass(frozen=True)
class Results:
    """How good a model is.

    Attributes:
        name: of the collection.
        model: what was trained, in words.
        support: the number of test pictures of each class.
        baseline: the accuracy of always guessing the most common class.
        train, split: the metrics of these stages, for what the test set alone does not say.
    """

    name: str
    model: str
    scores: Scores
    class_names: Sequence[str]
    support: npt.NDArray[np.int64]
    baseline: float
    train: Mapping[str, float] = field(default_factory=dict)
    split: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Mistakes:
    """What it got wrong: rows of `answers.list_mistakes`, and the bytes of a PNG for each of the first."""

    rows: Sequence[Mapping[str, Any]]
    thumbnails: Sequence[bytes]


def write_results(
    results: Results,
    mistakes: Mistakes,
    *,
    confidence: float,
    sections: Mapping[str, Sequence[str]],
    figures: Mapping[str, Path],
    links: Mapping[str, Path],
    verdict: Path,
    path: Path,
) -> None:
    """Write the page: the same bytes for the same results.

    Args:
        confidence: the level of the intervals.
        sections: further parts by heading, as lines of HTML.
        figures: PNG files by heading.
        links: pages and folders by what they show; those that do not exist are left out.
        verdict: the script of promote's that shows the verdict, once there is one.
    """
    question = f"{results.model}, asked about {results.support.sum():,} test pictures that it has never seen"

    def render() -> Iterator[str]:
        yield _VERDICT.format(os.path.relpath(verdict, path.parent))
        yield from _render_scores(results, len(mistakes.rows), confidence)
        yield from _render_cautions(results)
        yield "<h2>Classes</h2>"
        yield from _render_classes(results, confidence)
        yield from _render_mistakes(mistakes)
        for heading, lines in sections.items():
            yield f"<h2>{escape(heading)}</h2>"
            yield from lines
        for name, file in figures.items():
            yield from render_picture(name, file.read_bytes())
        yield "<h2>More</h2>\n<ul>"
        for name, file in links.items():
            if file.exists():
                address = escape(os.path.relpath(file, path.parent))
                yield f'<li><a href="{address}">{escape(name)}</a></li>'
        yield "</ul>"

    with write_whole(path) as temporary:
        lines = frame_page(f"Results: {results.name}", question, render())
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _render_scores(results: Results, n_wrong: int, confidence: float) -> Iterator[str]:
    overall = results.scores.overall
    yield from render_facts(
        [
            ("Accuracy", f"{overall['accuracy'].value:.1%}"),
            (f"{confidence:.0%} interval", _show_ends(overall["accuracy"])),
            ("Balanced accuracy", f"{overall['balanced_accuracy'].value:.1%}"),
            ("Always guessing", f"{results.baseline:.1%}"),
            ("Wrong answers", f"{n_wrong:,} of {results.support.sum():,}"),
        ]
    )


def _render_cautions(results: Results) -> Iterator[str]:
    """What to know beside the score: the accuracy over folds, and how well facts of the files would do."""
    name, known = "cross_validated_accuracy", results.train
    if name in known:
        ends = _show_ends(Interval(known[name], known[f"{name}_low"], known[f"{name}_high"]))
        yield (
            f"<p>Cross-validated, over the pictures of train and val, the accuracy is "
            f"<b>{known[name]:.1%}</b> ({ends}).</p>"
        )
    facts = results.split
    if facts.keys() >= {"metadata_accuracy", "residual_accuracy", "metadata_chance"}:
        said = (
            f"Facts of the files alone, such as format and size, give the class of "
            f"<b>{facts['metadata_accuracy']:.1%}</b> away; those of the developed pictures "
            f"{facts['residual_accuracy']:.1%}; chance is {facts['metadata_chance']:.1%}."
        )
        reached = known.get(name, results.scores.overall["accuracy"].value)
        is_no_better = reached <= facts["metadata_accuracy"]
        proves = " The model does no better: this score may come from a shortcut." if is_no_better else ""
        yield f"<p>{said}{proves}</p>"


def _render_classes(results: Results, confidence: float) -> Iterator[str]:
    of = results.scores.of_classes
    order = np.argsort([one.value for one in of["recall"]], kind="stable")[:_MAX_CLASSES]
    yield from render_table(
        ("class", "test pictures", "recall", f"{confidence:.0%} interval", "precision", "F1"),
        (
            [
                escape(results.class_names[i]),
                f"<td>{int(results.support[i]):,}{'&nbsp;!' if results.support[i] < _TOO_FEW else ''}</td>",
                render_bar(np.nan_to_num(of["recall"][i].value), _show(of["recall"][i].value)),
                f"<td>{_show_ends(of['recall'][i])}</td>",
                f"<td>{_show(of['precision'][i].value)}</td>",
                f"<td>{_show(of['f1'][i].value)}</td>",
            ]
            for i in order
        ),
    )
    if (results.support < _TOO_FEW).any():
        yield f"<p>! fewer than {_TOO_FEW} test pictures: the scores of this class are rough.</p>"


def _render_mistakes(mistakes: Mistakes) -> Iterator[str]:
    n, n_shown = len(mistakes.rows), len(mistakes.thumbnails)
    yield "<h2>Mistakes</h2>"
    if not n:
        yield "<p>None.</p>"
        return
    first = f"The {n_shown} most confident of {n:,}" if n_shown < n else "The most confident first"
    yield f"<p>{first}. <code>darkroom mistakes</code> lists all, and how to correct a wrong label.</p>"
    captions = (
        f"<code>{escape(row['key'])}</code>is {escape(row['class_name'])}, answered "
        f"<b>{escape(row['predicted'])}</b> ({row['probability']:.0%})"
        for row in mistakes.rows
    )
    keys = (row["key"] for row in mistakes.rows)
    yield from render_tiles(zip(keys, mistakes.thumbnails, captions, strict=False))


def _show(share: float) -> str:
    return "&ndash;" if np.isnan(share) else f"{share:.1%}"


def _show_ends(one: Interval) -> str:
    return "&ndash;" if np.isnan(one.value) else f"{one.low:.1%} to {one.high:.1%}"
