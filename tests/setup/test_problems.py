"""What would stop the chain: each misconfiguration is one sentence that helps."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.collection.demos import encode_grey_png
from pipeline.paths import Paths
from pipeline.setup.problems import find_problems

Change = Callable[[Paths], None]


def set_params(paths: Paths, sections: dict[str, dict[str, Any]]) -> None:
    """Change some values of params.yaml."""
    yaml = YAML()
    values = yaml.load(paths.params)
    for section, changed in sections.items():
        values[section].update(changed)
    yaml.dump(values, paths.params)


def params(**sections: dict[str, Any]) -> Change:
    return lambda paths: set_params(paths, sections)


def remove(*names: str) -> Change:
    def change(paths: Paths) -> None:
        for name in names:
            shutil.rmtree(paths.raw / name)

    return change


def keep(name: str, n: int) -> Change:
    def change(paths: Paths) -> None:
        for file in sorted((paths.raw / name).iterdir())[n:]:
            file.unlink()

    return change


def flatten(paths: Paths) -> None:
    for folder in list(paths.raw.iterdir()):
        for file in folder.iterdir():
            file.rename(paths.raw / f"{folder.name}-{file.name}")
        folder.rmdir()


def point_to(name: str, text: str = "%PDF-1.7") -> Change:
    def change(paths: Paths) -> None:
        (paths.root / name).write_text(text)
        set_params(paths, {"data": {"source": name}})

    return change


def make_folder_of(name: str) -> Change:
    def change(paths: Paths) -> None:
        path: Path = getattr(paths, name)
        path.unlink()
        path.mkdir()

    return change


def replace_text(old: str, new: str) -> Change:
    def change(paths: Paths) -> None:
        text = paths.params.read_text(encoding="utf-8")
        assert old in text
        paths.params.write_text(text.replace(old, new), encoding="utf-8")

    return change


@pytest.fixture
def good(project: Paths) -> Paths:
    """A project that can run: three classes of twenty pictures, and a name of their own."""
    for folder in project.raw.iterdir():
        for number in range(10, 20):
            (folder / f"{number}.png").write_bytes(encode_grey_png([bytes([number] * 8)] * 8))
    set_params(project, {"data": {"name": "shapes"}})
    return project


def test_a_project_that_can_run(good: Paths) -> None:
    found = find_problems(good)
    assert (found.problems, found.notes) == ([], [])
    assert found.describe() == "60 files in 3 classes, compact at 16x16; called 'shapes'"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            params(data={"source": "data/raww"}),
            ["data.source: 'data/raww' does not exist (did you mean raw?); write the folder"],
            id="wrong folder",
        ),
        *(
            pytest.param(
                params(data={"source": text}),
                [f"data.source: '{text}' does not exist; a place in an object store is s3://BUCKET/PREFIX"],
                id=text,
            )
            for text in ("s3:bucket", "S3//bucket/raw")
        ),
        *(
            pytest.param(
                params(train={"start_from": asked}),
                [f"train.start_from: the registry holds no shapes{address}; set it to none"],
                id=f"start from {asked}",
            )
            for asked, address in (("champion", "@champion"), (7, "/7"))
        ),
        pytest.param(
            params(data={"source": "~/scans"}),
            ["data.source: DVC does not know what ~ means, got '~/scans'; write '/"],
            id="a tilde",
        ),
        pytest.param(
            remove("line", "square"), ["needs at least two classes, got 1 ('circle')"], id="one class"
        ),
        pytest.param(
            keep("line", 0), ["class 'line' has 0 files, and validate.min_images_per_"], id="empty class"
        ),
        pytest.param(
            keep("line", 2), ["class 'line' has 2 files, and validate.min_images_per_"], id="two images"
        ),
        pytest.param(flatten, ["holds 60 files (", "move them into one folder per class"], id="flat folder"),
        pytest.param(
            point_to("scans.pdf"), ["scans.pdf is a file of an unknown kind; allowed: a folder"], id="a PDF"
        ),
        pytest.param(
            params(data={"classes": {"round": ["cirle"], "other": ["*"]}}),
            ["data.classes names 'cirle' (did you mean 'circle'?), which holds no picture"],
            id="class map with a wrong name",
        ),
        pytest.param(
            replace_text("\n  learning_rate: 0.003", "\n  learning_rat: 0.003\n  learning_rate: 0.003"),
            ["train.learning_rat is not a known key (did you mean learning_rate?)"],
            id="misspelt key",
        ),
        pytest.param(
            replace_text("epochs: 20", "epochs: twenty"),
            ["train.epochs: ", "got 'twenty'"],
            id="text for a number",
        ),
        pytest.param(
            params(clean={"image_hw": [1, 1]}),
            ["compact needs sides of at least", "got clean.image_hw 1x1"],
            id="[1, 1]",
        ),
        pytest.param(
            params(train={"model": "resnet50"}),
            ["(did you mean keras.applications.ResNet50?)"],
            id="unknown model",
        ),
        pytest.param(
            params(train={"model": "efficientnet_lite0", "weights": "no.h5"}, clean={"image_hw": 64}),
            ["train.weights: no.h5 does not exist; give a file, imagenet or none"],
            id="no weights",
        ),
        pytest.param(
            params(train={"head": "sigmoid"}), ["train.head: sigmoid is for two classes, got 3"], id="head"
        ),
        pytest.param(
            params(validate={"formats": ["JPG"]}), ["validate.formats: unknown JPG; allowed: "], id="formats"
        ),
        pytest.param(replace_text("data:", "data: ["), ["params.yaml is not valid YAML"], id="no YAML"),
        pytest.param(
            params(clean={"channels": True}), ["clean.channels: a number is allowed, got true"], id="true"
        ),
        pytest.param(
            lambda paths: paths.overrides.unlink(),
            ["overrides.csv does not exist, and clean depends on it; `git checkout"],
            id="no decisions",
        ),
        pytest.param(
            lambda paths: paths.overrides.write_bytes("id,key,ä".encode("latin-1")),
            ["overrides.csv is not a CSV file in UTF-8"],
            id="decisions in another encoding",
        ),
        pytest.param(
            lambda paths: paths.confirmed_labels.unlink(),
            ["confirmed_labels.csv does not exist, and evaluate depends on it; `git checkout"],
            id="no confirmed labels",
        ),
        pytest.param(
            lambda paths: paths.confirmed_labels.write_text("id,key,label,note\n,,x,\n"),
            ["confirmed_labels.csv line 2, key: an id or a key must name the picture"],
            id="a confirmed label of nothing",
        ),
        pytest.param(
            make_folder_of("overrides"),
            ["overrides.csv cannot be read: a folder lies where the file should be"],
            id="a folder",
        ),
        pytest.param(
            params(data={"labelled": "data/lables"}),
            ["data.labelled: 'data/lables' does not exist, and validate depends on it; make that folder"],
            id="no labels",
        ),
        pytest.param(
            lambda paths: (paths.label_queue.parent / "gone.png").symlink_to("nowhere"),
            ["data.labelled: gone.png: a link to nothing; remove or mend it"],
            id="labels behind a link to nothing",
        ),
        pytest.param(
            lambda paths: paths.label_queue.write_text("path,label\na.png,lime\n"),
            ["row 2 of queue.csv: 'lime' is no class of the source (did you mean line?)"],
            id="a label that is no class",
        ),
        pytest.param(
            lambda paths: paths.dvc_lock.write_text("{"),
            ["dvc.lock is not valid YAML", "restore it from git, or delete it"],
            id="dvc.lock",
        ),
    ],
)
def test_each_misconfiguration_is_one_sentence(change: Change, expected: list[str], good: Paths) -> None:
    change(good)
    (problem,) = find_problems(good).problems
    for words in expected:
        assert words in problem
    assert "\n" not in problem


def test_all_problems_are_told_at_once(good: Paths) -> None:
    set_params(
        good, {"train": {"model": "resnet50"}, "validate": {"formats": ["JPG"]}, "data": {"source": "x"}}
    )
    assert len(find_problems(good).problems) == 3


def test_one_number_is_a_size(good: Paths) -> None:
    set_params(good, {"clean": {"image_hw": 64}})
    assert "compact at 64x64" in find_problems(good).describe()


def test_what_dvc_would_meet_first_is_told(good: Paths) -> None:
    (good.raw / "line" / "gone.png").symlink_to("nowhere")
    (problem,) = find_problems(good).problems
    assert problem == "data.source: line/gone.png: a link to nothing; remove or mend it"


def test_the_demos_name_over_other_pictures_is_a_note(good: Paths) -> None:
    set_params(good, {"data": {"name": "digits"}})
    found = find_problems(good)
    assert found.problems == []
    assert found.notes[0].startswith("data.name is 'digits', as for the demo; give this collection a name")


def test_a_full_disk_and_a_folder_that_cannot_be_written(
    good: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 10**8))
    (problem,) = find_problems(good).problems
    assert "has 0.1 GB free, and the chain takes about 1.1 GB" in problem
    monkeypatch.undo()
    (good.root / "data").rename(good.root / "elsewhere")
    (good.root / "data").symlink_to("/proc/1")
    set_params(good, {"data": {"source": "elsewhere/raw"}})
    assert any(f"{good.root / 'data'} cannot be written (" in one for one in find_problems(good).problems)


def test_a_server_that_does_not_answer(good: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    (problem,) = find_problems(good).problems
    assert problem.startswith("MLFLOW_TRACKING_URI: http://127.0.0.1:9 does not answer (")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        pytest.param("bogus://x", "bogus://x is no server and no database; allowed: http(s)://", id="scheme"),
        pytest.param("databricks", "databricks is no server and no database", id="word"),
        pytest.param("sqlite:///params.yaml", "params.yaml is no SQLite database; name another", id="a text"),
    ],
)
def test_a_place_that_is_no_tracking_server(
    uri: str, expected: str, good: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(good.root)
    (problem,) = find_problems(good).problems
    assert expected in problem


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param(
            b"path,label\nline/1.png,a\nline/2.png,b\n",
            "since class folders are there; `data.labels.file: labels.csv` uses it in their place",
            id="beside class folders",
        ),
        pytest.param(b"path,label\nline/1.png,\xfc\n", "codec can't decode", id="encoding"),
        pytest.param(b"path^label\nline/1.png^a\n", "has no column of paths", id="separator"),
        pytest.param(
            b"path,label,label\nline/1.png,a,b\n", "two columns are called 'label'; rename one", id="twice"
        ),
        pytest.param(b"path,label,split\nline/1.png,a,tset\n", "got 'tset'", id="part of a split"),
    ],
)
def test_a_table_of_labels_that_is_passed_over_is_named(table: bytes, expected: str, good: Paths) -> None:
    (good.raw / "labels.csv").write_bytes(table)
    found = find_problems(good)
    assert found.problems == []
    (note,) = found.notes
    assert note.startswith("data.source: labels.csv is not used as a table of labels")
    assert expected in note


def test_notes_and_tables_of_other_things_are_not_named(good: Paths) -> None:
    (good.raw / "readme.txt").write_text("path and label\nare words\n")
    (good.raw / "other.csv").write_text("path,label\nof/nothing.png,a\n")
    assert find_problems(good).notes == []


def test_nothing_heavy_is_imported(good: Paths) -> None:
    """A person waits a second, not ten."""
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from pipeline.paths import Paths\n"
        "from pipeline.setup.problems import find_problems; find_problems(Paths(Path.cwd()))\n"
        "print(*{'tensorflow', 'keras', 'mlflow', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    repo = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=good.root,
        env={"PYTHONPATH": str(repo)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""
