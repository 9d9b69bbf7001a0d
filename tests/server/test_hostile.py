"""Hostile requests to a real server with a real model: each is refused in a sentence, and nothing dies."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import InvalidArgument, Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from benchmarks.hostile_requests import REQUESTS, Hostile, send
from pipeline.collection.demos import encode_grey_png
from tests.serve_process import Served, ask, run_serve
from tests.slow_pictures import stall

LIGHT = encode_grey_png([bytes([250] * 8)] * 8)
N_EXAMPLES = int(os.environ.get("DARKROOM_EXAMPLES", "15"))  # of each path, for schemathesis
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, classifier_folder: Path) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("serve")
    (root / "dvc.yaml").write_text("stages: {}\n")
    with run_serve(root, "--model", str(classifier_folder), "--max-mb", "8") as served:
        yield served


@pytest.fixture(scope="module")
def said(server: Served) -> dict[str, tuple[str, str]]:
    """What each request is answered, all at the same time: some wait for what never comes."""
    where = urlsplit(server.address)
    address = (str(where.hostname), int(where.port or 0))
    with ThreadPoolExecutor(len(REQUESTS)) as threads:
        answers = threads.map(lambda one: send(address, one), REQUESTS)
        return {one.name: answer for one, answer in zip(REQUESTS, answers, strict=True)}


@pytest.mark.parametrize("hostile", REQUESTS, ids=lambda one: one.name)
def test_it_is_refused_in_a_sentence(hostile: Hostile, said: dict[str, tuple[str, str]]) -> None:
    code, text = said[hostile.name]
    assert code in hostile.codes, text
    if code.startswith("4"):
        assert 10 < len(text) < 2000, text
        assert "Traceback" not in text
        assert "\x1b" not in text


def test_nothing_died_and_the_next_is_answered(server: Served, said: dict[str, tuple[str, str]]) -> None:
    assert len(said) >= 15
    assert "\ndarkroom_model_restarts 0.0\n" in ask(f"{server.address}/metrics")[1]
    code, answer = ask(f"{server.address}/predict", LIGHT)
    assert (code, answer["answers"][0]["class"]) == (200, "light")
    assert ask(f"{server.address}/ready")[1]["ready"] is True
    assert "Traceback" not in server.log.read_text(encoding="utf-8")


def test_an_image_on_which_a_decoder_hangs_costs_no_other_its_answer(server: Served) -> None:
    with ThreadPoolExecutor(9) as threads:
        slow = threads.submit(ask, f"{server.address}/predict", stall(n_chunks=600_000))
        others = [threads.submit(ask, f"{server.address}/predict", LIGHT) for _ in range(8)]
        assert [one.result()[0] for one in others] == [200] * 8
        assert slow.result()[0] in (200, 422)
    assert "\ndarkroom_model_restarts 0.0\n" in ask(f"{server.address}/metrics")[1]


def test_no_connection_is_left_behind(server: Served, said: dict[str, tuple[str, str]]) -> None:
    parent = psutil.Process(server.process.pid)
    for _ in range(200):
        if not (
            left := [one for one in parent.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
        ):
            break
        time.sleep(0.1)
    assert left == []


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_whatever_the_document_allows_or_not_the_answer_is_as_it_says(
    server: Served, mode: GenerationMode
) -> None:
    """No 5xx, and no code, type or form of an answer that the OpenAPI document does not name.

    What the document allows is bytes. Whether they are an image is not its to say.
    """
    document = schemathesis.openapi.from_url(f"{server.address}/openapi.json")
    operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == 6
    for operation in operations:

        @settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck], database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask_and_check(case: "schemathesis.Case[Any]") -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        with suppress(
            InvalidArgument, Unsatisfiable
        ):  # what takes nothing cannot be given anything that is wrong
            ask_and_check()
