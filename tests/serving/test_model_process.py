"""A model in a process of its own: it answers, and it ends; what goes wrong is one line."""

import base64
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import ModelError
from pipeline.serving.answer_rule import AnswerRule, write_rule
from pipeline.serving.model_process import ModelProcess
from pipeline.tracking.connection import connect
from pipeline.tracking.packaging import log_model
from pipeline.tracking.runs import create_run
from pipeline.tracking.stored_models import StoredModel, fetch_model
from tests.toy_classifier import save_toy_classifier


def encode_grey(level: int) -> bytes:
    return encode_grey_png([bytes([level] * 8)] * 8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, classifier_folder: Path) -> Path:
    """The folder of a model that MLflow logged."""
    root = tmp_path_factory.mktemp("project")
    client = connect(root)
    run = create_run(client, root, "row", row=True, tags={})
    made = log_model(client, run.run_id, classifier_folder)
    location = client.get_logged_model(made.id).artifact_location
    return fetch_model(root, StoredModel("m", 1, (), location))


@pytest.fixture(scope="module")
def process(model: Path) -> Iterator[ModelProcess]:
    with ModelProcess(model) as process:
        yield process


def test_it_answers_in_order_and_says_what_is_no_picture(process: ModelProcess) -> None:
    rows = process.ask([encode_grey(250), b"no picture", encode_grey(5)])
    assert [row["class"] for row in rows] == ["light", None, "dark"]
    assert rows[0]["light"] > 0.9
    assert rows[1]["reason"].startswith("not_an_image")
    assert process.ask([]) == []


def test_the_code_is_that_of_the_model(process: ModelProcess, model: Path) -> None:
    assert process.code == model / "code" / "pipeline" / "__init__.py"


def test_it_ends_with_its_workers(model: Path) -> None:
    with ModelProcess(model) as process:
        process.ask([encode_grey(250)])
        children = psutil.Process(process._process.pid).children(recursive=True)
        assert children, "workers decode"
    assert psutil.wait_procs(children, timeout=30)[1] == []


def test_a_process_that_is_killed_is_one_line(model: Path) -> None:
    with ModelProcess(model) as process:
        os.kill(process._process.pid, signal.SIGKILL)
        with pytest.raises(
            ModelError, match=r"does not answer: its process was ended by signal 9 \(Killed\)"
        ):
            process.ask([encode_grey(250)])


def test_a_process_that_hangs_is_ended(model: Path) -> None:
    with ModelProcess(model) as process:
        os.kill(process._process.pid, signal.SIGSTOP)
        with pytest.raises(ModelError, match=r"does not answer: it took longer than 0\.5 s"):
            process.ask([encode_grey(250)], max_seconds=0.5)


def test_what_is_no_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a classifier"):
        ModelProcess(tmp_path)


def test_a_classifier_folder_answers_with_the_code_of_this_process(
    classifier_folder: Path, tmp_path: Path, repo: Path
) -> None:
    write_rule(AnswerRule(1.0, 2.0, "val"), {}, tmp_path / "answers.json")
    with ModelProcess(classifier_folder, tmp_path / "answers.json") as process:
        assert process.code == repo / "pipeline" / "__init__.py"
        assert process.class_names == ("light", "dark", "odd")
        (row,) = process.ask([encode_grey(250)])
        assert (row["answer"], row["class"]) == ("review", "light"), "by the rule beside it"
        assert "no convolution" in process.explain(encode_grey(250))["reason"]
        assert process.explain(b"no picture")["reason"].startswith("not_an_image")
    assert not process.is_alive


def test_it_says_what_spoke_for_a_class(tmp_path: Path) -> None:
    save_toy_classifier(tmp_path / "toy", looks=True)
    half = encode_grey_png([bytes([0] * 4 + [255] * 4)] * 8)
    with ModelProcess(tmp_path / "toy") as process:
        found = process.explain(half, "light")
    assert found["class"] == "light"
    assert found["heat"] == [[0.0] * 4 + [1.0] * 4] * 8
    assert base64.b64decode(found["picture"]).startswith(b"\x89PNG")
