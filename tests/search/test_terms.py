"""What a study's values depend on, and how a difference is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from pipeline.params_file import check_params
from pipeline.paths import Paths
from pipeline.search.terms import Terms, hash_data, make_terms

TERMS = Terms(
    space={"train.dropout": {"float": [0.0, 0.5]}},
    folds=0,
    metric="accuracy",
    data={"split": "1"},
    values={"train": {"epochs": 3, "model": "compact"}, "augment": {"zoom": 0.1}},
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"folds": 5}, "tune.folds is 5, and was 0"),
        ({"metric": "log_loss"}, 'tune.metric is "log_loss", and was "accuracy"'),
        ({"data": {"split": "2"}}, "the collection has changed"),
        ({"values": {"train": {"epochs": 4, "model": "compact"}}}, "train.epochs is 4, and was 3"),
        ({"space": {"train.dropout": {"float": [0.0, 0.6]}}}, "[0.0, 0.6], and was [0.0, 0.5]"),
        ({"space": {}}, 'tune.space.train.dropout is none, and was {"float": [0.0, 0.5]}'),
    ],
    ids=str,
)
def test_a_difference_is_named(change: dict[str, Any], said: str) -> None:
    found = TERMS.find_difference(replace(TERMS, **change))
    assert (found == said) if not said else (said in found)


def test_terms_survive_json() -> None:
    assert Terms(**TERMS.to_json()).find_difference(TERMS) == ""


def test_the_collection_is_part_of_them(augmented: Paths, params_values: dict[str, Any]) -> None:
    terms = make_terms(params_values, check_params(params_values, "params.yaml"), augmented)
    assert set(terms.data) == {"clean", "split", "extra"}
    augmented.split.write_bytes(augmented.split.read_bytes() + b" ")
    assert hash_data(augmented) != terms.data


def test_without_a_collection_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dvc repro augment"):
        hash_data(Paths(tmp_path))
