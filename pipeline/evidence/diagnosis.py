"""What to try next, from what the stages know of a run: pure, and at most a few sentences."""

import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline.characters import escape, say_count
from pipeline.evidence.fit import is_still_learning, judge_fit
from pipeline.models import is_frozen, is_pretrainable
from pipeline.params import Params
from pipeline.shortcuts.limit import is_too_telling
from pipeline.training.history import Row

_FEW_A_CLASS, _FEW_TESTED = 200, 100  # pictures
_MANY_SUSPECTS = 0.05  # of the labels
_FAR_BELOW = 0.5  # of the accuracy: the recall of a class
_RECALL = re.compile(r"class/(.+)/recall", re.DOTALL)
_MIN_SIDE_PX = 32  # of what a network with weights from elsewhere takes

Metrics = Mapping[str, Mapping[str, float]]  # by stage


def suggest_next(params: Params, metrics: Metrics, history: Sequence[Row] = ()) -> list[str]:
    """What may make the model better, the most likely first.

    Args:
        metrics: of the stages, as in their metrics.json and details.json; what is missing is not judged.
        history: of the training, as `training.history` reads it.
    """
    return [
        *_judge_labels(metrics.get("evaluate", {})),
        *_judge_classes(metrics.get("evaluate", {})),
        *_judge_start(params, metrics),
        *_judge_training(params, metrics, history),
        *_judge_data(params, metrics),
    ]


def _judge_labels(scores: Mapping[str, float]) -> Iterator[str]:
    share = scores.get("labels/share_suspect", 0.0)
    if share > _MANY_SUSPECTS:
        n = round(scores["labels/n_suspect"])
        yield (
            f"{say_count(n, 'label')} of {scores['labels/n_pictures']:,.0f} may be wrong ({share:.1%}): "
            "`darkroom labels list` names them"
        )


def _judge_classes(scores: Mapping[str, float]) -> Iterator[str]:
    """The class that is found least, if that is less than half as often as pictures are answered rightly."""
    recalls = {found[1]: recall for name, recall in scores.items() if (found := _RECALL.fullmatch(name))}
    worst = min(recalls, key=lambda name: recalls[name], default="")
    if worst and recalls[worst] < _FAR_BELOW * scores.get("accuracy", 0.0):
        yield (
            f"only {recalls[worst]:.0%} of the test pictures of {escape(worst)} are found: look at its "
            "labels (`darkroom mistakes`), and add pictures of it"
        )


def _judge_start(params: Params, metrics: Metrics) -> Iterator[str]:
    """Whether the network begins with nothing, although there is little to learn from."""
    split = metrics.get("split", {})
    n_train, n_classes = split.get("n_train", 0), split.get("n_classes", 0)
    is_blank = not is_pretrainable(params.train.model) or params.train.weights is None
    if n_train and n_train < _FEW_A_CLASS * n_classes and is_blank and _are_scans(params):
        yield (
            f"{n_train:,.0f} training pictures in {n_classes:.0f} classes are few for a network that begins "
            "at random: `darkroom setup SOURCE --preset good` takes one that has learned from photos"
        )


def _judge_training(params: Params, metrics: Metrics, history: Sequence[Row]) -> Iterator[str]:
    train = metrics.get("train", {})
    learnt, validated = train.get("train_accuracy"), train.get("val_accuracy")
    if learnt is None or validated is None:
        return
    is_cut_short = len(history) == params.train.epochs and is_still_learning(history, params.train.monitor)
    if is_cut_short and validated < 1:
        longer = 2 * params.train.epochs
        yield f"the last epoch was the best: train longer (`dvc exp run -S train.epochs={longer}`)"
    fit = judge_fit(learnt, validated)
    if fit == "overfits":
        remedy = "hold the head back (train.kernel_l2), fine-tune (train.fine_tune_epochs)"
        asked = params.train
        if not is_frozen(asked.model, weights=asked.weights, fine_tune_epochs=asked.fine_tune_epochs):
            remedy = "alter them more (augment.rotation, zoom, rand_augment), set train.dropout"
        yield (
            f"it knows its training pictures ({learnt:.0%}) better than others ({validated:.0%}): {remedy}, "
            "or add pictures"
        )
    elif fit == "underfits":
        yield (
            f"even of its training pictures it gets {1 - learnt:.0%} wrong: enlarge clean.image_hw, train "
            "longer, or take a larger network (train.model)"
        )


def _judge_data(params: Params, metrics: Metrics) -> Iterator[str]:
    facts = metrics.get("split", {})
    found, chance = facts.get("metadata_accuracy", 0.0), facts.get("metadata_chance", 0.0)
    if is_too_telling(found, chance, params.split.max_metadata_accuracy) and not params.clean.equalise:
        yield (
            f"file facts alone give away the class of {found:.0%} of the pictures: `clean.equalise: 75` "
            "hides most histories; data/split/figures/shortcuts.png shows which facts"
        )
    n_test = metrics.get("evaluate", {}).get("n_test", 0)
    if 0 < n_test < params.promote.min_common_images:
        least = params.promote.min_common_images
        yield (
            f"{say_count(round(n_test), 'test picture')} cannot decide whether to replace a champion "
            f"(promote.min_common_images: {least}): add pictures, or raise split.test before there is one"
        )
    elif 0 < n_test < _FEW_TESTED:
        leave = "leaves" if n_test == 1 else "leave"
        said = f"{say_count(round(n_test), 'test picture')} {leave} much to luck"
        yield f"{said}: add pictures, above all of small classes"


def _are_scans(params: Params) -> bool:
    return min(params.clean.image_hw) >= _MIN_SIDE_PX
