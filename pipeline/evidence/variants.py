"""The accuracy on other pictures or by other means: imperfect copies, and no mirror image."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.collection.pictures import Pictures, read_extra
from pipeline.errors import DataError
from pipeline.evidence.examination import Examination, Finding, predict
from pipeline.evidence.flat_metrics import flatten_others
from pipeline.evidence.intervals import Interval, bound_share


def score_variants(examined: Examination, imperfect: Path, *, confidence: float) -> Finding:
    """The accuracy without the mirror image, on imperfect copies, and on copies and originals together.

    Args:
        imperfect: the folder of copies that augment wrote.

    Raises:
        DataError: the folder holds copies of other pictures.
    """
    found = _score_unmirrored(examined, confidence) | _score_imperfect(examined, imperfect, confidence)
    return Finding(flatten_others(found))


def _score_unmirrored(examined: Examination, confidence: float) -> dict[str, Interval]:
    """Only if `train.test_mirror` adds the mirror image."""
    if not examined.classifier.settings.test_mirror:
        return {}
    y_pred = predict(examined.classifier.without_mirror(), examined.pictures).argmax(axis=1)
    return {"unmirrored_accuracy": _measure(y_pred == examined.y_true, examined, confidence)}


def _score_imperfect(examined: Examination, folder: Path, confidence: float) -> dict[str, Interval]:
    """Nothing without copies."""
    copies, test = read_extra(folder), examined.test
    if not len(copies):
        return {}
    if (copies.ids, copies.y.tolist()) != (test.ids, test.y.tolist()):
        raise DataError(f"{folder} does not hold a copy of each test picture; run `dvc repro augment`")
    is_right_too = predict(examined.classifier, Pictures((folder, copies))).argmax(axis=1) == copies.y
    both = (examined.is_right + is_right_too.astype(np.float64)) / 2
    return {
        "imperfect_accuracy": _measure(is_right_too, examined, confidence),
        "mixed_accuracy": _measure(both, examined, confidence),
    }


def _measure(right: npt.NDArray[np.bool_ | np.float64], examined: Examination, confidence: float) -> Interval:
    """An accuracy, from the share of right answers to each picture, which counts once."""
    return bound_share(right.astype(np.float64), examined.groups, confidence=confidence)
