"""The registered model that training starts from: its weights, and the pictures that it knows.

It must know no test picture: the scores would say nothing. Nor may it have learned from a picture that
chooses the weights now. `promotion/recognition.py` says how a picture is known again.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collection.pictures import read_keys
from pipeline.errors import DataError, ModelError
from pipeline.labels import read_class_names
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.promotion.recognition import TRAIN, read_learnt, recognise
from pipeline.serving.classifier import Classifier
from pipeline.serving.seal import check_model
from pipeline.serving.settings import MODEL_FILE
from pipeline.storage import hash_file
from pipeline.tables.learnt import LEARNT
from pipeline.tables.parquet import read_table
from pipeline.tables.split import SPLIT
from pipeline.tables.started_from import STARTED_FROM
from pipeline.tracking.packaging import EXAM, LEARNT_FILE, MODEL_NAME
from pipeline.tracking.stored_models import fetch_model, find_start

_INSTEAD = "name another version in train.start_from, or set it to none"


@dataclass(frozen=True)
class Start:
    """What training starts from; the defaults: nothing.

    Attributes:
        name: of the registered model, with its version.
        network: the `keras.Model`; None: none.
        sha256: of its file.
        learnt: the pictures that it learned from, as `tables.learnt.STARTED_FROM`.
    """

    name: str = ""
    network: Any = None
    sha256: str = ""
    learnt: pa.Table = field(default_factory=STARTED_FROM.empty_table)


def read_start_model(params: Params, paths: Paths) -> Start:
    """The model that `train.start_from` names.

    Raises:
        ModelError: there is none, it is not as it was registered, it has other classes, or it does not say
            what it learned from.
        DataError: it learned from pictures that test a model now, or choose its weights.
        TrackingError: the registry cannot be reached.
    """
    found = find_start(paths.root, params.model_name, params.train.start_from)
    if found is None:
        return Start()
    name = f"{found.name} version {found.number}"
    folder = fetch_model(paths.root, found)
    check_model(folder, found.model_seal)
    classifier = folder / "artifacts" / MODEL_NAME
    loaded = Classifier.load(classifier, seal=found.seal)
    wanted = read_class_names(paths.classes)
    if loaded.class_names != wanted:
        raise ModelError(
            f"train.start_from: {name} has the classes {', '.join(loaded.class_names)}, and the collection "
            f"has {', '.join(wanted)}; {_INSTEAD}"
        )
    learnt = _read_learnt(folder / "artifacts" / EXAM / LEARNT_FILE, name)
    check_learnt(learnt, name, params, paths)
    return Start(
        name,
        loaded.network,
        hash_file(classifier / MODEL_FILE),
        learnt.append_column(STARTED_FROM.field("model"), [pa.array([name] * len(learnt), pa.string())]),
    )


def check_learnt(learnt: pa.Table, name: str, params: Params, paths: Paths) -> None:
    """Raise DataError if a model learned from a picture that is a test picture now, or chooses weights.

    Args:
        learnt: as `tables.learnt.LEARNT`.
        name: of the model.
    """
    split = read_table(paths.split, SPLIT)
    known = recognise(learnt, paths.clean_manifest, params.clean)
    trained = {id_ for id_, part in known.items() if part == TRAIN}
    for part, taboo in (("test", known.keys()), ("val", trained)):
        mine = split.filter(pc.equal(split["split"], part))["id"].to_pylist()
        if both := [id_ for id_ in mine if id_ in taboo]:
            first = read_keys(both[:1], paths.clean_manifest)[0]
            raise DataError(
                f"train.start_from: {name} knows {len(both)} pictures that are in {part} now, or that look "
                f"like one it knows, such as {first}; split as it was split then (split.seed, its shares, "
                "and split.exact_below: 0, so that no picture ever moves), or set start_from: none"
            )


def _read_learnt(file: Path, name: str) -> pa.Table:
    learnt = read_learnt(file) if file.is_file() else LEARNT.empty_table()
    if not len(learnt) or learnt["part"].null_count:
        raise ModelError(
            f"train.start_from: {name} does not say which pictures it learned from: an older Darkroom "
            f"registered it; {_INSTEAD}"
        )
    return learnt
