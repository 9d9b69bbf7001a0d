"""The real chain on generated pictures, in a temporary clone: real DVC, MLflow, Great Expectations, Keras.

The tests of this file are chapters of one story and run in order on one clone; each says what it changes.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.paths import STAGES
from pipeline.serving.seal import SEAL_FILE, check_model
from pipeline.storage import hash_file
from pipeline.tables.parquet import read_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tables.started_from import STARTED_FROM
from pipeline.tracking import connection, registry
from pipeline.tracking.lineage import compute_md5
from pipeline.tracking.stored_models import fetch_classifier, fetch_model, find_model, name_champion
from pipeline.yaml_file import read_yaml
from tests.clones import QUICK, SHAPES, Clone, check_metrics, draw, make_clone
from tests.object_store import BUCKET, S3, Sftp, run_s3, run_sftp

pytestmark = pytest.mark.slow

N_A_CLASS = 40


@pytest.fixture(scope="module")
def clone(repo: Path, tmp_path_factory: pytest.TempPathFactory, warm: Path) -> Iterator[Clone]:
    """This working tree as a clone of its own, with pictures in data/raw, committed and run once.

    That first run imports everything anew in each stage, as a user's does; the chapters after it are warm.
    """
    clone = make_clone(repo, tmp_path_factory.mktemp("e2e") / "darkroom")
    clone.draw_collection(N_A_CLASS)
    clone.run("git", "init", "-q")
    clone.set_params(QUICK)
    clone.run("dvc", "add", "-q", "data/raw")
    clone.commit()
    clone.run("dvc", "repro")
    clone.warm = warm
    clone.commit()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT", "DVC_STAGE"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
        yield clone


def test_the_chain_ran_and_left_nothing_untracked(clone: Clone) -> None:
    for stage in STAGES:
        assert json.loads(clone.paths.metrics(stage).read_text()), stage
    assert clone.run("git", "status", "--porcelain") == ""
    tracked = clone.run("git", "ls-files", "data").split()
    assert sorted(tracked) == sorted(
        ["data/.gitignore", "data/overrides.csv", "data/raw.dvc", "data/promote/decision.json"]
        + ["data/confirmed_labels.csv", "data/labels/README.md", "data/synthetic/pictures/README.md"]
        + [f"data/{stage}/metrics.json" for stage in STAGES]
    )


def test_dvc_shows_a_screen_of_metrics(clone: Clone) -> None:
    """At most 15 numbers a stage; those of classes, reasons and repairs are in details.json."""
    for stage in STAGES:
        metrics = json.loads(clone.paths.metrics(stage).read_text())
        assert len(metrics) <= 15, stage
        assert not [name for name in metrics if "/" in name]
    details = json.loads(clone.paths.details("evaluate").read_text())
    assert f"class/{next(iter(SHAPES))}/recall_low" in details


def test_the_row_is_whole(clone: Clone) -> None:
    (row,) = clone.rows()
    stages = [name for name in STAGES if name != "promote"]
    assert row.info.status == "FINISHED"
    assert row.data.params["train.model"] == "conv1"
    assert row.data.params["promote.min_common_images"] == "5"
    check_metrics(clone, row)
    client = connection.connect(clone.root)
    assert len(client.get_metric_history(row.info.run_id, "curve/val_loss")) == 3
    assert {name: row.data.tags[f"stage.{name}.status"] for name in stages} == dict.fromkeys(stages, "ran")
    for name in stages:
        stage_run = client.get_run(row.data.tags[f"stage.{name}.run_id"])
        assert stage_run.info.run_name == name
        assert stage_run.data.tags["mlflow.parentRunId"] == row.info.run_id
    assert {item.dataset.name for item in row.inputs.dataset_inputs} == {"raw", "clean", "split"}
    assert row.info.run_name == "conv1 16x16"
    assert row.data.tags["verdict"] == "PROMOTE"
    assert row.data.tags["champion"] == "champion"
    assert row.data.tags["mlflow.note.content"].startswith("PROMOTE digits version 1: accuracy")
    assert row.data.tags["git.dirty"] == "false"
    assert row.data.tags["mlflow.source.git.commit"]


def test_what_serves_is_what_was_evaluated(clone: Clone) -> None:
    """The champion from the registry, in a process that knows nothing of this project, on raw files."""
    code = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/digits@champion")
answers = model.predict([open(path, "rb").read() for path in json.load(sys.stdin)])
import pipeline
print("CODE" + pipeline.__file__)
print("ANSWERS" + answers.to_json(orient="values", double_precision=15))
"""
    files = {hashlib.sha256(p.read_bytes()).hexdigest(): p for p in clone.paths.raw.rglob("*.png")}
    table = read_table(clone.paths.predictions, PREDICTIONS)
    paths = [str(files[i]) for i in table["id"].to_pylist()]
    command = [sys.executable, "-c", code, connection.resolve_uri(clone.root)]
    done = subprocess.run(
        command, cwd=clone.root.parent, input=json.dumps(paths), capture_output=True, text=True, check=True
    )
    code_file = Path(done.stdout.split("CODE")[1].splitlines()[0])
    assert code_file.parts[-3:] == ("code", "pipeline", "__init__.py"), (
        "the model's own code, not this checkout's"
    )
    answers = json.loads(done.stdout.split("ANSWERS")[1])
    served = np.array([row[4:] for row in answers])
    assert np.abs(served - np.array(table["y_prob"].to_pylist())).max() < 1e-5
    assert {row[1] for row in answers} <= set(SHAPES)
    assert {row[0] for row in answers} <= {*SHAPES, "review"}


def test_the_registry_knows_the_hash_of_every_file_of_the_champion(clone: Clone) -> None:
    found = find_model(clone.root, name_champion("digits"))
    assert found
    check_model(fetch_model(clone.root, found), found.model_seal)
    assert found.model_seal
    folder = fetch_classifier(clone.root, found)
    hashes = json.loads((folder / SEAL_FILE).read_text(encoding="utf-8"))
    assert set(hashes) == {"answers.json", "classifier.json", "model.keras", "training_facts.json"}
    assert found.seal == hash_file(folder / SEAL_FILE)
    made = (clone.paths.classifier / "model.keras", clone.paths.answers, clone.paths.training_facts)
    for path in made:
        assert hashes[path.name] == hash_file(path)
    assert not (clone.paths.classifier / SEAL_FILE).exists(), "the folder of train is DVC's to compare"


def test_nothing_to_do_adds_nothing(clone: Clone) -> None:
    decision = clone.paths.decision.read_bytes()
    said = clone.run("dvc", "repro")
    assert "nothing to do: PROMOTE digits version 1" in said
    assert said.count("Running stage") == 1
    assert len(clone.rows()) == 1
    assert clone.paths.decision.read_bytes() == decision
    assert clone.run("git", "status", "--porcelain") == ""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[S3, Sftp]]:
    """Two servers that hold what several people share."""
    folder = tmp_path_factory.mktemp("storage")
    with run_s3(folder) as s3, run_sftp(folder) as sftp:
        yield s3, sftp


@pytest.fixture(scope="module")
def colleague(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Somebody else's clone, by Git; a DVC remote, a folder, holds what is not in Git."""
    folder = tmp_path_factory.mktemp("colleague")
    clone.run("dvc", "remote", "add", "-q", "--default", "folder", str(folder / "storage"))
    return share(clone, folder / "darkroom", {})


@pytest.fixture
def colleague_by_s3(clone: Clone, storage: tuple[S3, Sftp], tmp_path: Path) -> Clone:
    """The same by S3: the address in Git, the credentials in the environment."""
    clone.run("dvc", "remote", "add", "-q", "--default", "s3", f"s3://{BUCKET}/team")
    return share(clone, tmp_path / "darkroom", storage[0].env)


@pytest.fixture
def colleague_by_ssh(clone: Clone, storage: tuple[S3, Sftp], tmp_path: Path) -> Clone:
    """The same by SSH: the address in Git, the key in what Git ignores, and a home without ~/.ssh."""
    sftp = storage[1]
    clone.run("dvc", "remote", "add", "-q", "--default", "ssh", f"ssh://ana@127.0.0.1:{sftp.port}/team")
    key = ("dvc", "remote", "modify", "-q", "--local", "ssh", "keyfile", str(sftp.key))
    clone.run(*key)
    (tmp_path / "home").mkdir()
    colleague = share(clone, tmp_path / "darkroom", {"HOME": str(tmp_path / "home")})
    colleague.run(*key)
    return colleague


def share(clone: Clone, place: Path, env: dict[str, str]) -> Clone:
    """Push what is not in Git to the clone's remote, then clone it as somebody else.

    `env` is what both need to reach the remote.
    """
    clone.commit()
    clone.run("dvc", "push", "-q", "--run-cache", env=env)
    clone.run("git", "clone", "-q", ".", str(place))
    colleague = Clone(place)
    colleague.warm = clone.warm
    colleague.env |= env
    return colleague


@pytest.mark.parametrize("remote", ["colleague", "colleague_by_s3", "colleague_by_ssh"])
def test_a_colleague_pulls_and_computes_nothing(
    remote: str, clone: Clone, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row says where the result came from, and its model is the same."""
    (first,) = clone.rows()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it to where a process looked
    colleague = request.getfixturevalue(remote)
    said = colleague.run("dvc", "pull", "--run-cache")
    assert "failed" not in said
    said = colleague.run("dvc", "repro")
    assert list_running(said) == ["promote"]
    (row,) = colleague.rows()
    commit = colleague.run("git", "log", "-1", "--format=%h", "--", "dvc.lock").strip()
    assert row.data.tags["origin"] == f"DVC's cache; dvc.lock of commit {commit} by t"
    assert {row.data.tags[f"stage.{name}.status"] for name in STAGES[:-1]} == {"cached"}
    stage_run = connection.connect(colleague.root).get_run(row.data.tags["stage.train.run_id"])
    assert stage_run.data.tags["origin"] == row.data.tags["origin"]
    assert "origin" not in first.data.tags
    assert row.data.tags["dvc.lock_state"] == first.data.tags["dvc.lock_state"]
    assert row.data.metrics.items() <= first.data.metrics.items() | {("cpu_ms", row.data.metrics["cpu_ms"])}


def test_the_steps_of_the_ci_recipe(colleague: Clone, tmp_path: Path) -> None:
    """As they stand in docs/ci/darkroom.yml, for a branch with another parameter; `gh` is ours."""
    (job,) = read_yaml(colleague.root / "docs" / "ci" / "darkroom.yml")["jobs"].values()
    steps = {step["name"]: step["run"] for step in job["steps"] if "run" in step}
    del steps["install"]  # the tests have an environment of their own
    assert list(steps) == ["fetch", "check", "repro", "keep", "report", "comment"]
    branch = colleague.run("git", "branch", "--show-current").strip()
    colleague.run("git", "switch", "-qc", "more")
    colleague.set_params({"evaluate": {"n_bootstrap": 150}, "promote": {"trial_images": 0}})
    colleague.commit()
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\ncat "$5" >> {tmp_path}/said\n')
    gh.chmod(0o755)
    env = {
        "PATH": f"{gh.parent}:{colleague.environment()['PATH']}",
        "GITHUB_BASE_REF": branch,
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "RUNNER_TEMP": str(tmp_path),
        "PULL_REQUEST": "7",
        **{name: "" for name, value in job["env"].items() if "secrets" in value},  # none is set
    }
    said = {
        name: colleague.run("bash", "-eo", "pipefail", "-c", text, env=env) for name, text in steps.items()
    }
    assert list_running(said["repro"]) == ["evaluate", "promote"]
    posted = (tmp_path / "said").read_text()
    assert posted.startswith(f"pr comment 7 --body-file {tmp_path}/comment.md\n```\n")
    assert "\nPromotion " in posted
    assert "| data/evaluate/metrics.json |" in posted
    assert (tmp_path / "summary.md").read_text() in posted
    (pages,) = (step["with"]["path"] for step in job["steps"] if step.get("name") == "pages")
    assert [path for path in pages.split() if not (colleague.root / path).is_file()] == []


# A picture, a page or a schema, and the stages that make or read it. DVC sees what follows from outputs.
TOUCHED = {
    "figures/sizes.py": {"validate"},
    "figures/measures.py": {"validate"},
    "collection/overview.py": {"validate"},
    "expectations/intake.py": {"validate"},
    "figures/page.css": {"validate", "clean", "evaluate", "promote"},
    "workers/__main__.py": {"validate", "clean", "train"},  # train: its folds, on a cluster
    "metrics_file.py": set(STAGES),
    "tables/raw_classes.py": {"validate"},
    "tables/raw_manifest.py": {"validate", "clean", "split", "evaluate", "promote"},
    "collection/contact_sheets.py": {"clean"},
    "expectations/ready.py": {"clean"},
    "expectations/wording.py": {"validate", "clean"},
    "figures/pairs.py": {"clean"},
    "images/strip.py": {"clean"},
    "figures/sheets.py": {"clean", "augment", "evaluate"},
    "tables/quarantine.py": {"clean"},
    "tables/pairs.py": {"clean"},
    "tables/clean_manifest.py": {"clean", "split", "augment", "train", "evaluate", "promote"},
    "figures/class_shares.py": {"split"},
    "figures/shortcut_bars.py": {"split"},
    "tables/split.py": {"split", "augment", "train", "evaluate", "promote"},
    "figures/before_and_after.py": {"augment"},
    "tables/extra.py": {"augment", "train", "evaluate", "promote"},
    "training/history.py": {"train", "evaluate", "promote"},
    "figures/curves.py": {"evaluate"},
    "figures/confusion.py": {"evaluate"},
    "figures/class_bars.py": {"evaluate"},
    "figures/class_lines.py": {"evaluate"},
    "evidence/slices.py": {"evaluate", "promote"},
    "evidence/label_audit.py": {"evaluate"},
    "collection/confirmed_labels.py": {"evaluate"},
    "collection/decision_file.py": {"clean", "evaluate"},
    "tables/predictions.py": {"train", "evaluate", "promote"},
}


def test_a_picture_a_page_or_a_table_concerns_its_own_stages_only(clone: Clone) -> None:
    """Each file is changed, and `dvc status` says which stages see it: a label on a figure trains nothing."""
    before = {name: (clone.root / "pipeline" / name).read_bytes() for name in TOUCHED}
    for name, content in before.items():
        (clone.root / "pipeline" / name).write_bytes(content + b"\n")
    said = json.loads(clone.run("dvc", "status", "--json"))
    for name, content in before.items():
        (clone.root / "pipeline" / name).write_bytes(content)
    seen: dict[str, set[str]] = {name: set() for name in TOUCHED}
    for stage, changes in said.items():
        for change in changes:
            if isinstance(change, dict):
                for path in change.get("changed deps", {}):
                    seen[path.removeprefix("pipeline/")].add(stage)
    assert seen == TOUCHED


def test_forced_stages_write_the_same_bytes(clone: Clone) -> None:
    stages = ("validate", "clean", "split", "augment", "evaluate")
    before = clone.digests(stages)
    clone.run("dvc", "repro", "--force", "--single-item", *stages)
    assert clone.digests(stages) == before
    clone.run("dvc", "repro")
    assert len(clone.rows()) == 1


def test_a_parameter_there_and_back(clone: Clone) -> None:
    (first,) = clone.rows()
    clone.run("dvc", "exp", "run", "-q", "-S", "augment.rotation=0.2")
    back = clone.run("dvc", "exp", "run", "-S", "augment.rotation=0.0")
    assert "train" not in [
        line.split("'")[1] for line in back.splitlines() if line.startswith("Running stage")
    ]
    rows = clone.rows()
    assert len(rows) == 2
    assert [row.data.params["augment.rotation"] for row in rows] == ["0.0", "0.2"]
    assert rows[0].data.params.keys() == rows[1].data.params.keys()
    assert rows[0].data.metrics.keys() == rows[1].data.metrics.keys()
    tags = [row.data.tags for row in rows]
    assert tags[0]["stage.train.run_id"] == first.data.tags["stage.train.run_id"]
    assert tags[1]["stage.train.run_id"] != tags[0]["stage.train.run_id"]
    assert (tags[1]["stage.clean.status"], tags[1]["stage.train.status"]) == ("cached", "ran")
    assert tags[1]["stage.clean.run_id"] == tags[0]["stage.clean.run_id"]


def test_a_lost_row_comes_back_from_cache_with_its_own_train_run(clone: Clone) -> None:
    first = clone.rows()[0]
    client = connection.connect(clone.root)
    client.delete_run(first.info.run_id)
    said = clone.run("dvc", "repro")
    assert said.count("Running stage") == 1
    assert len(clone.rows()) == 2
    again = clone.rows()[-1]
    assert again.data.tags["stage.train.run_id"] == first.data.tags["stage.train.run_id"]
    assert again.data.tags["stage.train.status"] == "cached"
    assert again.data.metrics.keys() == first.data.metrics.keys()


def test_an_experiment_in_a_temporary_copy_lands_in_the_same_database(clone: Clone) -> None:
    before = len(clone.rows())
    clone.run("dvc", "exp", "run", "-q", "--temp", "-S", "train.epochs=2")
    rows = clone.rows()
    assert len(rows) == before + 1
    assert rows[-1].data.params["train.epochs"] == "2"
    assert rows[-1].data.tags["dvc.experiment"]
    assert rows[-1].data.tags["stage.train.status"] == "ran"
    assert rows[-1].data.tags["stage.clean.status"] == "cached"


def test_training_starts_from_the_champion(clone: Clone) -> None:
    """The row says from which version; the next model learned from what that one did."""
    client = connection.connect(clone.root)
    champion = registry.find_champion(client, "digits")
    assert champion is not None
    clone.set_params({"train": {"start_from": "champion"}})
    clone.run("dvc", "repro")
    row = clone.rows()[-1]
    assert row.data.tags["start_from"] == f"digits version {champion.number}"
    stage = client.get_run(row.data.tags["stage.train.run_id"])
    assert stage.data.tags["train.start_from"] == row.data.tags["start_from"]
    assert read_table(clone.paths.started_from, STARTED_FROM)["model"].unique().to_pylist() == [
        row.data.tags["start_from"]
    ]
    clone.set_params(QUICK | {"train": {"start_from": "none"}})
    assert "Running stage 'train'" not in clone.run("dvc", "repro")


def test_promotion_params_rerun_promotion_alone(clone: Clone) -> None:
    clone.set_params({"promote": {"floors": {"accuracy": 1.0, "recall": {"*": 1.0}}}})
    said = clone.run("dvc", "repro")
    assert [line for line in said.splitlines() if line.startswith("Running stage")] == [
        "Running stage 'promote':"
    ]
    decision = json.loads(clone.paths.decision.read_text())
    accuracy = json.loads(clone.paths.metrics("evaluate").read_text())["accuracy"]
    assert decision["verdict"] == ("HOLD" if accuracy == 1 else "REJECT")
    assert registry.find_champion(connection.connect(clone.root), "digits") is not None
    clone.set_params(QUICK)


def test_a_version_says_what_it_is_and_is_rolled_back_from(clone: Clone) -> None:
    client = connection.connect(clone.root)
    version = client.get_model_version_by_alias("digits", "champion")
    row = client.get_run(version.tags[registry.RUN_TAG])
    assert row.data.tags["champion"] == "champion"
    assert version.tags["verdict"] == "PROMOTE"
    assert version.tags["dvc.lock_state"] == row.data.tags["dvc.lock_state"]
    assert version.tags["test.sha256"] == row.data.tags["test.sha256"]
    assert len(version.tags["git.commit"]) == len(row.data.tags["mlflow.source.git.commit"])
    assert version.tags["data.md5"] == compute_md5(clone.paths.raw_manifest)
    assert str(version.description).startswith("Sorts pictures into 3 classes: circle, line, square.")
    other = max(int(one.version) for one in registry.list_versions(client, "digits"))
    assert other != int(version.version)
    clone.run("darkroom", "registry", "promote", str(other), "--force", "--reason", "it is newer")
    clone.run("darkroom", "registry", "rollback", "--reason", "it was not better")
    aliases = client.get_registered_model("digits").aliases
    assert [int(aliases[name]) for name in ("champion", "previous")] == [int(version.version), other]
    said = clone.run("darkroom", "registry", "history", "--json").splitlines()
    lines = [json.loads(text) for text in said if text.startswith("{")]
    assert [one["decision"] for one in lines][-2:] == ["FORCE", "ROLLBACK"]
    assert lines[0]["decision"] == "FIRST"
    assert lines[0]["evidence"]["n_common"] > 0
    assert "whole; the champion is that of the last" in clone.run("darkroom", "registry", "verify")
    clone.run("dvc", "repro")
    assert registry.find_alias(client, "digits", "champion") == int(version.version)
    assert "ledger" not in clone.run("git", "status", "--porcelain")


def test_a_class_map_reruns_split_and_what_follows(clone: Clone) -> None:
    clone.set_params({"data": {"classes": {"circle": ["circle"], "other": ["*"]}}})
    planned = clone.run("dvc", "repro", "--dry")
    clone.set_params({"data": {"classes": {}}})
    assert "Stage 'validate' didn't change" in planned
    assert "Stage 'clean' didn't change" in planned
    assert "Running stage 'split'" in planned


@pytest.mark.parametrize(
    ("stage", "code", "said"),
    [
        pytest.param(
            "split", 0, "split continues, and its run waits in .darkroom/spool", id="a stage goes on"
        ),
        pytest.param(
            "promote", 1, "ERROR promote: MLflow at http://127.0.0.1:9 cannot be used", id="promote stops"
        ),
    ],
)
def test_tracking_server_away(stage: str, code: int, said: str, clone: Clone) -> None:
    clone.run("dvc", "repro", "-q")
    before = clone.digests((stage,))
    answer = clone.run(
        "python",
        "-m",
        f"pipeline.stages.{stage}",
        env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
        code=code,
    )
    assert said in answer
    assert "Traceback" not in answer
    assert clone.digests((stage,)) == before


def test_a_new_server_gets_a_whole_row(clone: Clone, tmp_path: Path) -> None:
    """Every stage comes from cache, no run of theirs is known there: the row is rebuilt from the files."""
    database = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/new.db"}
    cold = {"PATH": clone.env["PATH"]}  # imports everything anew: a forgotten import would show
    clone.run("dvc", "repro", "-q", env=database | cold)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", database["MLFLOW_TRACKING_URI"])
        (row,) = clone.rows()
        client = connection.connect(clone.root)
        assert row.data.metrics.keys() == old_row(clone).data.metrics.keys() - {"train_seconds"}
        assert row.data.tags["stage.train.status"] == "cached"
        assert client.get_run(row.data.tags["stage.train.run_id"]).data.tags["rebuilt"] == "true"
        assert registry.find_champion(client, "digits") is not None


def old_row(clone: Clone) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI")
        return clone.rows()[0]


def test_another_picture_of_validate_runs_nothing_behind_it(clone: Clone) -> None:
    code = clone.root / "pipeline" / "figures" / "sizes.py"
    before, manifest = code.read_text(), clone.digests(("validate",))
    code.write_text(before.replace("images are", "pictures are"))  # all are of one size
    said = clone.run("dvc", "repro")
    changed = {name for name, digest in clone.digests(("validate",)).items() if manifest[name] != digest}
    code.write_text(before)
    assert changed == {"data/validate/figures/sizes.png", "data/validate/docs/index.html"}
    assert list_running(said) == ["validate", "promote"]
    clone.run("dvc", "repro", "-q")


def test_labels_beside_the_source_are_pictures_of_the_collection(clone: Clone) -> None:
    """From scans to a queue, to labels, to validate. DVC sees each edit, and no empty row is a picture."""
    scans, table = clone.root / "scans", clone.paths.label_queue
    scans.mkdir()
    for number in range(4):
        draw("line", 9000 + number).save(scans / f"{number}.png")
    said = clone.run("darkroom", "labels", "queue", "scans", "-n", "3", "--last")
    assert "4 files: 3 to label, 1 for another time; the table is" in said
    n_before = json.loads(clone.paths.metrics("validate").read_text())["n_files"]
    for n_labels in (0, 2):
        rows = table.read_text().replace(",,", ",line,", n_labels)
        table.write_text(rows)
        assert list_running(clone.run("dvc", "repro", "validate")) == ["validate"]
        metrics = json.loads(clone.paths.metrics("validate").read_text())
        assert (metrics["n_files"], metrics["n_waiting"]) == (n_before + n_labels, 3 - n_labels)
    assert list_running(clone.run("dvc", "repro", "validate")) == []
    next((table.parent / "queue").iterdir()).write_bytes(b"edited")
    assert "validate" in json.loads(clone.run("dvc", "status", "--json"))
    shutil.rmtree(table.parent / "queue")
    shutil.rmtree(scans)
    table.unlink()
    table.with_suffix(".png").unlink()
    clone.run("dvc", "repro", "-q")


def test_a_model_of_other_classes_has_a_champion_of_its_own(clone: Clone) -> None:
    """Who serves the champion must not be served other classes."""
    client = connection.connect(clone.root)
    before = registry.find_champion(client, "digits")
    clone.set_params({"data": {"classes": {"round": ["circle"], "other": ["*"]}}})
    said = clone.run("dvc", "repro")
    assert "the champion of digits has other classes: this model is registered as digits-2-classes-" in said
    decision = json.loads(clone.paths.decision.read_text())
    assert decision["model_name"].startswith("digits-2-classes-")
    assert registry.find_champion(client, "digits") == before
    asked = clone.run("darkroom", "predict", "data/raw/circle/000.png")
    assert f"model: {decision['model_name']} version 1" in asked or decision["verdict"] != "PROMOTE"


def list_running(said: str) -> list[str]:
    """The stages that `dvc repro` says it runs."""
    return [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]
