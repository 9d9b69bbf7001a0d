"""`darkroom labels queue`: what it writes and says, and what it refuses in one line."""

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.images.picture import encode_png
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.sources import open_collection

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


def draw(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9), np.uint8)
    return encode_png(np.kron(coarse, np.ones((12, 12), np.uint8)))


@pytest.fixture
def scans(project: Paths) -> Path:
    folder = project.root / "scans"
    (folder / "batch1").mkdir(parents=True)
    for seed in range(6):
        (folder / "batch1" / f"{seed}.png").write_bytes(draw(seed))
    (folder / "bad.png").write_bytes(b"no")
    return folder


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_from_scans_to_labelled_pictures(
    darkroom: Darkroom, project: Paths, scans: Path, classifier_folder: Path, params_of: Callable[..., Params]
) -> None:
    words = ("labels", "queue", "scans", "-n", 4, "--model", classifier_folder)
    code, said, error = darkroom(*words)
    assert code == 0
    table, sheet = "data/labels/queue.csv", "data/labels/queue.png"
    lines = said.splitlines()
    assert lines[0] == f"model: {classifier_folder}"
    assert lines[1] == (
        "7 files: 4 to label, 2 for another time, 1 could not be read (the reasons are above); the table is "
        f"{project.root}/{table}, the sheet {project.root}/{sheet}"
    )
    assert lines[2] == (
        "Now fill in the column label (light, dark, odd; leave empty what you do not know) and run "
        "`dvc repro`"
    )
    assert error.startswith("scans/bad.png: not_an_image: ")
    rows = read_rows(project.root / table)
    assert [row["rank"] for row in rows] == list("1234")
    assert {(row["label"], row["answer"] in ("light", "dark", "odd")) for row in rows} == {("", True)}
    assert all(row["path"] == f"queue/{row['scan'].removeprefix('scans/')}" for row in rows)
    with Image.open(project.root / sheet) as drawn:
        assert drawn.size[0] >= 700
    text = (project.root / table).read_text()
    (project.root / table).write_text(text.replace(f"{rows[1]['path']},", f"{rows[1]['path']},line"))
    section = params_of().data
    source = open_collection(project.root, section)
    assert (len(source), source.n_waiting) == (31, 3)

    code, _, error = darkroom(*words, "--csv", table)
    assert (code, error.count("\n")) == (1, 1)
    assert "queue.csv holds decisions of people, which would be lost; name another file" in error
    code, said, _ = darkroom(*words)
    assert code == 0
    assert "7 files: 2 to label, 4 are known already, 1 could not be read" in said
    asked = {row["scan"] for row in rows} | {
        row["scan"] for row in read_rows(project.root / "data/labels/queue-2.csv")
    }
    assert len(asked) == 6


def test_an_archive_and_a_table_elsewhere(
    darkroom: Darkroom, project: Paths, classifier_folder: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.writestr("a.png", draw(1))
        archive.writestr("b.png", (project.raw / "line/1.png").read_bytes())
    words = (
        "--csv",
        tmp_path / "out/mine.csv",
        "--sheet",
        tmp_path / "seen.png",
        "--model",
        classifier_folder,
    )
    code, said, _ = darkroom("labels", "queue", tmp_path / "scans.zip", *words)
    assert code == 0
    assert (
        f"Now set data.labelled to {tmp_path}/out/mine.csv in params.yaml, fill in the column label" in said
    )
    assert {file.name for file in (tmp_path / "out/mine").iterdir()} == {"a.png", "b.png"}
    assert (tmp_path / "seen.png").exists()


def test_nothing_new_writes_nothing(
    darkroom: Darkroom, project: Paths, scans: Path, classifier_folder: Path
) -> None:
    for name in ("a.csv", "b.csv"):
        code, said, _ = darkroom(
            "labels", "queue", "scans", "--csv", f"data/labels/{name}", "--model", classifier_folder
        )
        assert code == 0
    assert said.splitlines()[-1] == (
        "7 files: none to label, 6 are known already, 1 could not be read (the reasons are above)"
    )
    assert not (project.root / "data/labels/b.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["nowhere"], "nowhere does not exist; name images", id="no such scans"),
        pytest.param(["scans", "--csv", "data/overrides.csv"], "holds decisions of people", id="decisions"),
        pytest.param(["scans", "--sheet", "data/overrides.csv"], "holds decisions of people", id="a sheet"),
        pytest.param(
            ["scans", "--sheet", "a.csv", "--csv", "a.csv"], "both the table and the sheet", id="one"
        ),
        pytest.param(["scans", "--csv", "params.yaml"], "the table is a CSV file", id="another file"),
        pytest.param(["scans", "--sheet", "scans/bad.png"], "is there already", id="a scan as the sheet"),
        pytest.param(["scans", "--csv", "dvc.yaml/q.csv"], "cannot be written", id="no folder"),
        pytest.param(["scans", "--model", "data", "--last"], "name two models; give one", id="two models"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], message: str, darkroom: Darkroom, scans: Path, classifier_folder: Path
) -> None:
    model: list[Any] = [] if "--model" in words else ["--model", classifier_folder]
    code, _, error = darkroom("labels", "queue", *words, *model)
    assert code == 1
    assert message in error
    assert [line for line in error.splitlines() if line.startswith("error: ")] == error.splitlines()[-1:]
