"""`darkroom mistakes`: what the last model got wrong, and the command that corrects a label."""

import csv
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from pipeline.cli import quarantine
from pipeline.cli.mistakes import write_command
from pipeline.evidence.answers import build_answers
from pipeline.paths import Paths
from pipeline.tables.parquet import write_table

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr
KEYS = ("dog/a b.png", "=dog/2.png", "cat/3.png")


def write(paths: Paths, y_pred: list[int]) -> None:
    """Answers to two dogs and a cat; a wrong one is more probable the later it comes."""
    y_prob = np.array([[0.3, 0.7], [0.3, 0.7], [0.3, 0.7]], np.float32)
    for i, predicted in enumerate(y_pred):
        y_prob[i, predicted], y_prob[i, 1 - predicted] = 0.7 + i / 10, 0.3 - i / 10
    answers = build_answers(["a", "b", "c"], KEYS, np.array([1, 1, 0]), y_prob, ("cat", "dog"))
    write_table(answers, paths.predictions)


def test_the_most_confident_comes_first_with_the_command(darkroom: Darkroom, project: Paths) -> None:
    write(project, [0, 0, 0])
    code, said, error = darkroom("mistakes")
    assert (code, error) == (0, "")
    rows = [line for line in said.splitlines() if ".png" in line]
    assert rows[0].split("│")[1:5] == [" =dog/2.png  ", " dog   ", " cat       ", " 80.0%       "]
    assert "2 of 3 test pictures were answered wrongly\n" in said
    assert "correct it:  darkroom quarantine relabel KEY --to CLASS" in said
    assert "; the first is shown" in darkroom("mistakes", "-n", 1)[1]


def test_csv(darkroom: Darkroom, project: Paths, tmp_path: Path) -> None:
    write(project, [0, 0, 0])
    _, said, _ = darkroom("mistakes", "--csv", tmp_path / "m.csv")
    assert said == f"2 of 3 test pictures were answered wrongly; all are in {tmp_path / 'm.csv'}\n"
    with (tmp_path / "m.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == ["'=dog/2.png", "dog/a b.png"]
    assert rows[1]["relabel"] == "darkroom quarantine relabel 'dog/a b.png' --to cat"


@pytest.mark.parametrize(
    ("key", "label"), [("-r/2.png", "cat"), ("a b.png", "-cat"), ("--to", "--help"), ("it's.png", "a $b")]
)
def test_the_command_can_be_pasted(key: str, label: str) -> None:
    """A key or a class that begins with "-" was taken for an option."""
    words = shlex.split(write_command({"key": key, "predicted": label}))
    assert words[:3] == ["darkroom", "quarantine", "relabel"]
    group: Any = typer.main.get_command(quarantine.app)
    given = group.commands["relabel"].make_context("relabel", words[3:]).params
    assert (given["files"], given["to"]) == ([key], label)


def test_one(darkroom: Darkroom, project: Paths) -> None:
    write(project, [0, 1, 0])
    assert "1 of 3 test pictures was answered wrongly\n" in darkroom("mistakes")[1]


def test_none(darkroom: Darkroom, project: Paths) -> None:
    write(project, [1, 1, 0])
    assert darkroom("mistakes")[1] == "0 of 3 test pictures were answered wrongly\n"


@pytest.mark.parametrize("name", ["overrides", "confirmed_labels"])
def test_decisions_of_people_are_not_written_over(name: str, darkroom: Darkroom, project: Paths) -> None:
    write(project, [0, 1, 0])
    before = (project.root / "data" / f"{name}.csv").read_bytes()
    code, _, error = darkroom("mistakes", "--csv", f"data/{name}.csv")
    assert (code, error.count("\n")) == (1, 1)
    assert "holds decisions of people, which would be lost; name another file" in error
    assert (project.root / "data" / f"{name}.csv").read_bytes() == before


@pytest.mark.parametrize("words", [[], ["--csv", "m.csv"]])
def test_before_a_run(words: list[str], darkroom: Darkroom, project: Paths) -> None:
    code, _, error = darkroom("mistakes", *words)
    assert code == 1
    assert error.endswith("predictions.parquet does not exist; run `dvc repro` to make it\n")
