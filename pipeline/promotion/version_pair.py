"""The exam of any two versions of a registered model, as if one were champion; nothing is recorded."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PromotionError
from pipeline.evidence.exams import Exam, read_exam
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.promotion.exam import Known, compare
from pipeline.promotion.gate import Decision
from pipeline.promotion.learning import read_groups
from pipeline.promotion.recognition import list_known
from pipeline.tracking import exam_files, registry
from pipeline.tracking.packaging import LEARNT_FILE

if TYPE_CHECKING:
    from mlflow import MlflowClient


def compare_versions(
    client: "MlflowClient", paths: Paths, model: str, numbers: tuple[int, int], params: Params
) -> Decision:
    """What the exam would decide about the second version, if the first were champion.

    Slices are not compared: the facts that cut them are those of a state, not of a version.

    Raises:
        PromotionError: there is no such version, or its test answers are gone.
    """
    first, second = (_find(client, model, number) for number in numbers)
    learnt: set[str] = set()
    with tempfile.TemporaryDirectory() as scratch:
        exams = []
        for place, version in enumerate((first, second)):
            folder = Path(scratch) / str(place)
            folder.mkdir()
            exams.append(_fetch(client, model, version, folder))
            if file := exam_files.fetch_beside_exam(client, version, LEARNT_FILE, folder):
                learnt |= list_known(file, paths.clean_manifest, params.clean)
    # A picture that is not in the collection as it is now is alone.
    groups = read_groups(paths.clean_manifest) if paths.clean_manifest.is_file() else {}
    known = Known(groups, learnt, models=(second.model_md5, first.model_md5))
    return compare(exams[1], exams[0], known, params.promote)


def _find(client: "MlflowClient", model: str, number: int) -> registry.Version:
    version = registry.find_version(client, model, number)
    if version is None:
        raise PromotionError(
            f"{model} has no version {number}; `darkroom ui` shows what it holds, under Models"
        )
    return version


def _fetch(client: "MlflowClient", model: str, version: registry.Version, into: Path) -> Exam:
    found = exam_files.fetch_exam(client, version, into)
    if found is None:
        raise PromotionError(
            f"the test answers of {model} version {version.number} are gone from MLflow; restore its row or "
            "its model, or compare another version"
        )
    return read_exam(*found)
