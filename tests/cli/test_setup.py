"""`darkroom setup`: the proposal, the question, and what it writes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.params_file import load_params
from pipeline.paths import Paths

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two classes of thirty small pictures."""
    folder = tmp_path / "my scans"
    for label in "ab":
        (folder / label).mkdir(parents=True)
        for number in range(30):
            rows = [bytes([number * 4] * 10 + [255 - number] * 10)] * 20
            (folder / label / f"{number}.png").write_bytes(encode_grey_png(rows))
    return folder


def test_it_writes_what_it_proposes_and_keeps_comments(
    darkroom: Darkroom, project: Paths, repo: Path, scans: Path
) -> None:
    shutil.copy(repo / "params.yaml", project.params)
    before = project.params.read_text(encoding="utf-8")
    code, said, error = darkroom("setup", scans, "--yes")
    assert (code, error) == (0, "")
    assert "my scans: a 30, b 30\n60 pictures were looked at\n" in said
    assert "ready: 60 files in 2 classes, compact at 24x24; called 'my scans'" in said
    params = load_params(project.params)
    assert params.data.source == str(scans)
    assert params.clean.image_hw == (24, 24)
    after = project.params.read_text(encoding="utf-8")
    comments = [line.partition("#")[2] for line in before.splitlines() if "#" in line]
    assert [comment for comment in comments if comment not in after] == []


def test_a_path_from_a_folder_below_is_written_without_dots(
    darkroom: Darkroom, project: Paths, scans: Path
) -> None:
    relative = Path("data") / ".." / ".." / scans.relative_to(project.root.parent)
    code, _, error = darkroom("setup", relative, "--yes")
    assert (code, error) == (0, "")
    assert load_params(project.params).data.source == str(scans)


def test_it_asks_and_no_changes_nothing(
    darkroom: Darkroom, project: Paths, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.params.read_bytes()
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert darkroom("setup", scans)[0] == 1
    assert project.params.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["--preset", "best"], "--preset: allowed are fast, good, new_sources, got 'best'", id="preset"
        ),
        pytest.param(["--name", "a/b"], "data.name: letters, digits", id="name"),
    ],
)
def test_what_is_not_allowed_is_one_line(
    words: list[str], message: str, darkroom: Darkroom, project: Paths, scans: Path
) -> None:
    before = project.params.read_bytes()
    code, _, error = darkroom("setup", scans, "--yes", *words)
    assert code == 1
    assert message in error
    assert project.params.read_bytes() == before


def test_a_source_that_is_not_there(darkroom: Darkroom, project: Paths, tmp_path: Path) -> None:
    code, _, error = darkroom("setup", tmp_path / "gone", "--yes")
    assert code == 1
    assert "gone does not exist" in error
    assert error.count("\n") == 1
