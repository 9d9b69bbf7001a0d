"""How well facts that should not matter predict the class, and which of them, in words.

A model that tells classes apart by file format or border scores well on the same sources and fails on others.
Gradient boosting on these facts alone, judged out of fold, says how far that goes. scikit-learn runs on one
thread: its sums depend on the number of threads, and for so few rows two threads take ten times as long as
one.
"""

import hashlib
import heapq
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.images.facts import FACT_BY_NAME, FACTS, Fact
from pipeline.shortcuts.limit import is_too_telling

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]

MAX_PICTURES = 10_000  # one standard error of an accuracy is then at most 0.5 points
MAX_CLASSES = 30  # boosting grows one tree per class and round
_N_FOLDS = 5
_N_ROUNDS, _N_TREES = 40, 600  # up to 15 classes have all rounds, 30 classes half of them
_MIN_CONTRAST = 0.1  # the least difference of shares that is worth a sentence


OF_FILES = tuple(fact.name for fact in FACTS if fact.of_file)
# Facts that the file states come first: boosting settles ties by this order.
OF_PICTURES = tuple(fact.name for fact in sorted(FACTS, key=lambda fact: not fact.of_file) if fact.of_picture)


@dataclass(frozen=True)
class Telling:
    """A fact, the out-of-fold accuracy of a tree that knows only this fact, and where classes differ most."""

    fact: str
    accuracy: float
    sentence: str  # "" where no class differs by ten points


@dataclass(frozen=True)
class Audit:
    """How well facts predict the class out of fold; `facts` holds those that vary, the most telling first."""

    n_pictures: int
    n_classes: int
    chance: float  # the share of the most common class
    accuracy: float
    balanced_accuracy: float  # mean recall of the classes
    facts: tuple[Telling, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it, rounded."""
        rounded = {key: round(value, 6) for key, value in asdict(self).items() if key != "facts"}
        facts = [asdict(fact) | {"accuracy": round(fact.accuracy, 6)} for fact in self.facts]
        return rounded | {"facts": facts}

    def is_above(self, limit: float) -> bool:
        """Whether the facts give too much away."""
        return is_too_telling(self.accuracy, self.chance, limit)

    def list_sentences(self, n: int) -> list[str]:
        """The most telling facts in words, up to `n`."""
        return [fact.sentence for fact in self.facts if fact.sentence][:n]


def choose_pictures(ids: Sequence[str], y: Ints, limit: int = MAX_PICTURES) -> npt.NDArray[np.int64]:
    """The positions of the pictures to audit, in the order of ids: the lowest ids of the largest classes.

    Ids are hashes, so this is a fair sample, and the order of the pictures does not matter.
    """
    counts = np.bincount(y)
    largest = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
    at = np.flatnonzero(np.isin(y, largest))
    order = np.argsort(np.asarray(ids, dtype=str)[at], kind="stable")
    return np.asarray(at[order[:limit]])


def audit_facts(facts: pd.DataFrame, y: Ints, groups: Sequence[str], class_names: Sequence[str]) -> Audit:
    """How well `facts` predict the class; the pictures of a group share a fold.

    Args:
        facts: one row per picture, some of FACTS; words or numbers, missing values allowed.
        y: classes [n], into `class_names`.
        groups: [n]; pictures of one group share a fold.
    """
    import sklearn.ensemble  # imported first: only the threads of loaded libraries can be limited
    import sklearn.tree  # noqa: F401
    from threadpoolctl import threadpool_limits

    facts = facts.loc[:, facts.nunique(dropna=False) > 1]
    x = np.column_stack([np.empty((len(facts), 0)), *(_encode(facts[name]) for name in facts)])
    fold = _deal_folds(groups)
    present, n_of_class = np.unique(y, return_counts=True)
    with threadpool_limits(limits=1):
        y_pred = _predict_out_of_fold(partial(_make_boosting, len(present)), x, y, fold)
        alone = [
            (_predict_out_of_fold(_make_tree, x[:, [i]], y, fold) == y).mean() for i in range(x.shape[1])
        ]
    telling = (
        Telling(name, float(accuracy), _write_sentence(name, facts[name], y, class_names))
        for name, accuracy in zip(facts, alone, strict=True)
    )
    return Audit(
        n_pictures=len(y),
        n_classes=len(present),
        chance=float(n_of_class.max() / len(y)),
        accuracy=float((y_pred == y).mean()),
        balanced_accuracy=float(np.mean([(y_pred == y)[y == k].mean() for k in present])),
        facts=tuple(sorted(telling, key=lambda fact: (-fact.accuracy, fact.fact))),
    )


def _make_boosting(n_classes: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=min(_N_ROUNDS, _N_TREES // n_classes),
        learning_rate=0.2,
        max_leaf_nodes=15,
        early_stopping=False,
        random_state=0,
    )


def _make_tree() -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_leaf_nodes=32, min_samples_leaf=5, random_state=0)


def _predict_out_of_fold(make: Callable[[], Any], x: Floats, y: Ints, fold: Ints) -> Ints:
    """The class of each row, predicted from the other folds; the most common class if no fact varies."""
    y_pred = np.full_like(y, np.bincount(y).argmax())
    if not x.shape[1]:
        return y_pred
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        if len(np.unique(y[train])) > 1:
            y_pred[test] = make().fit(x[train], y[train]).predict(x[test])
        elif train.any():
            y_pred[test] = np.bincount(y[train]).argmax()
    return y_pred


def _deal_folds(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """A fold for each row: groups are placed largest first, each in the fold that is smallest so far."""
    code, names = pd.factorize(np.asarray(groups, dtype=object))
    sizes = np.bincount(code)
    digests = [hashlib.sha256(str(name).encode()).digest() for name in names]
    folds = [(0, k) for k in range(_N_FOLDS)]
    fold_of = np.empty(len(names), dtype=np.int64)
    for group in sorted(range(len(names)), key=lambda i: (-sizes[i], digests[i])):
        size, fold_of[group] = folds[0]
        heapq.heapreplace(folds, (size + int(sizes[group]), int(fold_of[group])))
    return np.asarray(fold_of[code])


def _encode(values: "pd.Series[Any]") -> Floats:
    """Numbers as they are, words as their place in the alphabet, missing values below the smallest by one."""
    if not FACT_BY_NAME[str(values.name)].less:
        values = values.map({value: i for i, value in enumerate(sorted(values.dropna().unique()))})
    numbers = np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    # Not nan: boosting raises if a fold has no value of a fact, or only one.
    missing = np.nanmin(numbers) - 1 if not np.isnan(numbers).all() else 0.0
    return np.where(np.isnan(numbers), missing, numbers)


def _write_sentence(name: str, values: "pd.Series[Any]", y: Ints, class_names: Sequence[str]) -> str:
    """How one class differs most from the others: the largest difference of shares (Youden's J); or ""."""
    fact = FACT_BY_NAME[name]
    conditions = _list_thresholds(fact, values, y) if fact.less else _list_words(fact, values, y)
    best, says = 0.0, ""
    for k, condition, holds in conditions:
        inside, outside = float(holds[y == k].mean()), float(holds[y != k].mean())
        if inside - outside > best:
            best = inside - outside
            shares = f"in {100 * inside:.0f} % of cases, one of another class in {100 * outside:.0f} %"
            says = f"a picture of {class_names[k]} {condition} {shares}"
    return says if best >= _MIN_CONTRAST else ""


def _list_words(
    fact: Fact, values: "pd.Series[Any]", y: Ints
) -> list[tuple[int, str, npt.NDArray[np.bool_]]]:
    """For each value and class: the class, the condition in words, and where the fact has this value [n]."""
    text = values.map(lambda value: {True: "yes", False: "no"}.get(value, str(value)), na_action="ignore")
    conditions = []
    for value in sorted(text.dropna().unique()):
        holds = (text == value).fillna(False).to_numpy(dtype=bool)
        conditions += [(int(k), fact.more.format(value), holds) for k in np.unique(y)]
    return conditions


def _list_thresholds(
    fact: Fact, values: "pd.Series[Any]", y: Ints
) -> list[tuple[int, str, npt.NDArray[np.bool_]]]:
    """For each class, the two thresholds, one above and one below, where it differs most from the others."""
    # Rounded: a threshold of 0.999995 says no more than one of 0.9995.
    numbers = np.round(values.to_numpy(dtype=np.float64, na_value=np.nan), 3)
    known = np.flatnonzero(~np.isnan(numbers))
    known = known[np.argsort(numbers[known], kind="stable")]
    ordered = numbers[known]
    steps = np.flatnonzero(np.diff(ordered) > 0)  # a threshold lies between one place and the next
    conditions: list[tuple[int, str, npt.NDArray[np.bool_]]] = []
    if not len(steps):
        return conditions
    for k in np.unique(y):
        ours = y[known] == k
        below = np.cumsum(ours)[steps] / (y == k).sum() - np.cumsum(~ours)[steps] / (y != k).sum()
        total = ours.sum() / (y == k).sum() - (~ours).sum() / (y != k).sum()
        for gain, words in ((total - below, fact.more), (below, fact.less)):
            at = steps[gain.argmax()]
            limit = _find_round_number(ordered[at], ordered[at + 1])
            holds = numbers > limit if words is fact.more else numbers < limit
            conditions.append((int(k), words.format(_format_number(limit)), holds))
    return conditions


def _find_round_number(low: float, high: float) -> float:
    """The number with the fewest digits between `low` and `high`: it is easiest to read."""
    for digits in range(1, 9):
        middle = float(f"{(low + high) / 2:.{digits}g}")
        if low < middle < high:
            return middle
    return (low + high) / 2


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
