"""The decision as one page: the verdict, both models side by side, and where only one of them is right."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.characters import say_count
from pipeline.evidence.metrics import count_confusions, score_classes
from pipeline.evidence.power import POWER, find_detectable
from pipeline.evidence.samples import choose_sample
from pipeline.figures.page import frame_page, render_facts, render_table, render_tiles
from pipeline.promotion.artefact import Trial
from pipeline.promotion.gate import Compared
from pipeline.promotion.verdict import COLOURS
from pipeline.storage import write_whole

Uint8 = npt.NDArray[np.uint8]
Draw = Callable[[Sequence[str]], list[bytes]]  # the pictures of some ids, as PNG

_SENTENCES = {
    "PROMOTE": "This model is the champion now.",
    "HOLD": "This model is kept, and the champion stays.",
    "REJECT": "This model is not good enough, and the champion stays.",
}
_OVERALL = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
_N_PICTURES, _N_PARTS, _N_CLASSES = 12, 12, 40  # that a page shows


@dataclass(frozen=True)
class Exhibits:
    """What a page shows beside the decision.

    Attributes:
        class_names: in the order of their numbers.
        compared: what the exam looked at; None where nothing was compared.
        trial: of the registered model; None where it was not tried.
        draw: gives test pictures.
    """

    class_names: Sequence[str]
    compared: Compared | None
    trial: Trial | None
    draw: Draw


def write_decision_page(decision: Mapping[str, Any], path: Path, exhibits: Exhibits | None = None) -> None:
    """Write the page: the same bytes for the same decision and exhibits.

    Args:
        decision: as `promote` writes it into decision.json.
        exhibits: None where the decision was made earlier: its row in MLflow then holds the whole page.
    """
    name = f"{decision['model_name']} version {decision['version']}"
    before = decision["champion_before"]
    against = f"the champion, version {before}" if before else "no other: there was no champion yet"
    was = "was" if before is None or "exam" in decision else "could not be"
    question = f"May {name} become champion? It {was} compared with {against}."
    with write_whole(path) as temporary:
        lines = frame_page(f"Decision: {name}", question, _render(decision, exhibits))
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _render(decision: Mapping[str, Any], exhibits: Exhibits | None) -> Iterator[str]:
    verdict = decision["verdict"]
    colour = COLOURS[verdict]
    yield f'<p class="banner {colour}">{verdict}<span>{_SENTENCES[verdict]}</span></p>'
    yield "<h2>Why</h2>\n<ul>"
    yield from (f"<li>{escape(reason)}</li>" for reason in decision["reasons"])
    yield "</ul>"
    if exhibits is None:
        yield "<p>Its row in MLflow holds this page with both models and their pictures, in the folder "
        yield "<code>promote</code> of its artifacts.</p>"
        return
    if exhibits.compared:
        yield from _render_models(exhibits.compared, exhibits.class_names)
        yield from _render_certainty(decision["exam"], exhibits.compared)
        yield from _render_parts(exhibits.compared)
        yield from _render_pictures(exhibits.compared, exhibits)
    if exhibits.trial:
        yield from _render_trial(exhibits.trial)
    yield "<h2>If this was wrong</h2>"
    yield f"<p>{_tell_way_out(decision)} <code>darkroom registry history</code> lists every champion and why "
    yield "it became one.</p>"


def _tell_way_out(decision: Mapping[str, Any]) -> str:
    """How a person decides otherwise."""
    if decision["verdict"] != "PROMOTE":
        command = f"darkroom registry promote {decision['version']} --force --reason TEXT"
        return f"<code>{command}</code> makes this model champion all the same."
    if decision["champion_before"] is None:
        return "There is no champion before it to go back to. A better model takes its place."
    return "<code>darkroom registry rollback --reason TEXT</code> brings back the champion before it."


def _render_models(compared: Compared, class_names: Sequence[str]) -> Iterator[str]:
    """Scores of both models on the pictures they were compared on: overall, then the recall of each class."""
    pair = compared.pair
    yield f"<h2>Both models on the same {say_count(len(pair), 'test picture')}</h2>"
    rows = [(escape(said), "", *pair.score(metric)) for metric, said in _OVERALL.items()]
    recalls = []
    for answers in (pair.first, pair.second):
        matrix = count_confusions(pair.y_true, answers, pair.n_classes).astype(np.float64)
        recalls.append(score_classes(np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0))["recall"])
    n_of = np.bincount(pair.y_true, minlength=pair.n_classes)
    gain = np.where(n_of > 0, recalls[0] - recalls[1], 0)
    shown = np.argsort(-np.abs(gain), kind="stable")[:_N_CLASSES]
    rows += [(f"recall of {escape(class_names[i])}", f"{n_of[i]:,}", *(r[i] for r in recalls)) for i in shown]
    columns = ("", "n", "this model", "champion", "gain")
    yield from render_table(
        columns,
        (
            (name, *map(_cell, (n, _share(one), _share(two), _points(one - two))))
            for name, n, one, two in rows
        ),
    )
    if len(class_names) > _N_CLASSES:
        yield f"<p>The {_N_CLASSES} of {len(class_names)} classes that differ most are shown.</p>"


def _render_certainty(exam: Mapping[str, Any], compared: Compared) -> Iterator[str]:
    """How sure the difference is, and what this test set could have found."""
    budget, pair = compared.budget, compared.pair
    accuracy = pair.score("accuracy")[0]
    smallest = find_detectable(exam["n_groups"], accuracy, luck=2 * budget.level)
    found = f"{100 * smallest:.1f} points" if not np.isnan(smallest) else "none"
    yield "<h2>How sure that is</h2>"
    interval = f"{_points(exam['gain_low'])} to {_points(exam['gain_high'])}"
    yield from render_facts(
        [
            (f"difference, {100 * (1 - 2 * budget.level):.4g} % interval", interval),
            ("only this model is right", f"{exam['won']:,}"),
            ("only the champion is right", f"{exam['lost']:,}"),
            ("chance of such a gain by luck", f"{exam['p']:.2g}"),
            ("decision of this test set", f"number {budget.number}"),
            ("smallest gain it can show", found),
        ]
    )
    yield (
        f"<p>Near-duplicates count once: {say_count(exam['n_groups'], 'group')} of pictures were compared. "
        f"Each decision wears the test set out. This one needed a chance below {budget.level:.2g}, and "
        f"{budget.left:.2g} of {budget.alpha:g} is left for later ones: new test pictures bring it back. "
        f"The smallest gain is the one that is found in {POWER:.0%} of all cases.</p>"
    )


def _render_parts(compared: Compared) -> Iterator[str]:
    """The parts that the challenger does worst in, by how sure that is."""
    parts = sorted(compared.parts, key=lambda one: (one.adjusted, one.p))[:_N_PARTS]
    yield "<h2>No part left behind</h2>"
    if not parts:
        yield "<p>No class and no slice is large enough to be tested.</p>"
        return
    yield f"<p>A loss with a chance below {compared.budget.alpha:g} rejects the model. The chances are "
    yield f"adjusted for {say_count(len(compared.parts), 'part')} that were looked at.</p>"
    columns = ("", "groups", "won", "lost", "so many lost by luck")
    rows = []
    for one in parts:
        chance = (
            f"<b>{one.adjusted:.2g}</b>" if one.adjusted < compared.budget.alpha else f"{one.adjusted:.2g}"
        )
        numbers = (f"{one.n:,}", f"{one.won:,}", f"{one.lost:,}", chance)
        rows.append((escape(one.name), *map(_cell, numbers)))
    yield from render_table(columns, rows)


def _render_pictures(compared: Compared, exhibits: Exhibits) -> Iterator[str]:
    pair, names = compared.pair, exhibits.class_names
    first, second = pair.first == pair.y_true, pair.second == pair.y_true
    for title, chosen in (
        ("Only this model is right", first & ~second),
        ("Only the champion is right", second & ~first),
    ):
        places = np.flatnonzero(chosen)
        yield f"<h2>{title}: {say_count(len(places), 'picture')}</h2>"
        if not len(places):
            yield "<p>There is none.</p>"
            continue
        ids = [compared.ids[i] for i in places]
        shown = choose_sample(ids, pair.y_true[places].astype(np.int64), _N_PICTURES, purpose="decision")
        drawn = exhibits.draw([ids[i] for i in shown])
        tiles = []
        for png, i in zip(drawn, places[shown], strict=True):
            y, mine, theirs = (names[one[i]] for one in (pair.y_true, pair.first, pair.second))
            said = f"is <b>{escape(y)}</b><br>this model: {escape(mine)}<br>champion: {escape(theirs)}"
            tiles.append((y, png, said))
        yield from render_tiles(tiles)


def _render_trial(trial: Trial) -> Iterator[str]:
    yield "<h2>The registered model</h2>"
    if trial.fault:
        yield f"<p>{escape(trial.fault)}.</p>"
    else:
        yield (
            "<p>MLflow loaded it in a process of its own. It answered "
            f"{say_count(trial.n, 'test picture')} from their files as evaluate had recorded.</p>"
        )
    time = "not known" if np.isnan(trial.cpu_ms) else f"{trial.cpu_ms:,.0f} ms"
    yield from render_facts(
        [
            ("size", f"{trial.megabytes:,.1f} MB"),
            ("processor time of a picture, of all but the slowest 5 %", time),
        ]
    )


def _cell(html: str) -> str:
    return f"<td>{html}</td>"


def _share(value: float) -> str:
    return "not known" if np.isnan(value) else f"{value:.1%}"


def _points(value: float) -> str:
    return "not known" if np.isnan(value) else f"{100 * value:+.1f}"
