"""`darkroom predict`: every file listed, in a table or a CSV, and what is missing said in one line."""

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import DarkroomError
from pipeline.paths import Paths
from pipeline.serving import decoding
from pipeline.serving.classifier import Classifier
from pipeline.serving.training_facts import FACTS_FILE, TrainingFacts, summarise_facts, write_facts
from tests.slow_pictures import stall

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


def test_predict_lists_every_file(darkroom: Darkroom, tmp_path: Path, classifier_folder: Path) -> None:
    for name, data in {
        "black.png": encode_grey_png([bytes(8)] * 8),
        "not [an] image.png": b"no",
        "white.png": encode_grey_png([b"\xff" * 8] * 8),
    }.items():
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    code, said, _ = darkroom("predict", tmp_path / "in", "--model", classifier_folder, "--top", 2)
    assert code == 0
    rows = ["".join(line.split()).strip("│|") for line in said.splitlines()]
    assert [cell for row in rows if "0." in row for cell in row.split("│")[-2:]] == [
        "dark",
        "0.9997",
        "light",
        "0.0003",
        "light",
        "0.9997",
        "dark",
        "0.0003",
    ]
    assert "not_an_image" in said
    assert said.startswith(f"model: {classifier_folder}\n")
    assert said.endswith("\n3 files: 1 as dark, 1 as light, 1 could not be read (the reasons are above)\n")


def test_the_column_of_reasons_is_there_where_a_file_has_one(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no")
    for files, has_reasons in ((["data/raw/line"], False), (["data/raw/line", tmp_path / "bad.png"], True)):
        code, said, _ = darkroom("predict", *files, "--model", classifier_folder)
        assert code == 0
        assert ("reason " in said) == has_reasons


def test_a_long_name_is_kept_whole(darkroom: Darkroom, tmp_path: Path, classifier_folder: Path) -> None:
    name = "".join(f"{number:03d}-" for number in range(50)) + ".png"
    (tmp_path / name).write_bytes(encode_grey_png([bytes(8)] * 8))
    _, said, _ = darkroom("predict", tmp_path / name, "--model", classifier_folder)
    cells = [line.split("│")[1].strip() for line in said.splitlines() if line.startswith("│")]
    assert "".join(cells) == str(tmp_path / name)


def test_a_line_of_json_a_file(darkroom: Darkroom, tmp_path: Path, classifier_folder: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no")
    files = ["data/raw/circle/0.png", tmp_path / "bad.png"]
    code, said, error = darkroom("predict", *files, "--json", "--top", 3, "--model", classifier_folder)
    assert code == 0
    good, bad = map(json.loads, said.splitlines())
    assert (good["file"], good["class"], good["reason"]) == ("data/raw/circle/0.png", "dark", None)
    assert [one["class"] for one in good["top"]] == ["dark", "light", "odd"]
    assert (bad["class"], bad["probability"], bad["top"]) == (None, None, [])
    assert bad["reason"].startswith("not_an_image: ")
    assert f"model: {classifier_folder}\n" in error


def test_a_file_that_stalls_its_decoder_costs_itself(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_SECONDS", 0.8)
    (tmp_path / "slow.png").write_bytes(stall())
    files = ["data/raw/circle/0.png", tmp_path / "slow.png"]
    code, said, _ = darkroom("predict", *files, "--model", classifier_folder)
    assert code == 0
    assert "longer than 0.8 s" in " ".join(said.replace("│", "").split())
    assert said.endswith("2 files: 1 as dark, 1 could not be read (the reasons are above)\n")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_predict_writes_a_file_and_never_over_one(
    suffix: str, darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    out = project.root / f"answers{suffix}"
    command = ("predict", "data/raw/circle", "--out", out.name, "--model", classifier_folder)
    code, said, _ = darkroom(*command)
    assert (code, said) == (0, f"model: {classifier_folder}\n10 files in {out.name}: 10 as dark\n")
    if suffix == ".parquet":
        files = pq.read_table(out)["file"].to_pylist()
    else:
        lines = out.read_text().splitlines()[suffix == ".csv" :]
        files = [line.split(",")[0] if suffix == ".csv" else json.loads(line)["file"] for line in lines]
    assert files == [f"data/raw/circle/{number}.png" for number in range(10)]
    assert not list(project.root.glob("*.part"))
    whole = out.read_bytes()
    code, said, error = darkroom(*command)
    assert (code, said) == (1, "")
    assert error.startswith(f"error: {out.name} exists already, and is not written over; name another file")
    assert out.read_bytes() == whole


def test_a_csv_has_the_classes_that_were_asked_for(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    darkroom("predict", "data/raw/circle", "--out", "a.csv", "--top", 2, "--model", classifier_folder)
    lines = (project.root / "a.csv").read_text().splitlines()
    assert lines[0] == "file,reason,answer,class,probability,class_2,probability_2"
    assert lines[1].startswith("data/raw/circle/0.png,,dark,dark,0.99")
    assert len(lines) == 11


def test_more_files_than_a_table_holds_are_counted(
    darkroom: Darkroom, project: Paths, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cli.predict._MOST_ROWS", 9)
    (project.root / "data/raw/circle/bad.png").write_bytes(b"no")
    code, said, error = darkroom("predict", "data/raw/circle", "--model", classifier_folder)
    assert code == 0
    assert said.splitlines()[1:] == [
        "11 files: 10 as dark, 1 could not be read (the reasons are above)",
        "More than 9 files: --out answers.csv lists each of them.",
    ]
    assert error.startswith("data/raw/circle/bad.png: not_an_image: ")


def test_a_list_of_paths_comes_from_standard_input(
    darkroom: Darkroom, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["data/raw/square/3.png", "gone.png", "data/raw/circle/1.png"]
    for joined in ("\n".join(names), "\0".join(names) + "\0"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(joined.encode())))
        code, said, _ = darkroom("predict", "-", "--json", "--model", classifier_folder)
        assert code == 0
        rows = [json.loads(line) for line in said.splitlines()]
        assert sorted(row["file"] for row in rows) == sorted(names)
        assert {row["file"]: row["answer"] for row in rows}["gone.png"] is None


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_files_are_sorted_into_the_folders_of_their_answers(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    """Repeated, nothing changes; what is left to a person has a folder, what is no picture has none."""
    folder = Path(shutil.copytree(classifier_folder, project.root / "classifier"))
    rule = {"temperature": 1, "min_probability": 0.9, "chosen_on": "val"}
    (folder / "answers.json").write_text(json.dumps(rule))
    for name, shade in {"1/a.png": 0, "2/a.png": 255, "3/a.png": 1, "3/doubt.png": 128}.items():
        (project.root / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / "in" / name).write_bytes(encode_grey_png([bytes([shade]) * 8] * 8))
    (project.root / "in/bad.png").write_bytes(b"no")
    command = ("predict", "in", "--model", folder, "--sort-into", "out")
    for _ in range(2):
        code, said, _ = darkroom(*command)
        assert code == 0
        assert "\n1 of 4 in review: its probability is below 0.9\n" in said
        assert "\nEach file is in the folder of its answer, below out.\n" in said
        assert list_files(project.root / "out") == [
            "dark/a-2.png",
            "dark/a.png",
            "light/a.png",
            "review/doubt.png",
        ]
    assert not list(project.root.glob("*.part"))
    said = darkroom("predict", "in", "--model", folder, "--review-into", "look", "--out", "a.csv")[1]
    assert "\nWhat is left to a person is in look.\n" in said
    assert list_files(project.root / "look") == ["doubt.png"]
    rows = list(csv.DictReader((project.root / "a.csv").read_text().splitlines()))
    assert [row["placed"] for row in rows if row["placed"]] == ["look/doubt.png"]
    darkroom(*command[:4], "--sort-into", "both", "--review-into", "look2", "--link", "sym")
    assert list_files(project.root / "both") == ["dark/a-2.png", "dark/a.png", "light/a.png"]
    assert (project.root / "both/light/a.png").is_symlink()
    assert list_files(project.root / "look2") == ["doubt.png"]


def test_what_lies_in_an_archive_is_copied(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    with zipfile.ZipFile(project.root / "in.zip", "w") as archive:
        for name, shade in (("x/a.png", 0), ("y/a.png", 0), ("z.png", 255)):
            archive.writestr(name, encode_grey_png([bytes([shade]) * 8] * 8))
    command = ("predict", "in.zip", "--model", classifier_folder, "--sort-into", "out")
    for _ in range(2):
        assert darkroom(*command)[0] == 0
        assert list_files(project.root / "out") == ["dark/a-2.png", "dark/a.png", "light/z.png"]
    code, _, error = darkroom(*command, "--link", "hard")
    assert code == 1
    assert "what lies in an archive can only be copied; use --link copy" in error


def test_a_run_continues_behind_its_journal(
    darkroom: Darkroom, project: Paths, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network fails in its second batch; repeated, the command asks it for the rest alone."""
    for number in range(60):
        (project.root / f"data/raw/circle/m{number}.png").write_bytes(
            encode_grey_png([bytes([number * 4]) * 8] * 8)
        )
    command = ("predict", "data/raw/circle", "--model", classifier_folder, "--out")
    darkroom(*command, "whole.csv")
    asked: list[int] = []
    answer = Classifier.predict_pictures

    def fail(self: Classifier, pictures: Any) -> Any:
        asked.append(len(pictures))
        if len(asked) == 2:
            raise DarkroomError("the machine went down")
        return answer(self, pictures)

    monkeypatch.setattr(Classifier, "predict_pictures", fail)
    code, _, error = darkroom(*command, "cut.csv")
    assert (code, error) == (1, "error: the machine went down\n")
    assert not (project.root / "cut.csv").exists()
    code, said, _ = darkroom(*command, "cut.csv")
    assert code == 0
    assert "32 files were answered before: it continues behind them\n" in said
    assert asked == [32, 32, 32, 6]
    assert (project.root / "cut.csv").read_bytes() == (project.root / "whole.csv").read_bytes()
    assert said.splitlines()[-1] == darkroom(*command, "again.csv")[1].splitlines()[-1].replace(
        "again", "cut"
    )
    code, said, _ = darkroom(*command[:2], "--model", "data/classifier")
    assert code == 1


def test_another_model_begins_anew(darkroom: Darkroom, project: Paths, classifier_folder: Path) -> None:
    other = Path(shutil.copytree(classifier_folder, project.root / "other"))
    settings = (other / "classifier.json").read_text()
    (other / "classifier.json").write_text(settings.replace('"dark"', '"gloomy"'))
    origin = json.dumps({"darkroom predict": 1, "model": "m", "options": "o", "files": "f"})
    (project.root / "a.csv.part").write_text(f'{origin}\n{{"file": "x"}}\n{{"closed": 1, "state": null}}\n')
    code, said, _ = darkroom("predict", "data/raw/circle", "--out", "a.csv", "--model", other)
    assert code == 0
    assert "a.csv.part is of another model, other options, other files: everything is answered anew" in said
    assert said.endswith("10 files in a.csv: 10 as gloomy\n")


def test_drift_is_told_where_the_model_knows_its_training(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    for number in range(30):
        shade = bytes([100 + number % 3]) * 8
        (project.root / f"data/raw/circle/m{number}.png").write_bytes(encode_grey_png([shade] * 8))
    command = ("predict", "data/raw/circle", "--model")
    assert "is not known: the model holds no facts of its own" in darkroom(*command, classifier_folder)[1]
    folder = Path(shutil.copytree(classifier_folder, project.root / "classifier"))
    columns: dict[str, list[Any]] = {
        "brightness": [0.9 + i / 1000 for i in range(100)],
        "format": ["PNG"] * 100,
    }
    write_facts(TrainingFacts(summarise_facts(columns), 100, review=0.0, n_test=50), folder / FACTS_FILE)
    code, said, _ = darkroom(*command, folder)
    assert code == 0
    assert "Left to a person: 0% of the files, 0% of the test pictures." in said
    assert "unlike the training pictures in 1 of 2 facts, most in brightness (PSI " in said
    assert "100% of the files have brightness below 0.9, none of these training pictures. " in said
    assert said.rstrip().endswith("makes them more like the training pictures.")
    assert "--content 0.7" not in darkroom(*command, folder, "--invert", "yes")[1]


def test_photographs_are_made_alike(darkroom: Darkroom, project: Paths, classifier_folder: Path) -> None:
    """A dark square on light paper is light for this model; made alike, it is mostly dark."""
    (project.root / "photo.png").write_bytes(
        encode_grey_png(
            [
                bytes([250] * 20 + [10] * 8 + [250] * 20) if 20 <= y < 28 else bytes([250] * 48)
                for y in range(48)
            ]
        )
    )
    command = ("predict", "photo.png", "--json", "--model", classifier_folder)
    for more, answer in (
        ([], "light"),
        (["--invert", "yes"], "dark"),
        (["--fit", "pad", "--content", "0.3", "--invert", "auto"], "dark"),
        (["--fit", "pad", "--content", "1", "--invert", "auto"], "light"),
    ):
        code, said, _ = darkroom(*command, *more)
        assert (code, json.loads(said)["answer"]) == (0, answer), more


def test_predict_fails_when_nothing_could_be_read(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    code, said, error = darkroom("predict", tmp_path / "a.png", "--model", classifier_folder)
    assert code == 1
    assert "not_an_image" in said
    assert error.endswith("error: no file of 1 could be read as an image\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["nowhere.png"], "nowhere.png does not exist; name images", id="no-such-file"),
        pytest.param(["data/raw"], "there is no champion of 'digits'", id="no-champion"),
        pytest.param(
            ["data/raw", "--last"], "data/train/classifier does not exist; `dvc repro`", id="no-run"
        ),
        pytest.param(
            ["data/raw", "--model", "darkroom/7"], "holds no darkroom/7; `darkroom ui`", id="no-version"
        ),
        pytest.param(["data/raw", "--model", "nothing"], "'nothing' names no model; allowed: ", id="a-typo"),
        pytest.param(["data/raw", "--model", "data", "--last"], "name two models; give one", id="two-models"),
        pytest.param(
            ["data/raw", "--out", "data/overrides.csv"], "holds decisions of people", id="decisions"
        ),
        pytest.param(["data/raw", "--out", "a.csv", "--json"], "two forms of the answer", id="two-forms"),
        pytest.param(["data/raw", "--out", "a.xls"], "allowed are .csv, .parquet, .jsonl", id="a-kind"),
        pytest.param(["data/raw", "--link", "hard"], "it goes with --sort-into", id="link-alone"),
        pytest.param(["data/raw", "--link", "x"], "--link must be copy, hard or sym, got x", id="a-link"),
        pytest.param(
            ["data/raw", "--fit", "crop", "--content", "0.7"], "it goes with --fit pad, got crop", id="a-fit"
        ),
        pytest.param(
            ["data/raw", "--sort-into", "data/raw/new"], "lies in data/raw, which is read", id="into-itself"
        ),
        pytest.param(["data/raw", "--model", "data"], "data is not a classifier", id="another-folder"),
    ],
)
def test_predict_says_what_is_missing(words: list[str], message: str, darkroom: Darkroom) -> None:
    code, said, error = darkroom("predict", *words)
    assert (code, said) == (1, "")
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_names_that_a_terminal_would_obey_are_spelt_out(
    darkroom: Darkroom, tmp_path: Path, classifier_folder: Path
) -> None:
    """A classifier, and a folder, from elsewhere."""
    folder = Path(shutil.copytree(classifier_folder, tmp_path / "classifier"))
    settings = (folder / "classifier.json").read_text().replace("dark", "da\\u001b[2Jrk\\u202e")
    (folder / "classifier.json").write_text(settings)
    (tmp_path / "a\u202eb.png").write_bytes(encode_grey_png([bytes(8)] * 8))
    code, said, _ = darkroom("predict", tmp_path / "a\u202eb.png", "--model", folder)
    assert code == 0
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "da\\x1b[2Jrk\\xe2\\x80\\xae" in "".join(said.split())
    code, _, error = darkroom("predict", tmp_path / "no\u202e.png", "--model", folder)
    assert code == 1
    assert "no\\xe2\\x80\\xae.png does not exist" in error


def test_answers_that_cannot_be_written_are_one_line(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    code, said, error = darkroom(
        "predict", "data/raw/circle", "--model", classifier_folder, "--out", "params.yaml/a.csv"
    )
    assert (code, said) == (1, "")
    assert error.startswith("error: params.yaml cannot be written: ")
    assert error.endswith("; a file lies where a folder should be; move it away\n")
