"""YAML as DVC reads it; what is made to exhaust its reader is one line, at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.yaml_file import read_yaml, write_values
from tests.effort import limit_effort


def test_yaml_is_read_as_dvc_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("rate: 1e-3\nword: on\nyes: 0o10\n")
    assert read_yaml(path) == {"rate": 0.001, "word": "on", "yes": 8}


def test_aliases_stand_for_values(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {b: &b [1, 2], c: &c 3}\nd: [*a, *b, *c]\n")
    a = {"b": [1, 2], "c": 3}
    assert read_yaml(path) == {"a": a, "d": [a, [1, 2], 3]}


LAUGHS = "a0: &a0 [x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: " + "[" * 5000, "more than 50 deep", id="5000-brackets"),
        pytest.param("a: " + "{b: " * 5000 + "1" + "}" * 5000, "more than 50 deep", id="5000-braces"),
        pytest.param(LAUGHS, "more than 100,000 values", id="a-billion-laughs"),
        pytest.param("a: &a [*a]", "more than 100,000 values", id="a-list-in-itself"),
        pytest.param("a: &a {b: *a}", "more than 100,000 values", id="a-mapping-in-itself"),
        pytest.param("a: " + "1" * 10_000, "is not valid YAML: Exceeds the limit", id="10000-digits"),
        pytest.param("a: 2026-99-99", "is not valid YAML: month must be", id="no-date"),
        pytest.param("a: !!int x", "is not valid YAML: invalid literal", id="no-int"),
        pytest.param("a: !!bool x", "is not valid YAML", id="no-bool"),
        pytest.param("a: !!int ''", "is not valid YAML", id="empty-int"),
        pytest.param("a: " + "x" * (5 << 20), "more than 4,194,304 bytes", id="5-MB"),
    ],
)
def test_a_file_that_is_made_to_exhaust_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    check_refusal(read_yaml, text, message, tmp_path / "params.yaml")


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").mkdir()
    for use in (read_yaml, lambda path: write_values(path, {"a": 1})):
        with pytest.raises(ParamsError, match=r"^params\.yaml cannot be read: a folder lies where the file"):
            use(tmp_path / "params.yaml")


def check_refusal(read: Callable[[Path], object], text: str, message: str, path: Path) -> None:
    """Whether a reader refuses a file soon, in one line of no great length."""
    path.write_text(text)
    with limit_effort(300), pytest.raises(ParamsError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 2000
