"""The registered model that training starts from: its weights, and the pictures that it knows.

It must know no test picture: the scores would say nothing. Nor may it have learned from a picture that
chooses the weights now. Near-duplicates in the collection are in one part, so ids are enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collection.pictures import read_keys
from pipeline.errors import DataError, ModelError
from pipeline.labels import read_class_names
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.serving.classifier import Classifier
from pipeline.serving.seal import check_model
from pipeline.serving.settings import MODEL_FILE
from pipeline.storage import hash_file
from pipeline.tables.learnt import LEARNT, STARTED_FROM
from pipeline.tables.parquet import read_table
from pipeline.tables.split import SPLIT
from pipeline.tracking.packaging import EXAM, LEARNT_FILE, MODEL_NAME
from pipeline.tracking.stored_models import Address, fetch_model, find_model, name_champion

_INSTEAD = "name another version in train.start_from, or set it to none"


@dataclass(frozen=True)
class Start:
    """What training starts from; the defaults: nothing.

    Attributes:
        name: of the registered model, with its version.
        weights: in the order of the network's.
        sha256: of its file.
        learnt: the pictures that it learned from, as `tables.learnt.STARTED_FROM`.
    """

    name: str = ""
    weights: Sequence[npt.NDArray[np.float32]] = ()
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
    asked = params.train.start_from
    if asked is None:
        return Start()
    model_name = params.promote.model_name or params.data.name
    address = name_champion(model_name) if asked == "champion" else Address(model_name, number=asked)
    found = find_model(paths.root, address)
    if found is None:
        raise ModelError(
            f"train.start_from: the registry holds no {address}; set it to none for a first training, or "
            "name a version of `darkroom registry history`"
        )
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
    check_learnt(learnt, name, paths)
    network: Any = loaded.network
    return Start(
        name,
        network.get_weights(),
        hash_file(classifier / MODEL_FILE),
        learnt.append_column(STARTED_FROM.field("model"), [pa.array([name] * len(learnt), pa.string())]),
    )


def check_learnt(learnt: pa.Table, name: str, paths: Paths) -> None:
    """Raise DataError if a model learned from a picture that is a test picture now, or chooses weights.

    Args:
        learnt: as `tables.learnt.LEARNT`.
        name: of the model.
    """
    split = read_table(paths.split, SPLIT)
    trained = learnt.filter(pc.equal(learnt["part"], "train"))
    for part, known in (("test", learnt), ("val", trained)):
        mine = split.filter(pc.equal(split["split"], part))["id"]
        both = mine.filter(pc.is_in(mine, value_set=known["id"].combine_chunks())).to_pylist()
        if both:
            first = read_keys(both[:1], paths.clean_manifest)[0]
            raise DataError(
                f"train.start_from: {name} learned from {len(both)} pictures that are in {part} now, such as "
                f"{first}; split as it was split then (split.seed, its shares, and split.exact_below: 0, so "
                "that no picture ever moves), or set start_from: none"
            )


def _read_learnt(file: Path, name: str) -> pa.Table:
    try:
        return read_table(file, LEARNT)
    except DataError:
        raise ModelError(
            f"train.start_from: {name} does not say which pictures it learned from: an older Darkroom "
            f"registered it; {_INSTEAD}"
        ) from None
