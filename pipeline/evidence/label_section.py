"""The section about labels that may be wrong: which pictures, what they seem to be, and what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.characters import say_count
from pipeline.collection.confirmed_labels import ConfirmedLabels, read_confirmed
from pipeline.collection.pictures import Pictures, read_keys
from pipeline.collection.suspect_labels import Suspect, write_suspects
from pipeline.evidence.drawings import write_caption
from pipeline.evidence.examination import Examination, Finding, Judgement
from pipeline.evidence.label_audit import audit_labels
from pipeline.evidence.unseen import Unseen
from pipeline.evidence.wording import show_name
from pipeline.figures.page import render_tiles
from pipeline.figures.sheets import draw_sheet
from pipeline.images.picture import encode_png
from pipeline.params import EvaluateParams
from pipeline.paths import Paths
from pipeline.progress import log_time

FIGURE = "sheet_labels.png"
_MANY_SUSPECTS, _TOO_MANY_SUSPECTS = 0.02, 0.2  # of the labels


@dataclass(frozen=True)
class _Found:
    """The suspect labels: their places among the pictures, and how many were confirmed by a person."""

    suspects: Sequence[Suspect]
    places: npt.NDArray[np.int64]
    n_confirmed: int


@log_time("labels")
def show_label_audit(examined: Examination, unseen: Unseen, paths: Paths, params: EvaluateParams) -> Finding:
    """Labels that may be wrong: a table, a sheet and a section; an empty table if they are not wanted.

    Raises:
        DataError: a picture is not in the clean manifest, or confirmed_labels.csv is malformed.
    """
    if not params.label_audit:
        write_suspects([], paths.suspect_labels)
        (paths.figures("evaluate") / FIGURE).unlink(missing_ok=True)
        return Finding(files=[paths.suspect_labels])
    found = _find_suspects(examined, unseen, paths)
    write_suspects(found.suspects, paths.suspect_labels)
    shown = found.places[: params.n_sheet]
    pictures = Pictures((paths.shards, unseen.part)).gather(shown)
    draw_suspects(pictures, found.suspects, len(unseen.y_true), paths.figures("evaluate") / FIGURE)
    n, n_suspect = len(unseen.y_true), len(found.suspects)
    metrics: dict[str, float] = {"n_pictures": n, "n_suspect": n_suspect, "n_confirmed": found.n_confirmed}
    metrics |= {"share_suspect": n_suspect / n} if n else {}
    return Finding(
        metrics={f"labels/{name}": value for name, value in metrics.items()},
        title="Labels that may be wrong",
        lines=[
            *_render_words(found, unseen, len(shown)),
            *_render_tiles(found.suspects, [encode_png(picture) for picture in pictures]),
        ],
        files=[paths.suspect_labels],
        judgements=[judge_labels(n, n_suspect)],
    )


def judge_labels(n: int, n_suspect: int) -> Judgement:
    """The line of the first page, of `n` labels of which `n_suspect` may be wrong."""
    question = "Are the labels right?"
    if not n:
        return Judgement(question, "Not known: there was no answer to compare them with.", "unknown")
    if not n_suspect:
        return Judgement(question, f"None of {say_count(n, 'label')} looks wrong.", "good")
    words = (
        f"<b>{n_suspect:,}</b> of {n:,} may be wrong ({n_suspect / n:.1%}). <code>darkroom labels</code> "
        "corrects or confirms them."
    )
    if n_suspect > _TOO_MANY_SUSPECTS * n:
        words = (
            f"Not known: the model disagrees with {n_suspect / n:.0%} of {say_count(n, 'label')}. So many "
            "are rather its own errors: accept none unseen."
        )
        return Judgement(question, words, "unknown")
    return Judgement(question, words, "warning" if n_suspect > _MANY_SUSPECTS * n else "good")


def draw_suspects(
    pictures: npt.NDArray[np.uint8], suspects: Sequence[Suspect], n_labels: int, path: Path
) -> None:
    """Draw a sheet of the first suspects, each with its label and what it seems to be."""
    shown = suspects[: len(pictures)]
    title = (
        f"Labels that may be wrong: {len(shown)} of {len(suspects):,} ({n_labels:,} pictures)"
        if suspects
        else f"Labels that may be wrong: there are none among {n_labels:,} pictures"
    )
    captions = [write_caption((one.label, one.suggested), 0, 1) for one in shown]
    draw_sheet(pictures, captions, title=title, path=path)


def _find_suspects(examined: Examination, unseen: Unseen, paths: Paths) -> _Found:
    y_true, names, ids = unseen.y_true, examined.class_names, unseen.part.ids
    y_prob = examined.classifier.rule.temper(unseen.y_prob)
    audit = audit_labels(y_true, y_prob)
    keys, confirmed = (
        read_keys(ids, paths.clean_manifest),
        ConfirmedLabels(read_confirmed(paths.confirmed_labels)),
    )
    unlike = [i for i in audit.order if audit.suggested[i] != y_true[i]]
    places = [i for i in unlike if not confirmed.covers(ids[i], keys[i], names[y_true[i]])]
    suspects = []
    for rank, i in enumerate(places, start=1):
        label, other = y_true[i], audit.suggested[i]
        shares = (float(y_prob[i, label]), float(y_prob[i, other]))
        suspects.append(Suspect(rank, ids[i], keys[i], names[label], names[other], *shares))
    return _Found(suspects, np.array(places, np.int64), len(unlike) - len(places))


def _render_words(found: _Found, unseen: Unseen, n_shown: int) -> Iterator[str]:
    n, n_suspect = len(unseen.y_true), len(found.suspects)
    if not n:
        yield (
            "<p>There was no picture to look at: <code>train</code> made no answers out of fold "
            "(<code>train.out_of_fold</code>), and no picture is for validation.</p>"
        )
        return
    were = "1 label was" if n == 1 else f"{n:,} labels were"
    if unseen.chosen_on == "out_of_fold":
        looked = (
            f"{were} compared with the answers of networks that have not learned from the picture (confident "
            "learning)."
        )
        if unseen.has_sources:
            looked += (
                " They have seen nothing of its source. So pictures of an unusual source look wrong, too."
            )
    else:
        looked = (
            f"{were} looked at, those of the validation pictures alone, which also chose the network: "
            "<code>train</code> made no answers out of fold. <code>train.out_of_fold: true</code> looks at "
            "the training pictures, too."
        )
    if found.n_confirmed:
        were = "was" if found.n_confirmed == 1 else "were"
        looked += f" {found.n_confirmed:,} that looked wrong {were} confirmed by a person, and left out."
    if not n_suspect:
        yield f"<p>{looked} None looks wrong.</p>"
        return
    first = f" The first {n_shown}:" if n_shown < n_suspect else ""
    yield (
        f"<p>{looked}</p>\n<p><b>{say_count(n_suspect, 'label')} may be wrong</b>, {n_suspect / n:.1%}. Look "
        "at them: a hard picture with a right label looks the same to the network. <code>darkroom labels list"
        "</code> lists all. <code>darkroom labels accept KEY</code> gives a picture the class that it seems "
        f"to be; <code>darkroom labels reject KEY</code> keeps its label.{first}</p>"
    )


def _render_tiles(suspects: Sequence[Suspect], pngs: Sequence[bytes]) -> Iterator[str]:
    if not pngs:
        return
    captions = (
        f"<code>{escape(one.key)}</code>is called {show_name(one.label)} ({one.label_probability:.0%}), "
        f"seems <b>{show_name(one.suggested)}</b> ({one.suggested_probability:.0%})"
        for one in suspects
    )
    yield from render_tiles(zip((one.key for one in suspects), pngs, captions, strict=False))
