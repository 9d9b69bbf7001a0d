"""A first result of one's own: 40 scans a class, drawn from toum.zip, by the settings of `darkroom setup`.

Each draw trains on 28 pictures a class and chooses the weights on 6, as the pipeline would. It is tested on
all other pictures of the classes, so that the figure is not one of 18 pictures.

Run: python -m benchmarks.few_pictures [--draws 10] [--classes Photo Schematics Text] [--set kernel_l2=0.1]
Cost: a minute for the features, then some seconds a draw.
"""

import argparse
import logging
import statistics
import tempfile
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from benchmarks.copies import TOUM, params_for
from benchmarks.scans import developed_scans, find_right, seeded
from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import Part, choose_rows
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.setup.proposal import list_values, propose
from pipeline.setup.survey import survey_source
from pipeline.training.folds import Fold

N_TRAIN, N_VAL = 28, 6  # of a class


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--classes", nargs="+", default=["Photo", "Schematics", "Text"])
    parser.add_argument("--set", nargs="*", default=[], help="train.<key>=value beside the proposal")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    set_up_device()
    with tempfile.TemporaryDirectory() as folder:
        params = propose_params(options.set)
        scans = developed_scans(Paths(Path(folder)), TOUM.resolve(), params)
        chosen = [CLASSES.index(name) for name in options.classes]
        part = keep_classes(scans.part, chosen)
        few = scans._replace(part=part, split=np.repeat("", len(part)))
        found = []
        for draw in range(options.draws):
            fold = draw_fold(part, draw)
            found.append(find_right(few, fold, seeded(params, draw), Path(folder) / "features").mean())
            print(f"{found[-1]:.1%}", end="  ", flush=True)
    print(
        f"\n{options.set}: mean {statistics.mean(found):.2%}, least {min(found):.1%}, on {len(fold.test):,}"
    )


CLASSES = ["Painting", "Photo", "Schematics", "Sketch", "Text"]


def propose_params(changes: list[str]) -> Params:
    """What `darkroom setup` proposes for the collection, with some values of `train` changed."""
    values = list_values(
        propose(
            survey_source(TOUM.resolve(), params_for(TOUM.resolve())), source="x", name="x", preset="good"
        )
    )
    sections: dict[str, dict[str, object]] = {"clean": {}, "train": {}}
    for key, value in values.items():
        section, _, name = key.partition(".")
        if section in sections:
            sections[section][name] = value
    for text in changes:
        name, _, value = text.partition("=")
        sections["train"][name] = YAML(typ="safe").load(value)
    return params_for(TOUM.resolve(), **sections)


def keep_classes(part: Part, chosen: list[int]) -> Part:
    """The pictures of some classes, numbered anew."""
    index = np.flatnonzero(np.isin(part.y, chosen))
    kept = choose_rows(part, index)
    return Part(kept.ids, kept.shard, kept.row, np.searchsorted(sorted(chosen), kept.y), group=kept.group)


def draw_fold(part: Part, seed: int) -> Fold:
    """So many pictures of each class to learn from and to choose the weights on; all others are tested."""
    rng = np.random.default_rng(seed)
    order = [rng.permutation(np.flatnonzero(part.y == c)) for c in range(int(part.y.max()) + 1)]
    train = np.concatenate([one[:N_TRAIN] for one in order])
    val = np.concatenate([one[N_TRAIN : N_TRAIN + N_VAL] for one in order])
    test = np.concatenate([one[N_TRAIN + N_VAL :] for one in order])
    return Fold(train, val, test)


if __name__ == "__main__":
    main()
