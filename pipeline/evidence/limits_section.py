"""The section "What limits it": how the network fits, what it confuses, and what the test set can tell."""

import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from pipeline.characters import cut, say_count
from pipeline.evidence.confusions import Answers, Confusion, find_confusions, find_shared
from pipeline.evidence.examination import Examination, Finding, Judgement, State
from pipeline.evidence.fit import describe_curves, judge_curves
from pipeline.evidence.power import LUCK, POWER, count_needed, find_detectable
from pipeline.evidence.slice_facts import read_facts
from pipeline.evidence.wording import show_level, show_name
from pipeline.figures.page import render_bar, render_table
from pipeline.params import EvaluateParams
from pipeline.paths import Paths
from pipeline.progress import log_time
from pipeline.training.history import Row, read_history

_N_NAMED, _MAX_NAME = 3, 40  # classes that a sentence names, and characters of each
_POINT = 0.01
_ENOUGH = 0.05  # a difference that a test set should be able to show


@log_time("what limits it")
def show_limits(
    examined: Examination,
    paths: Paths,
    params: EvaluateParams,
    *,
    group_by: str,
    monitor: str,
    n_planned: int | None,
) -> Finding:
    """What limits the model, in words.

    Args:
        group_by: what names a source in the key of a picture.
        monitor: the value that said which epoch was the best.
        n_planned: epochs at most; None: there were two phases.

    Raises:
        DataError: history.csv is missing or damaged, or validate has not seen a test picture.
    """
    history = read_history(paths.history)
    fit = list(describe_curves(history, monitor, n_planned=n_planned))
    confusions = _find_confusions(examined, paths, group_by, params)
    n, accuracy = _count_independent(examined)
    detectable, n_needed = find_detectable(n, accuracy), count_needed(_POINT, accuracy)
    metrics: dict[str, float] = {"n_for_one_point": n_needed} if n_needed else {}
    metrics |= {} if math.isnan(detectable) else {"detectable_difference": detectable}
    return Finding(
        metrics={f"limits/{name}": value for name, value in metrics.items()},
        title="What limits it",
        lines=[
            f"<h3>How it fits</h3>\n<p>{escape(' '.join(fit))}</p>",
            "<h3>What it confuses</h3>",
            *_render_confusions(confusions, examined, params),
            "<h3>What this test set can tell</h3>",
            f"<p>{' '.join(_describe_power(n, examined, detectable, n_needed))}</p>",
        ],
        judgements=[
            Judgement(
                "Did it learn enough, and not by heart?",
                escape(_shorten(fit[0])),
                _judge_fit(history, monitor),
            ),
            _judge_size(n, len(examined.y_true), detectable),
        ],
    )


def _shorten(words: str) -> str:
    """The first sentence."""
    return f"{words.partition('. ')[0].rstrip('.')}."


def _judge_fit(history: Sequence[Row], monitor: str) -> State:
    fit = judge_curves(history, monitor)
    return "unknown" if fit is None else "good" if fit == "healthy" else "warning"


def _judge_size(n: int, n_tested: int, detectable: float) -> Judgement:
    """Good where the test set tells models apart that differ by what people care for."""
    question, tested = "Are there enough test pictures?", say_count(n_tested, "test picture")
    tested += f" ({n:,} without near-duplicates)" if n < n_tested else ""
    if math.isnan(detectable):
        words = f"With {tested} no advantage over another model can be proven."
        return Judgement(question, words, "bad")
    words = (
        f"With {tested} an advantage over another model of <b>{100 * detectable:.1f} points</b> or more is "
        f"found in {POWER:.0%} of cases. A smaller one may be luck."
    )
    return Judgement(question, words, "good" if detectable <= _ENOUGH else "warning")


def _find_confusions(
    examined: Examination, paths: Paths, group_by: str, params: EvaluateParams
) -> list[Confusion]:
    """The pairs, with what they share unless slices are switched off."""
    answers = Answers(examined.y_true, examined.y_pred, examined.groups)
    found = find_confusions(answers, confidence=params.confidence)
    if not (found and params.slices):
        return found
    facts = read_facts(
        examined.test.ids,
        raw_manifest=paths.raw_manifest,
        clean_manifest=paths.clean_manifest,
        group_by=group_by,
    )
    return find_shared(found, facts, answers, confidence=params.confidence)


def _answers_alike(examined: Examination) -> bool:
    """Whether all test pictures, of several classes, got one answer."""
    return len(np.unique(examined.y_pred)) == 1 < len(np.unique(examined.y_true))


def _count_independent(examined: Examination) -> tuple[int, float]:
    """Test pictures with near-duplicates counted once, and an accuracy that is never quite 0 or 1.

    The accuracy is by the rule of succession: few pictures without an error are no proof that there is none.
    """
    n = len(np.unique(examined.groups))
    return n, (n * float(examined.is_right.mean()) + 1) / (n + 2)


def _render_confusions(
    confusions: Sequence[Confusion], examined: Examination, params: EvaluateParams
) -> Iterator[str]:
    names, n_wrong = examined.class_names, int((~examined.is_right).sum())
    yield from _render_absent(examined)
    if _answers_alike(examined):
        said = _name(names[examined.y_pred[0]])
        yield (
            f"<p>It answers <b>{said}</b> to all {say_count(len(examined.y_pred), 'test picture')}: it has "
            "learned nothing that tells the classes apart.</p>"
        )
        return
    if not confusions:
        said = "it confuses no two classes more than once" if n_wrong else "there is no mistake"
        yield f"<p>Among {say_count(len(examined.y_pred), 'test picture')} {said}.</p>"
        return
    told = sum(one.n + one.n_back for one in confusions)
    pairs = "This pair makes" if len(confusions) == 1 else f"These {len(confusions)} pairs make"
    yield f"<p>{pairs} {told:,} of its {say_count(n_wrong, 'mistake')}.</p>"
    yield from _render_pairs(confusions, names, params)
    yield from _render_shared(confusions, names, params)


def _render_absent(examined: Examination) -> Iterator[str]:
    """Classes of which nothing is known."""
    counts = np.bincount(examined.y_true, minlength=len(examined.class_names))
    absent = [_name(examined.class_names[i]) for i in np.flatnonzero(counts == 0)]
    if absent:
        more = f" and {len(absent) - _N_NAMED:,} more" if len(absent) > _N_NAMED else ""
        has = "has" if len(absent) == 1 else "have"
        yield (
            f"<p>{', '.join(absent[:_N_NAMED])}{more} {has} no test picture, so nothing is known of how they "
            "are answered: add pictures, or raise <code>split.test</code>.</p>"
        )


def _render_pairs(
    confusions: Sequence[Confusion], names: Sequence[str], params: EvaluateParams
) -> Iterator[str]:
    yield from render_table(
        (
            "is, and is taken for",
            "pictures",
            "share",
            f"{show_level(params.confidence)} interval",
            "the other way",
        ),
        (
            [
                f"{_name(names[one.actual])} &rarr; {_name(names[one.taken])}",
                f"<td>{one.n:,} of {one.n_actual:,}</td>",
                render_bar(one.share.value, f"{one.share.value:.1%}"),
                f"<td>{one.share.low:.1%} to {one.share.high:.1%}</td>",
                f"<td>{_describe_back(one, params.confidence)}</td>",
            ]
            for one in confusions
        ),
    )


def _describe_back(one: Confusion, confidence: float) -> str:
    """How often the second class is taken for the first, and whether the difference is more than luck."""
    if not one.n_taken:
        return "no test picture"
    unlike = "more one way" if one.p_one_sided < 1 - confidence else "may be luck"
    return f"{one.n_back:,} of {one.n_taken:,} ({one.n_back / one.n_taken:.1%})<br><em>{unlike}</em>"


def _render_shared(
    confusions: Sequence[Confusion], names: Sequence[str], params: EvaluateParams
) -> Iterator[str]:
    """What the confused pictures have more often than the rest of their class."""
    if not params.slices:
        yield "<p>What they share was not looked for (<code>evaluate.slices</code> is off).</p>"
        return
    told = [(one, fact) for one in confusions for fact in one.shared]
    if not told:
        yield (
            "<p>No fact of the files (format, size, colour, sharpness, brightness, source) is more common "
            "among them than in the rest of their class, by more than luck.</p>"
        )
        return
    yield "<ul>"
    for one, fact in told:
        n_rest = one.n_actual - one.n
        yield (
            f"<li>{_name(names[one.actual])} taken for {_name(names[one.taken])}: {fact.n_confused:,} of "
            f"{one.n:,} are <b>{escape(fact.fact)}: {escape(fact.value)}</b>, of the rest of their class "
            f"{fact.n_rest:,} of {n_rest:,}.</li>"
        )
    yield "</ul>"


def _describe_power(n: int, examined: Examination, detectable: float, n_needed: int) -> Iterator[str]:
    """How small a difference to the champion the test set shows, in words, with what that rests on."""
    once = " near-duplicates counted once," if n < len(examined.y_true) else ""
    given = f"With {say_count(n, 'test picture')},{once}"
    test = f"McNemar's exact test at {1 - LUCK:.0%}, as <code>darkroom compare last champion</code> makes it"
    if math.isnan(detectable):
        yield (
            f"{given} no advantage over a champion can be proven ({test}). A difference in accuracy is no "
            "reason to choose between two models here."
        )
    else:
        yield (
            f"{given} an advantage over the champion of <b>{100 * detectable:.1f} points</b> or more is "
            f"found in at least {POWER:.0%} of cases ({test}). A smaller one passes for luck more often."
        )
    if n_needed > n:
        yield f"To detect one point takes about {_round_up(n_needed):,} test pictures."
    yield (
        "This takes the two models to err independently. Most err on the same pictures, and are then told "
        "apart by less. <code>promote</code> makes the same test, the more strictly the more often these "
        "pictures have decided (<code>promote.alpha</code>)."
    )


def _round_up(n: int) -> int:
    """With two digits."""
    unit = int(10 ** max(0, len(str(n)) - 2))
    return -(-n // unit) * unit


def _name(class_name: str) -> str:
    return show_name(cut(class_name, _MAX_NAME))
