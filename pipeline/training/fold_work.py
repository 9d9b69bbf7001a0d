"""The folds of a cross-validation: each is answered by this process, or by a machine of the cluster.

To the cluster a fold travels as positions. Its pictures are read there, from the same shards. Importing this
imports no Keras.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.collection.pictures import Ints, Part, Pictures
from pipeline.errors import WorkersError
from pipeline.models import is_frozen
from pipeline.params import TrainParams
from pipeline.progress import track
from pipeline.training.folds import Fold, choose_fold
from pipeline.training.policy import Policy
from pipeline.training.workplace import Workplace
from pipeline.workers import is_on_cluster
from pipeline.workers.errands import check_same
from pipeline.workers.process import WorkerDiedError
from pipeline.workers.ray_map import map_on_cluster
from pipeline.workers.ray_tasks import Needs

if TYPE_CHECKING:
    from pipeline.training.cross_validation import FoldAnswerer

Float32 = npt.NDArray[np.float32]
Asked = tuple[Fold, TrainParams]

_N_SAMPLED = 16  # pictures that tell whether a machine sees the same shards


@dataclass(frozen=True)
class FoldWork:
    """What all folds of a collection have in common, as `FoldAnswerer` takes it."""

    shards: Path
    part: Part
    policy: Policy
    params: TrainParams
    features: Path | None

    def open(self) -> "FoldAnswerer":
        """What answers folds in this process."""
        from pipeline.training.cross_validation import FoldAnswerer

        how: dict[str, Any] = {"policy": self.policy, "params": self.params, "features": self.features}
        return FoldAnswerer(self.shards, self.part, **how)

    def answer(self, asked: Iterable[Asked]) -> Iterator[Float32]:
        """The answers to each fold, as of `FoldAnswerer.answer`, in their order; the device is set up.

        A frozen backbone's folds stay here: they share its features, and the head of each takes seconds.

        Raises:
            WorkersError: the cluster is away, or a machine of it would compute other bits.
        """
        if is_on_cluster() and not self._is_frozen:
            yield from self._answer_on_cluster(asked)
            return
        answerer = self.open()
        for fold, params in asked:
            yield answerer.answer(fold, params)

    @property
    def _is_frozen(self) -> bool:
        params = self.params
        return is_frozen(params.model, weights=params.weights, fine_tune_epochs=params.fine_tune_epochs)

    def _answer_on_cluster(self, asked: Iterable[Asked]) -> Iterator[Float32]:
        place = Workplace.describe()
        options: dict[str, Any] = {"chunk_items": 1, "needs": Needs(place.n_cores, place.n_gpus)}
        task = _Distant(self, place, self.hash_sample())
        try:
            for one in map_on_cluster(task, enumerate(asked), n_bytes=lambda _: 1, **options):
                yield one.result
        except WorkerDiedError as death:
            raise WorkersError(
                f"a fold ends its process on the Ray cluster again and again: {death}; take machines with "
                "more memory, or a smaller train.batch_size"
            ) from None

    def hash_sample(self) -> str:
        """A hash of some pictures, from first to last."""
        pictures = Pictures((self.shards, self.part))
        index = np.linspace(0, len(pictures) - 1, _N_SAMPLED).astype(np.int64)
        return hashlib.sha256(pictures.gather(index).tobytes()).hexdigest()[:16]


class _Distant:
    """What a process of the cluster does with each fold; it gets ready with the first."""

    def __init__(self, work: FoldWork, place: Workplace, sample: str) -> None:
        self._work, self._place, self._sample = work, place, sample
        self._answerer: FoldAnswerer | None = None

    def __call__(self, asked: Asked) -> Float32:
        if self._answerer is None:
            self._place.enter()
            check_same({"pictures": self._work.hash_sample()}, {"pictures": self._sample})
            self._answerer = self._work.open()
        return self._answerer.answer(*asked)


def answer_all(
    shards: Path, part: Part, folds: Ints, *, policy: Policy, params: TrainParams, features: Path | None
) -> Float32:
    """Class probabilities [n, n_classes] of all pictures, each by a network that learned from other folds.

    Args:
        folds: the number of each picture's fold [n].
        features: as `FoldAnswerer` takes it.
    """
    y_prob = np.zeros((len(part), int(part.y.max()) + 1), np.float32)
    numbers = np.unique(folds)
    work = FoldWork(shards, part, policy, params, features)
    answered = work.answer((choose_fold(folds, number, params.seed), params) for number in numbers)
    for number, found in track(zip(numbers, answered, strict=True), total=len(numbers), what="out of fold"):
        y_prob[folds == number] = found
    return y_prob
