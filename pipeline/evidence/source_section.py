"""The section about sources: how good answers about new sources are, and whether a shortcut explains them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from pipeline.characters import say_count
from pipeline.evidence.examination import Examination, Finding, Judgement, State
from pipeline.evidence.intervals import Interval
from pipeline.evidence.left_out import (
    Reached,
    Source,
    find_worst,
    list_named,
    list_sources,
    measure_reached,
    name_tested,
)
from pipeline.evidence.unseen import Unseen
from pipeline.evidence.wording import show_ends, show_level, show_name, show_share
from pipeline.figures.page import render_bar, render_table
from pipeline.shortcuts.limit import is_too_telling
from pipeline.tables.split import NAMED

_FOLDED = "cross_validated_accuracy"
_FACTS, _FACTS_APART = "metadata_accuracy", "metadata_accuracy_groups_apart"
_N_TELLING = 5
_WIDE = 0.5  # an interval that says nothing
_GAP = 0.05  # between known and new sources, from which the page warns


@dataclass(frozen=True)
class Known:
    """What other stages say of the same collection: the metrics of split and of train, and a limit.

    Attributes:
        most_metadata: `split.max_metadata_accuracy`, above which facts of files give too much away.
        has_pattern: whether a pattern says where pictures come from (`split.fold_by`, `split.group_by`).
        telling: in words, which facts of the files tell a class, the most telling first.
    """

    split: Mapping[str, float]
    train: Mapping[str, float]
    most_metadata: float
    has_pattern: bool = False
    telling: tuple[str, ...] = ()


def show_sources(examined: Examination, unseen: Unseen, known: Known, *, confidence: float) -> Finding:
    """The accuracy on sources that were left out beside that on known ones, and what file facts alone give.

    Args:
        confidence: the level of the intervals.
    """
    reached = measure_reached(examined, unseen, confidence)
    sources = list_sources(examined, unseen, confidence) if unseen.has_sources else []
    n_sources = len(list_named(unseen))
    metrics = {}
    if sources:
        metrics = {
            "sources/n_sources": float(n_sources),
            "sources/left_out_accuracy": reached.left_out.value,
            "new_sources_accuracy": reached.mean,  # `darkroom compare` shows it
        }
    if not np.isnan(reached.gap):
        metrics |= {"sources/known_accuracy": reached.known.value, "sources/gap": reached.gap}
    return Finding(
        metrics,
        title="New sources and shortcuts",
        lines=list(_render(sources, n_sources, reached, known)),
        judgements=[
            _judge_sources(reached, sources, examined, unseen, known, confidence=confidence),
            _judge_shortcut(reached, examined, unseen, known),
        ],
    )


def _render(sources: list[Source], n_sources: int, reached: Reached, known: Known) -> Iterator[str]:
    if not sources:
        yield (
            "<p>No picture has a source with a name, so nothing is known of new sources. Where the names of "
            "files or folders say where pictures come from, <code>split.fold_by</code> reads it.</p>"
        )
    else:
        yield (
            f"<p>{say_count(n_sources, 'source')}. <b>Left out</b>: answers of networks that have seen no "
            "picture of the source. <b>Test pictures</b>: answers of this model, which may know it.</p>"
        )
    yield from _render_table(sources, reached, known)
    if n_sources > len(sources):
        yield f"<p>The {len(sources)} worst of {n_sources:,} sources.</p>"
    yield from _render_facts(known)


def _render_table(sources: list[Source], reached: Reached, known: Known) -> Iterator[str]:
    rows = [
        [
            f"{show_name(one.name)}<br><em>{escape(one.classes)}</em>",
            f"<td>{one.n:,}</td>",
            render_bar(one.left_out.value, f"{one.left_out.value:.1%}"),
            f"<td>{show_ends(one.left_out)}</td>",
            f"<td>{show_share(one.tested)}{f' of {one.n_tested:,}' if one.n_tested else ''}</td>",
        ]
        for one in sources
    ]
    if sources:
        all_known = show_share(reached.known.value)
        rows += [
            _render_sum("all pictures", reached.left_out.value, show_ends(reached.left_out), all_known),
            _render_sum("all sources, each as much as the other", reached.mean, "", ""),
        ]
    rows += [
        _render_sum(words, known.split[name], "", "")
        for name, words in (
            (_FACTS, "facts of the files alone, such as format and size"),
            (_FACTS_APART, "the same, of sources left out"),
            ("metadata_chance", "chance"),
        )
        if name in known.split
    ]
    yield from render_table(("source", "pictures", "left out", "interval", "test pictures"), rows)


def _render_sum(name: str, share: float, ends: str, tested: str) -> list[str]:
    bar = "<td></td>" if np.isnan(share) else render_bar(share, f"{share:.1%}")
    return [f"<b>{escape(name)}</b>", "<td></td>", bar, f"<td>{ends}</td>", f"<td>{tested}</td>"]


def _render_facts(known: Known) -> Iterator[str]:
    """The accuracy over folds, and how well facts of the files would do."""
    if _FOLDED in known.train:
        ends = Interval(*(known.train[f"{_FOLDED}{end}"] for end in ("", "_low", "_high")))
        yield (
            "<p>Cross-validated, over the pictures of train and val, the accuracy is "
            f"<b>{ends.value:.1%}</b> ({show_ends(ends)}).</p>"
        )
    if known.telling:
        yield "<p>What gives the classes away most, of the files:</p>\n<ul>"
        yield from (f"<li>{escape(sentence)}</li>" for sentence in known.telling[:_N_TELLING])
        yield "</ul>"
    if "residual_accuracy" in known.split:
        yield (
            f"<p>Facts of the developed pictures alone, such as sharpness and noise, give the class of "
            f"{known.split['residual_accuracy']:.1%} away. <code>data/split/figures/shortcuts.png</code> "
            "shows which facts.</p>"
        )


def _judge_sources(
    reached: Reached,
    sources: Sequence[Source],
    examined: Examination,
    unseen: Unseen,
    known: Known,
    *,
    confidence: float,
) -> Judgement:
    question = "And on sources that it has not seen?"
    if not unseen.has_sources:
        words = "Not known: no source has a name (<code>split.fold_by</code>)."
        if known.has_pattern:
            words = "Not known: no class has two sources with a name (<code>split.fold_by</code>)."
        if unseen.chosen_on == "val" and len(list_named(unseen)):
            words = "Not known: <code>train.out_of_fold: true</code> leaves each out in turn."
        return Judgement(question, words, "unknown")
    words = (
        f"<b>{reached.mean:.1%}</b>, if sources count alike; {reached.left_out.value:.1%} of all their "
        f"pictures ({show_level(confidence)} interval: {show_ends(reached.left_out)})."
    )
    state: State = "good"
    if worst := find_worst(sources):
        words += (
            f" The worst is {show_name(worst.name)}: {worst.left_out.value:.1%} of its {worst.n:,} pictures."
        )
    if not np.isnan(reached.gap):
        words += f" Test pictures of known sources: {reached.known.value:.1%}."
        if reached.gap > _GAP:
            state, words = "warning", f"{words} On new ones expect {100 * reached.gap:.0f} points fewer."
    elif np.char.startswith(name_tested(examined), NAMED).any():
        words += " The test pictures are of new sources, too."
    if reached.left_out.high - reached.left_out.low > _WIDE:
        return Judgement(question, f"{words} So few sources cannot tell.", "unknown")
    if reached.left_out.low <= reached.guess:
        return Judgement(question, f"{words} Always guessing gives {reached.guess:.1%}.", "bad")
    return Judgement(question, words, state)


def _judge_shortcut(reached: Reached, examined: Examination, unseen: Unseen, known: Known) -> Judgement:
    question, facts = "Could a shortcut explain that?", known.split
    if not facts.keys() >= {_FACTS, "metadata_chance"}:
        return Judgement(question, "Not known: <code>split</code> did not look.", "unknown")
    words = (
        "Facts of the files alone, such as format and size, give the class of "
        f"<b>{facts[_FACTS]:.1%}</b> away; chance is {facts['metadata_chance']:.1%}."
    )
    if unseen.has_sources and _FACTS_APART in facts:
        words += (
            f" On sources left out they give {facts[_FACTS_APART]:.1%} away, and the model has "
            f"{reached.left_out.value:.1%} right."
        )
    model, found = _pair_with_facts(reached, examined, unseen, known)
    if model <= found and found > facts["metadata_chance"]:
        words = f"{words} The model does no better: this score may come from a shortcut."
        return Judgement(question, words, "bad")
    if known.has_pattern and not unseen.has_sources and unseen.chosen_on == "out_of_fold":
        words = (
            f"{words} No class has two sources, so nothing tells what is learned from a class or a source."
        )
        return Judgement(question, words, "warning")
    if is_too_telling(facts[_FACTS], facts["metadata_chance"], known.most_metadata):
        return Judgement(question, f"{words} A part of the score on known sources may be that.", "warning")
    return Judgement(question, words, "good")


def _pair_with_facts(
    reached: Reached, examined: Examination, unseen: Unseen, known: Known
) -> tuple[float, float]:
    """The model's accuracy beside that of file facts, both about the same kind of pictures.

    That is left-out sources where both are known of them, since a shortcut fails there. Pictures of known
    sources and of left-out ones are never compared with each other.
    """
    facts = known.split
    if not unseen.has_sources:
        return known.train.get(_FOLDED, float(examined.is_right.mean())), facts[_FACTS]
    if _FACTS_APART in facts:
        return reached.left_out.value, facts[_FACTS_APART]
    return float(examined.is_right.mean()), facts[_FACTS]
