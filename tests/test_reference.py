"""docs/reference.md says what the commands and params.yaml say."""

from pathlib import Path

from pipeline.yaml_file import read_yaml
from tests.reference import PAGE, read_comments, write_page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(), "run `make docs` and commit docs/reference.md"


def test_every_parameter_is_described(repo: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    keys = [f"{section}.{key}" for section, inner in read_yaml(repo / "params.yaml").items() for key in inner]
    assert [key for key in keys if f"`{key}" not in page] == []
    assert [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


def test_what_markdown_would_take_for_marks_is_shown_as_it_stands() -> None:
    lines = {line.split("`")[1]: line for line in write_page().splitlines() if line.startswith("| `")}
    assert r'"\*" stands for all folders' in lines["data.classes"]
    assert r'"(batch\\\\d+)_"' in lines["split.group_by"]
    assert r"3 colour \| 1 grey" in lines["clean.channels"]
    assert r"keras.applications.\<Name>" in lines["train.model"]


def test_comments_are_found_above_and_beside_their_keys(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        "# of the file\n\na: # no key of its own\n  # first line\n  # second\n  b: '#' # beside\n"
        "  c:\n  - 1\n  # above\n  d: 2\n",
        encoding="utf-8",
    )
    found = dict(read_comments(file))
    assert found["a.b"] == "first line second beside"
    assert found["a.c"] == ""
    assert found["a.d"] == "above"
