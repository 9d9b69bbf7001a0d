"""Which model answers: the champion, unless another is named; and what the command says of it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.paths import Paths
from pipeline.serving.seal import SEAL_FILE, write_seal
from pipeline.tracking import connection, registry, rows
from pipeline.tracking.lineage import compute_md5
from pipeline.tracking.packaging import log_model
from pipeline.tracking.runs import create_run
from pipeline.tracking.stored_models import Address, fetch_classifier, find_model
from pipeline.yaml_file import read_yaml

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


@pytest.fixture
def registered(
    project: Paths, tracking_root: Path, classifier_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The name of a champion in a registry that the project uses."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.resolve_uri(tracking_root))
    values = read_yaml(project.params)
    values["promote"]["model_name"] = "of-predict"
    YAML().dump(values, project.params)
    client = connection.connect(tracking_root)
    if not registry.find_champion(client, "of-predict"):
        row = create_run(client, tracking_root, "state", row=True, tags={})
        model = log_model(client, row.run_id, classifier_folder, md5="of-predict")
        row.log_metrics({"accuracy": 0.75})
        decision = {"verdict": "PROMOTE", "model_name": "of-predict", "version": 1, "champion_before": None}
        rows.record(row, decision, "")
        registry.register_version(client, "of-predict", model=model, run_id=row.run_id, classes=("a", "b"))
        registry.crown(client, "of-predict", 1)
    return "of-predict"


def put_last(project: Paths, classifier_folder: Path, **decision: object) -> None:
    """Leave what a run leaves: its model, its scores, its decision, and their entries in dvc.lock."""
    shutil.copytree(classifier_folder, project.classifier)
    scores = project.metrics("evaluate")
    for path, values in ((scores, {"accuracy": 0.25}), (project.decision, decision)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    model = describe_file(project, project.classifier)
    lock = {
        stage: {"deps": [model], "outs": [describe_file(project, out)]}
        for stage, out in (("evaluate", scores), ("promote", project.decision))
    }
    YAML().dump({"stages": lock}, project.dvc_lock)


def describe_file(project: Paths, path: Path) -> dict[str, str]:
    return {"path": path.relative_to(project.root).as_posix(), "md5": compute_md5(path)}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("7", "the registry holds no of-predict/7; `darkroom ui`", id="no-such-number"),
        pytest.param("previous", "the registry holds no of-predict@previous; ", id="no-such-alias"),
        pytest.param("0" * 31 + "a", "a with a model in MLflow; `darkroom compare` lists", id="no-such-row"),
    ],
)
def test_a_short_name_of_no_model_is_explained(
    name: str, said: str, darkroom: Darkroom, registered: str
) -> None:
    code, _, error = darkroom("predict", "data/raw/circle", "--model", name)
    assert code == 1
    assert said in error


REJECTED = {"verdict": "REJECT", "model_name": "of-predict", "version": 2, "reasons": ["too low"]}


def test_the_champion_answers_and_not_the_last_model(
    darkroom: Darkroom, project: Paths, registered: str, classifier_folder: Path
) -> None:
    put_last(project, classifier_folder, **REJECTED)
    title = "model: of-predict version 1 (champion), PROMOTE, test accuracy 75.0%\n"
    client = connection.connect(project.root)
    row = str(client.get_model_version("of-predict", "1").tags[registry.RUN_TAG])
    named = ("of-predict@champion", "models:/of-predict/1", "champion", "1", row)
    for words in ([], *(["--model", name] for name in named)):
        code, said, _ = darkroom("predict", "data/raw/circle", *words)
        assert code == 0
        assert said.startswith(title)
        assert said.endswith("\n10 files: 10 as dark\n")


def exchange_weights(folder: Path) -> None:
    """Weights of the same shapes that answer the other way round: nothing but a hash tells."""
    import keras

    model = keras.saving.load_model(folder / "model.keras", compile=False)
    model.set_weights([-one for one in model.get_weights()])
    model.save(folder / "model.keras")


def exchange_seal_too(folder: Path) -> None:
    exchange_weights(folder)
    write_seal(folder)


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        pytest.param(lambda folder: None, "", id="nothing"),
        pytest.param(exchange_weights, "model.keras was changed", id="weights"),
        pytest.param(
            exchange_seal_too, "sha256.json is another than the registry knows", id="weights and seal"
        ),
        pytest.param(
            lambda folder: (folder / SEAL_FILE).unlink(), "sha256.json is missing, whose hash", id="no seal"
        ),
    ],
)
def test_a_model_by_name_is_what_was_registered(
    tamper: Callable[[Path], object],
    said: str,
    darkroom: Darkroom,
    project: Paths,
    tracking_root: Path,
    classifier_folder: Path,
    registered: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    name = f"sealed-{request.node.callspec.id.replace(' ', '-')}"
    folder = Path(shutil.copytree(classifier_folder, tmp_path / "classifier"))
    seal = write_seal(folder)
    client = connection.connect(tracking_root)
    row = create_run(client, tracking_root, "state", row=True, tags={})
    model = log_model(client, row.run_id, folder, md5=name, seal=seal)
    registry.register_version(client, name, model=model, run_id=row.run_id, classes=("a", "b"))
    found = find_model(project.root, Address(name, number=1))
    assert found
    tamper(fetch_classifier(project.root, found))
    code, _, error = darkroom("predict", "data/raw/circle", "--model", f"{name}/1")
    assert code == bool(said)
    assert said in error
    assert ("is not as it was registered" in error) == bool(said)


def test_the_last_model_answers_if_asked_with_its_verdict(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    put_last(project, classifier_folder, **REJECTED)
    os.utime(project.decision, (0, 0))  # as after `dvc checkout`, which writes the model and not the decision
    code, said, _ = darkroom("predict", "data/raw/circle", "--last")
    assert code == 0
    start = "model of the last run: REJECT of-predict version 2: too low; test accuracy 25.0%"
    assert said.startswith(start)


def test_a_decision_about_an_earlier_model_is_not_shown(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    put_last(project, classifier_folder, **REJECTED)
    with (project.classifier / "classifier.json").open("a") as file:
        file.write("\n")
    _, said, _ = darkroom("predict", "data/raw/circle", "--last")
    assert said.startswith("model of the last run: not compared yet; run `dvc repro`\n")


@pytest.mark.parametrize("text", ["", "{", "{}", '{"verdict": 5}'])
def test_a_damaged_decision_is_called_damaged(
    text: str, darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    put_last(project, classifier_folder, **REJECTED)
    project.decision.write_text(text)
    _, _, error = darkroom("predict", "data/raw/circle")
    said = "the last run (data/promote/decision.json is damaged; run `dvc repro`; test accuracy 25.0%)"
    assert said in error


def test_without_a_champion_the_last_model_is_pointed_at(
    darkroom: Darkroom, project: Paths, classifier_folder: Path
) -> None:
    put_last(project, classifier_folder, **REJECTED)
    code, said, error = darkroom("predict", "data/raw/circle")
    assert (code, said) == (1, "")
    assert error.startswith("error: there is no champion of 'digits' in the registry; ")
    assert "; --last answers with the model of the last run (REJECT of-predict version 2: too low; " in error
