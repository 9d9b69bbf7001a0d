"""params.yaml: what is valid, and one message that names every fault."""

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from pipeline.errors import ParamsError
from pipeline.param_types import Section
from pipeline.params import Params
from pipeline.params_file import load_params
from pipeline.paths import STAGES
from pipeline.yaml_file import flatten, read_yaml
from tests.conftest import ParamsOf
from tests.test_yaml_file import check_refusal


def written(folder: Path, repo: Path, **sections: Any) -> Path:
    """A params.yaml as the repository's, with values replaced, or whole sections by something else."""
    values = read_yaml(repo / "params.yaml")
    for name, changed in sections.items():
        values[name] = values[name] | changed if isinstance(changed, dict) and name in values else changed
    YAML().dump(values, folder / "params.yaml")
    return folder / "params.yaml"


def test_the_repositorys_params_are_valid(repo: Path) -> None:
    params = load_params(repo / "params.yaml")
    assert params.data.source == "data/raw"
    assert params.clean.image_hw == (16, 16)


def test_sections_have_no_default_and_are_all_in_params_yaml(repo: Path) -> None:
    """What params.yaml holds and what the code knows are the same keys; the code holds no value."""
    in_yaml = read_yaml(repo / "params.yaml")
    for name, field in Params.model_fields.items():
        section: type[Section] = Params.__annotations__[name]
        section = getattr(section, "__origin__", section)
        assert list(in_yaml[field.alias or name]) == list(section.model_fields)
        assert all(inner.is_required() for inner in section.model_fields.values())


def test_every_stage_finds_its_section(repo: Path) -> None:
    params = load_params(repo / "params.yaml")
    for stage in STAGES:
        assert type(params.section(stage)).__name__ == f"{stage.capitalize()}Params"


def test_params_are_frozen(repo: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_params(repo / "params.yaml").split.seed = 1


@pytest.mark.parametrize(
    ("sections", "messages"),
    [
        pytest.param(
            {"train": {"learning_rat": 0.1}},
            ["train.learning_rat is not a known key (did you mean learning_rate?)"],
            id="misspelt",
        ),
        pytest.param(
            {"split": {"xyz": 1}},
            ["split.xyz is not a known key (allowed: seed, train, val, test, folds, group_by, fold_by"],
            id="unknown",
        ),
        pytest.param(
            {"vaildate": {}}, ["vaildate is not a known key (did you mean validate?)"], id="misspelt-section"
        ),
        pytest.param(
            {"train": {"epochs": "30"}},
            ["train.epochs: Input should be a valid integer, got '30'"],
            id="text-for-a-number",
        ),
        pytest.param({"train": {"epochs": True}}, ["train.epochs", "got True"], id="yes-for-a-number"),
        pytest.param({"train": {"epochs": 1.0}}, ["train.epochs", "got 1.0"], id="fraction-for-a-count"),
        pytest.param({"train": {"learning_rate": 0}}, ["train.learning_rate", "greater than 0"], id="zero"),
        pytest.param(
            {"clean": {"fit": "squeeze"}},
            ["clean.fit", "'stretch', 'pad' or 'crop'", "got 'squeeze'"],
            id="not-a-choice",
        ),
        pytest.param({"clean": {"image_hw": [32]}}, ["clean.image_hw"], id="one-side-only"),
        pytest.param({"clean": {"image_hw": [32, 0]}}, ["clean.image_hw.1", "got 0"], id="no-width"),
        pytest.param(
            {"split": {"train": 0.8}},
            ["split: ", "train + val + test must be 1, got 1.1"],
            id="shares-above-1",
        ),
        pytest.param(
            {"split": {"train": 0.85, "test": 0.0}}, ["must each be above 0"], id="nothing-to-test-on"
        ),
        pytest.param({"split": {"folds": 1}}, ["split.folds", "got 1"], id="one-fold"),
        pytest.param({"split": {"folds": 101}}, ["split.folds", "got 101"], id="folds-above-a-byte"),
        pytest.param({"data": {"classes": ["a"]}}, ["data.classes"], id="list-for-a-map"),
        pytest.param(
            {"data": {"classes": {"even": [0, 2], "odd": ["1"]}}},
            ['data.classes.even: a list of texts is allowed: put "0", "2" in quotes, got [0, 2]'],
            id="numbers-for-folders",
        ),
        pytest.param(
            {"data": {"classes": {0: ["a"], "x": ["b"]}}},
            ['data.classes: names of classes are texts: put "0" in quotes, got 0'],
            id="a-number-for-a-class",
        ),
        pytest.param(
            {"data": {"class_names": ["a", 1.5, True], "ignore": [2020]}},
            ['data.class_names: a list of texts is allowed: put "1.5", "True" in quotes', "data.ignore"],
            id="numbers-for-names",
        ),
        pytest.param({"data": {"layout": "split"}}, ["data.layout", "'auto', 'first_folder'"], id="layout"),
        pytest.param(
            {"split": {"group_by": "scan(\\d+"}},
            ["split.group_by", "not a regular expression", "got 'scan(\\\\d+'"],
            id="bad-pattern",
        ),
        pytest.param({"split": {"group_by": ".*"}}, ["split.group_by", "every key"], id="pattern-for-all"),
        pytest.param(
            {"promote": {"min_gain": 0.0, "min_accuracy": 0.5, "min_class_recall": 0.2}},
            [
                "promote.min_gain is gone; take promote.alpha and promote.margin: a gain must be",
                "promote.min_accuracy is gone; take promote.floors: {accuracy: ...}",
                'promote.min_class_recall is gone; take promote.floors: {recall: {"*": ...}}',
            ],
            id="knobs-of-an-earlier-version",
        ),
        pytest.param(
            {"promote": {"floors": {"acuracy": 0.5}}},
            ["promote.floors: accuracy, balanced_accuracy", "got {'acuracy': 0.5}"],
            id="an-unknown-floor",
        ),
        pytest.param({"promote": {"floors": {"recall": 0.5}}}, ["got {'recall': 0.5}"], id="one-for-classes"),
        pytest.param(
            {"promote": {"floors": {"accuracy": {"a": 1}}}}, ["got {'accuracy'"], id="classes-for-one"
        ),
        pytest.param(
            {"promote": {"floors": {"accuracy": 1.5}}}, ["got {'accuracy': 1.5}"], id="a-floor-above-1"
        ),
        pytest.param(
            {"promote": {"floors": {"accuracy": True}}}, ["got {'accuracy': True}"], id="yes-for-a-floor"
        ),
        pytest.param(
            {"promote": {"floors": {"recall": {1: 0.5}}}}, ["got {'recall'"], id="a-number-for-a-name"
        ),
        pytest.param({"promote": {"floors": 0.5}}, ["promote.floors: accuracy", "got 0.5"], id="no-floors"),
        pytest.param({"promote": {"alpha": 0.0}}, ["promote.alpha", "got 0.0"], id="no-alpha"),
        pytest.param(
            {"train": {"epochs": 0, "learning_rat": 1}, "split": {"seed": "a"}},
            ["train.epochs", "train.learning_rat", "split.seed"],
            id="all-faults-at-once",
        ),
    ],
)
def test_a_fault_is_one_line_that_names_the_key(
    sections: dict[str, Any], messages: list[str], tmp_path: Path, repo: Path
) -> None:
    with pytest.raises(ParamsError) as caught:
        load_params(written(tmp_path, repo, **sections))
    message = str(caught.value)
    assert message.startswith("params.yaml: ")
    assert all(part in message for part in messages), message
    assert "\n" not in message


@pytest.mark.parametrize("section", ["data", *STAGES])
def test_a_missing_section_is_named(section: str, tmp_path: Path, repo: Path) -> None:
    values = read_yaml(repo / "params.yaml")
    del values[section]
    YAML().dump(values, tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match=f"{section} is missing"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "does not exist; run from the project's folder", id="missing"),
        pytest.param("a: [1", "is not valid YAML", id="not-yaml"),
        pytest.param("a: 1\na: 2", "is not valid YAML", id="a-key-twice"),
        pytest.param("- a\n- b", "must hold a mapping of sections, got list", id="a-list"),
        pytest.param("", "must hold a mapping of sections, got NoneType", id="empty"),
        pytest.param(b"\xff\xfe", "is not valid YAML", id="not-utf8"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    text: str | bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(path)
    assert "\n" not in str(caught.value)


def list_numbers(values: dict[str, Any]) -> list[str]:
    """The dotted keys of all numbers, and of all lists of numbers, in params.yaml."""
    flat = flatten(values) | {"train.filters": 1, "train.units": 1, "train.dropout": 0.0}
    return [
        key
        for key, value in flat.items()
        if (isinstance(value, int | float) and not isinstance(value, bool))
        or (isinstance(value, list) and value and isinstance(value[0], int))
    ]


def replace_value(values: dict[str, Any], key: str, number: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    if rest:
        return values | {first: replace_value(values[first], rest, number)}
    return values | {first: [number, number] if isinstance(values[first], list) else number}


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(math.inf, id="inf"),
        pytest.param(-math.inf, id="minus-inf"),
        pytest.param(math.nan, id="nan"),
        pytest.param(-1, id="minus-1"),
        pytest.param(10**30, id="30-digits"),
        pytest.param(10**400, id="400-digits"),
        pytest.param(16**5000, id="6000-digits"),
        pytest.param(1e300, id="1e300"),
    ],
)
def test_no_number_is_without_end(number: float, repo: Path) -> None:
    """Every number of params.yaml in turn: an error, but for the two seeds that are hashed as text."""
    values = read_yaml(repo / "params.yaml")
    values["tune"]["space"] = {}  # its keys have dots; `test_a_choice_is_of_plain_values` has its numbers
    accepted = []
    for key in list_numbers(values):
        try:
            Params.model_validate(replace_value(values, key, number))
            accepted.append(key)
        except ValidationError:
            pass
    assert accepted == (["split.seed", "augment.seed"] if number == -1 else [])
    assert len(list_numbers(values)) > 60


@pytest.mark.parametrize("seconds", [0.001, 86_400])
def test_every_allowed_time_can_be_set(seconds: float, params_of: ParamsOf) -> None:
    limit = params_of(validate={"max_seconds_per_file": seconds}).validate_.max_seconds_per_file
    code = (
        "from pipeline.workers.__main__ import _set_alarms; import signal\n"
        f"_set_alarms({limit}); assert signal.getitimer(signal.ITIMER_REAL)[0] > 0; _set_alarms(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("? " + "k" * 100_000 + "\n: 1", "data is missing", id="a-long-key"),
        pytest.param('data: {"a\\u202e": 1}', "a character is invisible", id="right-to-left"),
        pytest.param('data: {classes: {a: ["\\x1b[2J"]}}', "data.classes.a: a character", id="escape"),
        pytest.param("\n".join(f"k{i}: 1" for i in range(5000)), "and 4,9.. more faults", id="5000-keys"),
    ],
)
def test_a_file_that_is_made_to_exhaust_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    check_refusal(load_params, text, message, tmp_path / "params.yaml")


def test_a_number_of_any_size_is_shown(tmp_path: Path, repo: Path) -> None:
    text = (repo / "params.yaml").read_text().replace("epochs: 20", f"epochs: 0x{'f' * 9000}")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"train\.epochs: .*, got a number of thousands of digits"):
        load_params(tmp_path / "params.yaml")


def test_the_order_of_classes_is_kept(tmp_path: Path, repo: Path) -> None:
    path = written(tmp_path, repo, data={"classes": {"z": ["b"], "a": ["*"]}})
    assert load_params(path).data.classes == {"z": ("b",), "a": ("*",)}
    assert list(load_params(path).data.classes) == ["z", "a"]


def test_messages_hold_no_pydantic_link(tmp_path: Path, repo: Path) -> None:
    with pytest.raises(ParamsError) as caught:
        load_params(written(tmp_path, repo, train={"epochs": "x"}))
    assert not re.search("pydantic|https", str(caught.value))


def test_dvc_changes_a_value_and_nothing_else(repo: Path, tmp_path: Path) -> None:
    """`dvc exp run -S` writes params.yaml anew; comments behind lists and null would be lost."""
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    path.write_bytes((repo / "params.yaml").read_bytes())
    before = path.read_text(encoding="utf-8").splitlines()
    apply_overrides(
        path,
        ["train.learning_rate=0.01", "clean.image_hw=[224,200]", "train.filters=8", "data.source=/a b/c"],
    )
    after = path.read_text(encoding="utf-8").splitlines()
    changed = [line for line in after if line not in before]
    assert [line.partition(" #")[0].strip() for line in changed] == [
        "source: /a b/c",
        "- 224",
        "- 200",
        "filters: 8",
        "learning_rate: 0.01",
    ]
    assert len(after) == len(before)
    load_params(path)
