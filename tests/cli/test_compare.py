"""`darkroom compare`: what is said of all rows and of two, what is written, what is refused in one line."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.paths import Paths
from pipeline.tracking import connection
from pipeline.tracking.runs import create_run
from tests.search.rows import write_answers

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr
# Name, right answers of 100, epochs, tags; the oldest first.
ROWS = (
    ("first", 90, 20, {"verdict": "PROMOTE", "champion": "champion"}),
    ("epochs 4", 88, 4, {"verdict": "HOLD"}),
    ("epochs 2", 70, 2, {"verdict": "HOLD"}),
)


def use_experiment(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.resolve_uri(root))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)


@pytest.fixture
def ids(
    tracking_root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Three rows with their answers; the same ones for all tests of the file. The oldest first."""
    use_experiment(tracking_root, "of-compare", monkeypatch)
    client = connection.connect(tracking_root)
    if client.get_experiment_by_name("of-compare") is None:
        for name, n_right, epochs, tags in ROWS:
            row = create_run(client, tracking_root, name, row=True, tags=tags)
            row.log_params({"train.epochs": epochs, "train.model": "compact"})
            row.log_metrics({"accuracy": n_right / 100, "accuracy_low": 0.5, "accuracy_high": 0.95})
            row.log_metrics({"train_accuracy": 0.92, "val_accuracy": n_right / 100, "n_parameters": 12345})
            row.log_metrics({"new_sources_accuracy": n_right / 100 - 0.25})
            for file in write_answers(tmp_path_factory.mktemp("answers"), n_right):
                row.log_artifact(file, file.parent.name)
            row.finish("FINISHED")
    experiment = client.get_experiment_by_name("of-compare")
    assert experiment is not None
    rows = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return [row.info.run_id for row in rows]


def read_cells(said: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]


def test_all_rows_by_default_the_best_first(
    darkroom: Darkroom, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    code, said, error = darkroom("compare")
    assert (code, error) == (0, "")
    rows = read_cells(said)
    assert [row[0] for row in rows] == ["first", "epochs 4", "epochs 2"]
    assert rows[0][1:5] == ["90.0% (50.0 to 95.0)", "the best", "healthy (2)", "champion"]
    assert re.fullmatch(r"-2\.0 \(-.* to .*\), p 0\.5", rows[1][2])
    assert rows[2][2].endswith("p < 0.001")
    assert rows[2][3:5] == ["overfits (22)", "HOLD"]
    assert rows[2][5:] == ["45.0%", "12,345", "2"], "new sources, what a training costs, and what differs"
    assert "by Holm for 2 comparisons" in said


def test_only_so_many_are_shown_and_it_says_how_many_more(darkroom: Darkroom, ids: list[str]) -> None:
    code, said, _ = darkroom("compare", "--limit", "1", "--sort", "n_parameters")
    assert code == 0
    assert len(read_cells(said)) == 1
    assert "2 more rows: --limit 3, or --csv FILE for all" in said


def test_what_has_no_room_is_named(
    darkroom: Darkroom, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "76")
    _, said, _ = darkroom("compare")
    (line,) = [line for line in said.splitlines() if line.startswith("no room for ")]
    assert line.endswith("epochs: a wider terminal, --csv FILE or --html FILE")
    assert max(len(line) for line in said.splitlines() if line[0] in "┏┃┡│└") <= 76


def test_two_rows_are_side_by_side(darkroom: Darkroom, ids: list[str]) -> None:
    code, said, error = darkroom("compare", "champion", "last")
    assert (code, error) == (0, "")
    assert read_cells(said) == [
        ["verdict", "PROMOTE (champion)", "HOLD", ""],
        ["accuracy", "0.9 (0.5 to 0.95)", "0.7 (0.5 to 0.95)", "-0.2"],
        ["new_sources_accuracy", "0.65", "0.45", "-0.2"],
        ["n_parameters", "12,345", "12,345", "+0"],
        ["fit (gap)", "healthy (2)", "overfits (22)", ""],
        ["train.epochs", "20", "2", ""],
    ]
    assert len(said.splitlines()) <= 15
    assert (
        "on 100 test images that both answered, accuracy of 'epochs 2' differs from that of 'first' by -20.0"
        in said
    )
    *_, luck, fits = said.splitlines()
    assert luck.endswith("McNemar's exact test: p < 0.001): this is more than luck")
    assert fits.startswith(
        "fit: 'first' is healthy, training 2.0 points above validation; 'epochs 2' overfits"
    )


def test_rows_by_name_and_by_id(darkroom: Darkroom, ids: list[str]) -> None:
    by_name, by_id = darkroom("compare", "epochs 2", "first"), darkroom("compare", ids[2][:8], ids[0][:8])
    assert by_name == by_id
    assert "+0.2" in by_name[1]
    assert darkroom("compare", "first") == darkroom("compare", "first", "last")
    _, said, _ = darkroom("compare", "first", "champion")
    same = "first and champion are the same result, 'first'; name another (`darkroom compare` lists them), "
    assert said == f"{same}or try one: `dvc exp run -S ...`\n"


def test_files_are_written_and_named(darkroom: Darkroom, ids: list[str], tmp_path: Path) -> None:
    files = [tmp_path / "new" / name for name in ("a.csv", "a.png", "a.html")]
    words = [word for file in files for word in (f"--{file.suffix[1:]}", file)]
    code, said, error = darkroom("compare", "--limit", "2", *words)
    assert code == 0, error
    assert all(f"written: {file}" in said for file in files)
    with files[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run_id"] for row in rows] == ids, "all rows, though two are shown"
    assert rows[2]["p"] != ""
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert "<title>Comparison: digits</title>" in files[2].read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ["third"], "there is no row 'third'; the newest are 'epochs 2', 'epochs 4', 'first'", id="row"
        ),
        pytest.param(
            ["--sort", "acuracy"], "no row has the metric 'acuracy' (did you mean accuracy", id="metric"
        ),
        pytest.param(["--csv", "params.yaml/a.csv"], "params.yaml/a.csv cannot be written", id="csv"),
        pytest.param(["--png", "params.yaml/a.png"], "params.yaml/a.png cannot be written", id="png"),
        pytest.param(["--html", "params.yaml/a.html"], "params.yaml/a.html cannot be written", id="html"),
        pytest.param(["--csv", "params.yaml"], "--csv takes the name of a file that ends in .csv", id="kind"),
        pytest.param(["--csv", "data/overrides.csv"], "--csv takes the name of a file", id="own file"),
        pytest.param(
            ["--csv", "data/confirmed_labels.csv"], "--csv takes the name of", id="another own file"
        ),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], said: str, darkroom: Darkroom, ids: list[str]) -> None:
    code, _, error = darkroom("compare", *words)
    assert code == 1
    assert error.startswith(f"error: {said}")
    assert error.count("\n") == 1


def test_before_the_first_result_and_with_one(
    darkroom: Darkroom, project: Paths, tracking_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_experiment(tracking_root, "of-nobody", monkeypatch)
    assert darkroom("compare") == (1, "", "error: there is no result yet; run `dvc repro`\n")
    row = create_run(connection.connect(tracking_root), tracking_root, "only", row=True, tags={})
    row.log_metrics({"accuracy": 0.5})
    row.finish("FINISHED")
    code, said, error = darkroom("compare")
    assert (code, error) == (0, "")
    assert read_cells(said) == [["only", "50.0%", "the best", "none"]]
    assert "the same result" in darkroom("compare", "last")[1]
    row = create_run(connection.connect(tracking_root), tracking_root, "better", row=True, tags={})
    row.log_metrics({"accuracy": 0.6})
    row.finish("FINISHED")
    row = create_run(connection.connect(tracking_root), tracking_root, "killed", row=True, tags={})
    row.finish("KILLED")
    code, said, _ = darkroom("compare")
    assert read_cells(said)[1] == ["accuracy", "0.6", "0.5", "-0.1"], (
        "two rows are side by side, the better first"
    )
    assert said.endswith("not tested: the best has no test answers in MLflow\n")
