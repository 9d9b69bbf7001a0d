"""The story of the real chain a second time, against a real MLflow server over HTTP that proxies artifacts.

It is the server of a team, on PostgreSQL with passwords and roles; a plain one on SQLite where there is no
PostgreSQL. The tests of this file are chapters of one story and run in order on one clone, Ana's.
"""

import functools
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.paths import STAGES
from pipeline.tables.parquet import read_table
from pipeline.tables.predictions import PREDICTIONS
from pipeline.tracking import connection, registry, rows
from pipeline.tracking.decisions import parse_decision
from pipeline.tracking.ledger import open_ledger, read_lines
from pipeline.tracking.ledger_check import find_faults
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.people import add_person
from pipeline.tracking.runs import ENTRY_TAG
from pipeline.tracking.spool import read_waiting
from tests.clones import QUICK, Clone, check_metrics, make_clone
from tests.mlflow_server import ADMIN_PASSWORD, run_own_server, run_team_server
from tests.postgres import Postgres, find_programs

pytestmark = pytest.mark.slow

KILLING = ("-m", "tests.killing", "pipeline.stages.promote")

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens
N_A_CLASS = 25
N_KILLS = int(os.environ.get("DARKROOM_KILLS", "4"))


@dataclass(frozen=True)
class Team:
    """The server: its address, the URI of its database, and PostgreSQL behind it, if it has one."""

    uri: str
    database: str
    postgres: Postgres | None = None

    def sign_in(self, name: str, password: str = "") -> dict[str, str]:
        """The variables with which a person uses it."""
        known = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password or f"of {name}" * 4}
        return {"MLFLOW_TRACKING_URI": self.uri} | (known if self.postgres else {})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Team]:
    """The server of the team, which knows Ana and Ben, who train, and Eve, who looks."""
    folder = tmp_path_factory.mktemp("server")
    if not find_programs() and not os.environ.get("DARKROOM_CI"):
        with run_own_server(folder) as uri:
            yield Team(uri, f"sqlite:///{folder}/server.db")
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with run_team_server(folder, postgres.uri) as (_, uri), pytest.MonkeyPatch.context() as patch:
        team = Team(uri, postgres.uri.replace("postgresql:", "postgresql+pg8000:"), postgres)
        for name, value in team.sign_in("admin", ADMIN_PASSWORD).items():
            patch.setenv(name, value)
        for name in ("ana", "ben", "eve"):
            password = functools.partial(str, team.sign_in(name)["MLFLOW_TRACKING_PASSWORD"])
            assert add_person(folder, name, password, trains=name != "eve")
        patch.undo()
        yield team


@pytest.fixture(scope="module")
def clone(repo: Path, tmp_path_factory: pytest.TempPathFactory, warm: Path, server: Team) -> Iterator[Clone]:
    """Ana's clone, whose chain has run once with the server as `MLFLOW_TRACKING_URI`."""
    clone = make_clone(repo, tmp_path_factory.mktemp("story") / "darkroom")
    clone.draw_collection(N_A_CLASS)
    clone.warm = warm
    clone.env |= server.sign_in("ana")
    clone.run("git", "init", "-q")
    clone.set_params(QUICK)
    clone.commit()
    clone.run("dvc", "repro")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_ROOT", "DVC_STAGE"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
        for name, value in server.sign_in("ana").items():
            patch.setenv(name, value)
        yield clone


def test_the_row_is_whole_and_lies_on_the_server(clone: Clone) -> None:
    (row,) = clone.rows()
    assert row.info.status == "FINISHED"
    assert row.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert not (clone.root / "mlflow" / "mlflow.db").exists()
    check_metrics(clone, row)
    for stage in STAGES[:-1]:
        assert row.data.tags[f"stage.{stage}.status"] == "ran"
    client = connection.connect(clone.root)
    assert {one.path for one in client.list_artifacts(row.info.run_id, "evaluate")} >= {
        "evaluate/predictions.parquet"
    }


def test_what_serves_is_what_was_evaluated(clone: Clone, server: Team, tmp_path: Path) -> None:
    code = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/digits@champion")
answers = model.predict([open(path, "rb").read() for path in json.load(sys.stdin)])
print("ANSWERS" + answers.iloc[:, 4:].to_json(orient="values", double_precision=15))
"""
    files = {hashlib.sha256(p.read_bytes()).hexdigest(): str(p) for p in clone.paths.raw.rglob("*.png")}
    table = read_table(clone.paths.predictions, PREDICTIONS)
    asked = json.dumps([files[image_id] for image_id in table["id"].to_pylist()])
    command = [sys.executable, "-c", code, server.uri]
    done = subprocess.run(command, cwd=tmp_path, input=asked, capture_output=True, text=True, check=True)
    served = json.loads(done.stdout.split("ANSWERS")[1])
    assert served == [pytest.approx(row, abs=1e-5) for row in table["y_prob"].to_pylist()]


def test_nothing_to_do_asks_the_server_without_importing_mlflow(clone: Clone) -> None:
    decision = clone.paths.decision.read_bytes()
    assert "nothing to do: PROMOTE digits version 1" in clone.run("dvc", "repro")
    cold = {"PATH": clone.env["PATH"]}
    said = clone.run("python", "-X", "importtime", "-m", "pipeline.stages.promote", env=cold)
    assert "nothing to do: PROMOTE digits version 1" in said
    assert not re.search(r"\| +mlflow\b", said)
    assert clone.paths.decision.read_bytes() == decision
    assert len(clone.rows()) == 1


def test_the_next_model_is_compared_with_the_champion(clone: Clone) -> None:
    clone.set_params({"train": {"epochs": 4}})
    clone.run("dvc", "repro")
    decision = json.loads(clone.paths.decision.read_text())
    assert (decision["against"], decision["champion_before"], decision["version"]) == ("champion", 1, 2)
    assert decision["n_common"] == json.loads(clone.paths.metrics("evaluate").read_text())["n_test"]


def test_after_a_rollback_nothing_is_promoted_by_itself(clone: Clone) -> None:
    """Of version 2, which is forced and taken back. A new state of it is compared, and held."""
    client: Any = connection.connect(clone.root)
    said = clone.run("darkroom", "registry", "promote", "2", "--force", "--reason", "to try it")
    assert "digits: version 2 is champion" in said
    clone.run("darkroom", "registry", "rollback", "--to", "1", "--reason", "it was a try")
    for is_new in (False, True):
        if is_new:
            clone.set_params({"promote": {"margin": 0.04}})
        assert ("nothing to do" not in clone.run("dvc", "repro")) == is_new
        champion = registry.find_champion(client, "digits")
        assert champion is not None
        assert champion.number == 1
    decision = json.loads(clone.paths.decision.read_text())
    assert (decision["version"], decision["champion_before"]) == (2, 1)
    assert decision["verdict"] != "PROMOTE"
    moves = [line.move for line in read_lines(open_ledger(client, clone.root, "digits"), "digits")]
    assert [(one.decision, one.version) for one in moves][-2:] == [("FORCE", 2), ("ROLLBACK", 1)]
    assert "whole; the champion is that of the last" in clone.run("darkroom", "registry", "verify")
    assert "it was a try" in clone.run("darkroom", "registry", "history")


def test_two_promotions_of_one_state_at_once_leave_one_row(clone: Clone) -> None:
    """A server has no lock: both make a row, and one is withdrawn."""
    clone.set_params({"promote": {"margin": 0.01}})
    command = ("python", "-m", "pipeline.stages.promote")
    started = [
        subprocess.Popen(command, cwd=clone.root, env=clone.environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert len(clone.rows()) == 4
    check_registry(clone)


def test_a_promotion_killed_before_any_call_is_mended_by_the_next(clone: Clone, tmp_path: Path) -> None:
    """Most kills meet the last calls, which register, record, crown and finish.

    `DARKROOM_KILLS=1000 pytest tests/test_server_story.py` kills before every call.
    """
    calls = list_calls(clone, tmp_path, "whole")
    n = len(calls)
    assert {"log_batch", "create_model_version", "set_registered_model_alias", "set_terminated"} <= set(calls)
    assert {"set_registered_model_tag", "set_model_version_tag"} <= set(calls), "the ledger"
    registered = calls.index("create_model_version") + 1
    chance = random.Random(time.time_ns())
    early, late = range(1, registered), range(registered, n + 1)
    numbers = chance.sample(early, min(N_KILLS // 3, len(early)))
    for number in sorted(numbers + chance.sample(late, min(N_KILLS, len(late)))):
        model = f"killed-{number}"
        clone.set_params({"promote": {"model_name": model, "trial_images": 0}})
        promote_killed_at(clone, tmp_path, number)
        clone.run("python", "-m", "pipeline.stages.promote")
        decision = json.loads(clone.paths.decision.read_text())
        where = f"killed before call {number}, {calls[number - 1]}"
        assert (decision["verdict"], decision["against"]) == ("PROMOTE", "floors"), where
        client: Any = connection.connect(clone.root)
        champion = registry.find_champion(client, model)
        assert champion is not None, where
        assert champion.number == decision["version"], where
        lines = read_lines(open_ledger(client, clone.root, model), model)
        assert [(one.move.decision, one.move.version) for one in lines] == [("FIRST", champion.number)], where
        check_registry(clone, model)
        mine = [row for row in clone.rows() if row.data.params["promote.model_name"] == model]
        assert len(mine) == 1, where
        stages = client.get_experiment_by_name("digits-stages").experiment_id
        assert not client.search_runs([stages], "attributes.status = 'RUNNING'"), where


def list_calls(clone: Clone, folder: Path, model: str) -> list[str]:
    """The calls to MLflow of a promotion that nobody kills, by name."""
    clone.set_params({"promote": {"model_name": model, "trial_images": 0}})
    log = folder / "calls"
    clone.run("python", *KILLING, env={"DARKROOM_KILL_AT": "0", "DARKROOM_CALLS": str(log)})
    return log.read_text().split()


def promote_killed_at(clone: Clone, folder: Path, number: int) -> None:
    env = clone.environment(DARKROOM_KILL_AT=str(number), DARKROOM_CALLS=str(folder / f"calls-{number}"))
    done = subprocess.run(("python", *KILLING), cwd=clone.root, env=env, capture_output=True, check=False)
    assert done.returncode == 128 + signal.SIGKILL, done.stderr.decode()


def test_what_is_registered_is_what_the_lock_recorded(clone: Clone) -> None:
    """A replaced model.keras, or an edited picture, stops the promotion before anything is written."""
    n_rows = len(clone.rows())
    clone.set_params({"promote": {"model_name": "replaced"}})
    for path in (clone.paths.classifier / "model.keras", clone.paths.figures("evaluate") / "confusion.png"):
        before = path.read_bytes()
        path.write_bytes(before + b"more")
        said = clone.run("python", "-m", "pipeline.stages.promote", code=1)
        path.write_bytes(before)
        folder = path.parent.relative_to(clone.root)
        assert f"ERROR promote: {folder} is not what dvc.lock recorded for" in said
    assert len(clone.rows()) == n_rows
    assert registry.find_champion(connection.connect(clone.root), "replaced") is None


def test_a_champion_whose_row_was_deleted_for_good_is_still_compared(clone: Clone, server: Team) -> None:
    """Its answers lie with its model, too. Once both are gone, the next model is held, and told why."""
    clone.set_params({"promote": {"model_name": "digits", "margin": 0.02}})
    client: Any = connection.connect(clone.root)
    champion = registry.find_champion(client, "digits")
    assert champion is not None
    client.delete_run(champion.run_id)
    gc = ("mlflow", "gc", "--backend-store-uri", server.database, "--run-ids", champion.run_id)
    clone.run(*gc)
    clone.run("dvc", "repro")
    decision = json.loads(clone.paths.decision.read_text())
    assert decision["against"] == "champion"
    reasons = "; ".join(decision["reasons"])
    assert "of the champion on" in reasons or "champion already" in reasons
    client.delete_logged_model(champion.model_id)
    if (crowned := registry.find_champion(client, "digits")) and crowned.run_id != champion.run_id:
        client.delete_run(crowned.run_id)
    clone.set_params({"promote": {"margin": 0.03}, "train": {"epochs": 5}})
    clone.run("dvc", "repro")
    assert "are gone from MLflow" in json.loads(clone.paths.decision.read_text())["reasons"][0]


def test_a_long_decision_is_read_again_whole(clone: Clone) -> None:
    """MLflow cuts a tag of more than 8,000 characters without an error."""
    client: Any = connection.connect(clone.root)
    decision = {
        "verdict": "HOLD",
        "reasons": ["\u00e9" * 30_000],
        "model_name": "long",
        "version": 1,
        "champion_before": None,
    }
    with rows.open_row(client, clone.root, "state-long", "long") as row:
        rows.record(row, decision, "a note " * 3000)
        client.set_terminated(row.run_id, "FINISHED")
    assert rows.read_decision(clone.root, "long") == decision
    assert parse_decision(client.get_run(row.run_id).data.tags) == decision


def test_what_a_person_may_and_how_the_server_is(clone: Clone, server: Team) -> None:
    """Eve looks, and changes nothing. A wrong password, and a database that restarts, are one line each."""
    if server.postgres is None:
        pytest.skip("without PostgreSQL there are no names and no passwords")
    check = ("darkroom", "tracking", "health")
    assert clone.run(*check, env=server.sign_in("eve")) == f"MLflow at {server.uri} is well\n"
    said = clone.run(*check, env=server.sign_in("eve", "not her password"), code=1)
    assert "answers HTTP 401: name and password are missing, wrong or expired; set MLFLOW_TRACKING_US" in said
    said = clone.run("darkroom", "tracking", "person", "mallory", env=server.sign_in("eve"), code=1)
    assert "answers HTTP 403: you may not do that there" in said
    n_rows = len(clone.rows())
    clone.set_params({"promote": {"model_name": "of-eve"}})
    said = clone.run("python", "-m", "pipeline.stages.promote", env=server.sign_in("eve"), code=1)
    assert "ERROR promote: MLflow failed or refused: " in said
    assert "Traceback" not in said
    server.postgres.stop()
    assert "; is its database away?" in clone.run(*check, code=1)
    said = clone.run("python", "-m", "pipeline.stages.promote", code=1)
    assert "ERROR promote: MLflow" in said
    assert "Traceback" not in said
    server.postgres.start()
    assert "is well" in clone.run(*check)
    assert len(clone.rows()) == n_rows


@pytest.fixture(scope="module")
def clone_of_ben(clone: Clone, server: Team, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A second person's clone of the same collection, with a cache of its own."""
    ben = Clone(tmp_path_factory.mktemp("ben") / "darkroom")
    shutil.copytree(clone.root, ben.root, symlinks=True)
    ben.warm = clone.warm
    ben.env |= server.sign_in("ben")
    return ben


def test_two_people_work_while_the_server_is_away(clone: Clone, clone_of_ben: Clone) -> None:
    """Both train different models at once. Only their promotions wait, and the runs of their stages."""
    away = {"MLFLOW_TRACKING_URI": NOBODY}
    for one, epochs in ((clone, 2), (clone_of_ben, 6)):
        quick = {"model_name": "together", "margin": 0.0, "trial_images": 0}
        one.set_params({"promote": quick, "train": {"epochs": epochs}})
    for code, said in run_at_once(("dvc", "repro"), (clone, clone_of_ben), away):
        assert code != 0
        assert "ERROR promote: MLflow at http://127.0.0.1:9 cannot be used" in said
        assert "train continues, and its run waits in .darkroom/spool" in said
        assert "Traceback" not in said
    for one in (clone, clone_of_ben):
        assert [waiting.run.stage for waiting in read_waiting(one.root)] == ["train", "evaluate"]


def test_what_waited_is_sent_once_and_whole(clone: Clone, tmp_path: Path) -> None:
    """By a replay that is killed half-way, and then by two at once."""
    killed = ("python", "-m", "tests.killing", "pipeline.cli.app", "tracking", "replay")
    env = clone.environment(DARKROOM_KILL_AT="9", DARKROOM_CALLS=str(tmp_path / "calls"))
    done = subprocess.run(killed, cwd=clone.root, env=env, capture_output=True, check=False)
    assert done.returncode == 128 + signal.SIGKILL, done.stderr.decode()
    assert len(read_waiting(clone.root)) == 2
    said = [text for _, text in run_at_once(("darkroom", "tracking", "replay"), (clone, clone), {})]
    assert sum("sent the runs of train, evaluate" in text for text in said) == 1, said
    assert sum("no run waits in .darkroom/spool" in text for text in said) == 1, said
    client: Any = connection.connect(clone.root)
    for stage in ("train", "evaluate"):
        (run,) = rows.find_runs(client, row=False, tag=ENTRY_TAG, value=hash_entry(clone, stage))
        assert run.info.status == "FINISHED"
    (run,) = rows.find_runs(client, row=False, tag=ENTRY_TAG, value=hash_entry(clone, "train"))
    assert len(client.get_metric_history(run.info.run_id, "curve/val_loss")) == 2
    assert {"history.csv"} <= {one.path for one in client.list_artifacts(run.info.run_id)}


def test_two_people_promote_at_once(clone: Clone, clone_of_ben: Clone, server: Team) -> None:
    """The runs of one of them still wait. There is one champion, one ledger, and a row for each."""
    before = {row.info.run_id for row in clone.rows()}
    for code, said in run_at_once(("dvc", "repro"), (clone, clone_of_ben), {}):
        assert code == 0, said
        assert "Traceback" not in said
    assert read_waiting(clone_of_ben.root) == []
    made = [row for row in clone.rows() if row.info.run_id not in before]
    assert sorted(row.data.params["train.epochs"] for row in made) == ["2", "6"]
    if server.postgres:
        assert sorted(row.data.tags["mlflow.user"] for row in made) == ["ana", "ben"]
    client: Any = connection.connect(clone.root)
    for row in made:
        assert {row.data.tags[f"stage.{stage}.status"] for stage in ("train", "evaluate")} == {"ran"}
        assert "rebuilt" not in client.get_run(row.data.tags["stage.train.run_id"]).data.tags
    champion = registry.find_champion(client, "together")
    assert champion is not None
    assert sorted(int(one.version) for one in registry.list_versions(client, "together")) == [1, 2]
    moves = [line.move for line in read_lines(open_ledger(client, clone.root, "together"), "together")]
    assert [one.decision for one in moves] == ["FIRST", "PROMOTE"][: len(moves)]
    assert moves[-1].version == champion.number
    decided = [json.loads(one.paths.decision.read_text()) for one in (clone, clone_of_ben)]
    assert sorted(one["version"] for one in decided) == [1, 2]
    assert sorted(one["against"] for one in decided) == ["champion", "floors"]
    assert "whole; the champion is that of the last" in clone_of_ben.run("darkroom", "registry", "verify")
    check_registry(clone, "together")


def hash_entry(clone: Clone, stage: str) -> str:
    return Lineage(clone.paths).hash_entry_from_lock(stage)


def run_at_once(
    command: tuple[str, ...], clones: tuple[Clone, ...], more: dict[str, str]
) -> list[tuple[int, str]]:
    """Run a command in several clones at the same time; the exit code and what each said."""
    started = [
        subprocess.Popen(
            command,
            cwd=one.root,
            env=one.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for one in clones
    ]
    said = [process.communicate()[0] for process in started]
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


def check_registry(clone: Clone, model: str = "digits") -> None:
    """Every version leads to a finished row and to a model, and the champion is one of them."""
    client: Any = connection.connect(clone.root)
    versions = client.search_model_versions(f"name = '{model}'")
    assert versions
    for version in versions:
        assert registry.is_finished_row(client, version.tags[registry.RUN_TAG])
        assert client.get_logged_model(version.source.removeprefix("models:/")).status == "READY"
    assert registry.find_champion(client, model) is not None
    assert find_faults(client, clone.root, model)[1] == []
    assert all(row.info.status == "FINISHED" for row in clone.rows())
    assert all(parse_decision(row.data.tags) for row in clone.rows())
