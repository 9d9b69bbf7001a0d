"""`darkroom registry`: what a person reads, and what is refused in one line."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.paths import Paths
from pipeline.tracking import connection, registry
from pipeline.tracking.ledger import FileLedger, Move
from pipeline.yaml_file import read_yaml
from tests.promotion.registered import add_versions

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


@pytest.fixture
def model(
    project: Paths,
    tracking_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> str:
    """The name of the project's registered model: of three versions the second is champion."""
    name: str = request.node.name.replace("[", "-").strip("]")[:60]
    values = read_yaml(project.params)
    values["promote"] |= {"model_name": name, "floors": {}, "min_common_images": 20}
    YAML().dump(values, project.params)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.resolve_uri(tracking_root))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    add_versions(connection.connect(tracking_root), tracking_root, name, tmp_path / "scratch")
    return name


def read_cells(said: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]


def test_a_rollback_is_in_the_history(darkroom: Darkroom, model: str) -> None:
    code, said, error = darkroom("registry", "rollback", "--reason", "fails on [the] new scanner")
    assert (code, error) == (0, "")
    assert said.startswith(f"{model}: version 1 is champion, it was version 2 (line ")
    code, said, error = darkroom("registry", "promote", "3", "--force", "--reason", "we need it")
    assert (code, error) == (0, "")
    code, said, error = darkroom("registry", "history")
    assert (code, error) == (0, "")
    assert [row[3:] for row in read_cells(said)] == [
        ["- > 1", "FIRST", "better 1"],
        ["1 > 2", "PROMOTE", "better 2"],
        ["2 > 1", "ROLLBACK", "fails on [the] new scanner"],
        ["1 > 3", "FORCE", "we need it"],
    ]
    _, said, _ = darkroom("registry", "history", "--json")
    lines = [json.loads(text) for text in said.splitlines()]
    assert [(one["from"], one["to"]) for one in lines] == [(None, 1), (1, 2), (2, 1), (1, 3)]
    assert darkroom("registry", "history", "--name", model)[0] == 0


def test_what_was_moved_elsewhere_is_shown(darkroom: Darkroom, model: str, tracking_root: Path) -> None:
    registry.crown(connection.connect(tracking_root), model, 3)
    code, _, error = darkroom("registry", "verify")
    assert code == 1
    assert f"version 3 is champion of {model}, and the last line about it" in error
    darkroom("registry", "rollback", "--to", "1", "--reason", "by hand")
    cells = [row[3:] for row in read_cells(darkroom("registry", "history")[1])]
    assert cells[2:] == [
        ["2 > 3", "", "outside Darkroom, or by an older one"],
        ["3 > 1", "ROLLBACK", "by hand"],
    ]


def test_verify_says_that_all_is_well_or_names_the_line(
    darkroom: Darkroom, project: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/own.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "own")
    add_versions(connection.connect(tmp_path), tmp_path, "digits", tmp_path / "scratch")
    file = tmp_path / "own.ledger.jsonl"
    code, said, error = darkroom("registry", "verify")
    assert (code, error) == (0, "")
    assert said == f"{file}: 2 lines, whole; the champion is that of the last\n"
    file.write_text(file.read_text().replace("better 1", "better 9"))
    code, said, error = darkroom("registry", "verify")
    assert (code, said) == (1, "")
    assert error.startswith(f"error: {file}: line 1 was changed")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["promote", "3"], "error: the exam decides who becomes champion", id="no-force"),
        pytest.param(["promote", "3", "--force"], "error: a reason of 1 to 1,000", id="force-no-reason"),
        pytest.param(["promote", "9", "--force", "--reason", "x"], "has no version 9", id="version"),
        pytest.param(["rollback"], "error: a reason of 1 to 1,000 characters is needed", id="no-reason"),
        pytest.param(["rollback", "--to", "9", "--reason", "x"], "has no version 9", id="to"),
        pytest.param(["compare", "1", "9"], "has no version 9", id="compare"),
        pytest.param(["compare", "2", "2"], "version 2 is compared with itself", id="itself"),
        pytest.param(["rollback", "--reason", "x", "--name", "none"], "no version of 'none'", id="name"),
    ],
)
def test_what_is_refused_in_one_line(words: list[str], said: str, darkroom: Darkroom, model: str) -> None:
    code, _, error = darkroom("registry", *words)
    assert code == 1
    assert said in error
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["promote", "N", "--force", "--reason", "x"],
        ["rollback", "--to", "N", "--reason", "x"],
        ["compare", "N", "1"],
        ["compare", "1", "N"],
    ],
)
def test_a_number_that_no_registry_can_hold_is_a_usage_error(words: list[str], darkroom: Darkroom) -> None:
    code, _, error = darkroom("registry", *(str(2**63) if word == "N" else word for word in words))
    assert code == 2
    assert "2147483647" in error


@pytest.mark.parametrize(
    "words",
    [["history"], ["verify"], ["rollback", "--reason", "x"], ["compare", "1", "2"]],
    ids=lambda words: words[0],
)
def test_without_a_registry_or_a_server_it_says_so(
    words: list[str], darkroom: Darkroom, project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, error = darkroom("registry", *words)
    assert code == 1
    assert error.startswith("error: there is no registry yet: ")
    assert not (project.root / "mlflow").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    code, _, error = darkroom("registry", *words)
    assert code == 1
    assert error.startswith("error: MLflow at http://127.0.0.1:9 cannot be used")
    assert len(error.splitlines()) == 1


@pytest.fixture
def ledger(project: Paths) -> FileLedger:
    """The ledger of a project with a database, and one line in it."""
    (project.root / "mlflow").mkdir()
    (project.root / "mlflow" / "mlflow.db").touch()
    ledger = FileLedger(project.root / "mlflow" / "ledger.jsonl")
    ledger.append(Move("digits", None, 1, "FIRST", "good enough"))
    return ledger


@pytest.mark.parametrize(
    ("start", "end", "n", "shown"),
    [
        pytest.param(b"\xef\xbb\xbf", b"", "1 line", False, id="bom"),
        pytest.param(b"", b'{"n": 2, ', "1 line", True, id="half-a-line"),
        pytest.param(b"\x00\xff\n" * 3000, b"", "3,000 lines", True, id="noise"),
    ],
)
def test_the_history_says_how_many_lines_it_could_not_read(
    start: bytes, end: bytes, n: str, shown: bool, ledger: FileLedger, darkroom: Darkroom
) -> None:
    ledger.path.write_bytes(start + ledger.path.read_bytes() + end)
    code, said, error = darkroom("registry", "history")
    assert (code, "good enough" in said, "no move" in said) == (1, shown, False)
    assert error == f"error: {ledger.path}: {n} cannot be read; `darkroom registry verify` says more\n"


def test_a_ledger_that_was_emptied_is_not_taken_for_a_new_one(ledger: FileLedger, darkroom: Darkroom) -> None:
    ledger.path.write_bytes(b"")
    said = f"{ledger.path} holds no move of digits; `darkroom registry verify` says if any is missing\n"
    assert darkroom("registry", "history") == (0, said, "")


def test_an_emptied_database_and_a_flood_of_faults_are_one_line(
    ledger: FileLedger, darkroom: Darkroom
) -> None:
    code, said, error = darkroom("registry", "verify")
    assert (code, said) == (1, "")
    assert "the registry holds no version of the models in it: its database was emptied" in error
    text = ledger.path.read_text()
    ledger.path.write_text(text + text.replace('"n": 1', '"n": 30000000') + "".join([text, text] * 30))
    code, said, error = darkroom("registry", "verify")
    assert (code, said, error.count("\n")) == (1, "", 1)
    assert "lines 2 to 29999999 are missing" in error


def test_nothing_of_a_line_reaches_the_terminal_as_it_is(ledger: FileLedger, darkroom: Darkroom) -> None:
    text = ledger.path.read_text()
    for key in ("decision", "who", "when", "reason"):
        ledger.path.write_text(json.dumps(json.loads(text) | {key: "\x1b[31m\u202e"}, ensure_ascii=False))
        code, said, error = darkroom("registry", "history")
        assert (code, error) == (0, "")
        assert "\\x1b[31m" in said.replace("\n", "")
        assert "\u202e" not in said
        code, said, _ = darkroom("registry", "history", "--json")
        assert said.isascii()
        assert json.loads(said)[key] == "\x1b[31m\u202e"
    ledger.path.write_text(text.replace('"FIRST"', '"\\ud800"'))
    for words in (["history"], ["history", "--json"]):
        code, said, error = darkroom("registry", *words)
        assert (code, error.count("\n")) == (1, 1)
        assert "1 line cannot be read" in error


def test_the_history_of_a_local_database_needs_no_mlflow(
    darkroom: Darkroom, project: Paths, repo: Path
) -> None:
    """Its import takes seconds."""
    (project.root / "mlflow").mkdir()
    (project.root / "mlflow" / "mlflow.db").touch()
    FileLedger(project.root / "mlflow" / "ledger.jsonl").append(
        Move("digits", None, 1, "FIRST", "good enough")
    )
    command = [sys.executable, "-X", "importtime", "-m", "pipeline.cli.app", "registry", "history"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        command,
        cwd=project.root,
        env=env | {"PYTHONPATH": str(repo)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "good enough" in done.stdout
    assert not re.search(r"\| +mlflow\b", done.stderr)


def test_two_versions_side_by_side(darkroom: Darkroom, model: str, tracking_root: Path) -> None:
    code, said, error = darkroom("registry", "compare", "1", "3")
    assert (code, error) == (0, "")
    cells = read_cells(said)
    assert cells[1] == ["accuracy", "0.75 (0.5 to 0.95)", "0.85 (0.5 to 0.95)", "+0.1"]
    assert "on 100 test images that both answered, accuracy of 'right 85' differs" in said
    last = said.splitlines()[-1]
    assert last.startswith("with version 1 as champion, the exam says PROMOTE of version 3: accuracy 0.8500")
    client = connection.connect(tracking_root)
    version = registry.find_version(client, model, 1)
    assert version is not None
    client.delete_run(version.run_id)
    code, said, _ = darkroom("registry", "compare", "1", "3")
    assert code == 0
    assert said.startswith("the row of one of them is gone from MLflow, so their scores are not shown\n")
    assert "the exam says PROMOTE of version 3" in said
