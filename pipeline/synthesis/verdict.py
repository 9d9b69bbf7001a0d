"""What is found out about made-up pictures: distance, copies, the classifier's verdict; and sheets."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ModelError
from pipeline.figures.drawing import shorten
from pipeline.figures.sheets import draw_sheet
from pipeline.serving.classifier import Classifier
from pipeline.synthesis.features import Float32, Uint8, open_eye
from pipeline.synthesis.judge import (
    Copying,
    Distance,
    Neighbours,
    compute_kid,
    compute_kid_of_halves,
    find_nearest,
    measure_copying,
)
from pipeline.synthesis.request import Request

_MAX_REAL = 1000  # real pictures that are compared with each other, or shown to the classifier
N_ON_SHEET = 48
_N_PAIRS = 24  # of pictures and their nearest, on a sheet

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Likeness:
    """How far made-up pictures are from real ones, by the features of a network.

    Attributes:
        eye: what the network is called.
        kid: of made-up against real pictures; kid_real: of real ones against each other.
    """

    eye: str
    kid: Distance
    kid_real: Distance
    copying: Copying

    def flatten(self) -> dict[str, float]:
        """As metrics."""
        return {
            "kid": self.kid.mean,
            "kid_deviation": self.kid.deviation,
            "kid_real": self.kid_real.mean,
            "kid_real_deviation": self.kid_real.deviation,
            "nearest_made": self.copying.made,
            "nearest_real": self.copying.real,
            "close_share": self.copying.share,
        }


@dataclass(frozen=True)
class Acceptance:
    """What a classifier says: the share that it gives the class, and the mean probability of the class."""

    share: float
    probability: float


def compare(
    made: Uint8, request: Request, *, classifier: Path, features: Path, sheet: Path
) -> Likeness | None:
    """Compare with the training pictures, and draw the made-up ones beside their nearest real ones.

    Args:
        features: the folder that keeps the features of real pictures.

    Returns:
        None where there is no network to look with.
    """
    eye = open_eye(request.pictures.picture_shape, classifier)
    if eye is None:
        return None
    _log.info("comparing %d made-up pictures with %d real ones", len(made), len(request.pictures))
    of_made, of_real = eye.look(made), eye.look_at_collection(request.pictures, features)
    chosen = np.sort(np.random.default_rng(0).permutation(len(of_real))[:_MAX_REAL])
    nearest = find_nearest(of_made, of_real)
    among_real = find_nearest(of_real[chosen], of_real, itself=chosen)
    draw_neighbours(made, nearest, request, limit=float(np.median(among_real.distance)), path=sheet)
    return Likeness(
        eye.name,
        compute_kid(of_made, of_real[chosen]),
        compute_kid_of_halves(of_real[chosen]),
        measure_copying(nearest, among_real),
    )


def draw_samples(pictures: Uint8, title: str, path: Path) -> None:
    """Draw a sheet of made-up pictures."""
    draw_sheet(pictures, [""] * len(pictures), title=title, path=path)


def draw_neighbours(made: Uint8, nearest: Neighbours, request: Request, *, limit: float, path: Path) -> None:
    """Draw made-up pictures, those that are nearest to a real one first, each beside that one."""
    order = np.argsort(nearest.distance, kind="stable")[:_N_PAIRS]
    real = request.pictures.gather(nearest.position[order])
    pairs = np.stack([made[order], real], axis=1).reshape(-1, *real.shape[1:])
    captions = [text for i in order for text in ("made up", f"nearest real: {nearest.distance[i]:.1f} away")]
    name = shorten(request.class_name, 24)
    title = f"{name}: the made-up pictures nearest to a real one (real ones are {limit:.1f} apart)"
    draw_sheet(pairs, captions, title=title, path=path)


def ask_classifier(folder: Path, request: Request, made: Uint8) -> Mapping[str, Acceptance] | str:
    """What the classifier says of made-up and of real training pictures; or why it cannot be asked."""
    if not folder.is_dir():
        return "there is no classifier yet: run `dvc repro`"
    try:
        classifier = Classifier.load(folder)
    except ModelError as error:
        return str(error)
    if classifier.settings.recipe.picture_shape != request.pictures.picture_shape:
        return "the classifier is of pictures of another size: run `dvc repro`"
    if request.class_name not in classifier.class_names:
        return "the classifier has other classes: run `dvc repro`"
    chosen = np.sort(np.random.default_rng(0).permutation(len(request.pictures))[:_MAX_REAL])
    index = classifier.class_names.index(request.class_name)
    return {
        name: measure_acceptance(classifier.predict_pictures(pictures), index)
        for name, pictures in (("made", made), ("real", request.pictures.gather(chosen)))
    }


def measure_acceptance(y_prob: Float32, index: int) -> Acceptance:
    """Acceptance of pictures as one class, from the probabilities of all classes [n, n_classes]."""
    return Acceptance(float((y_prob.argmax(axis=1) == index).mean()), float(y_prob[:, index].mean()))
