"""The routes: what each says, in which form, and with which code."""

import base64
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.serve_process import ask, ask_about
from tests.server.conftest import RunApp, StandIn
from tests.server.test_uploads import BOUNDARY, make_form


def wait_until(condition: Callable[[], bool]) -> None:
    last = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.005)


def test_pictures_are_answered_in_their_order(run_app: RunApp) -> None:
    with run_app() as (address, _):
        body = make_form(("one.png", b"a1"), ("two.png", b"b?"), ("three.png", b"bad"))
        code, said = ask(f"{address}/predict", body, BOUNDARY)
    assert code == 200
    assert said["model"] == {"name": "m", "version": 1}
    one, two, three = said["answers"]
    assert one == {
        **{
            "file": "one.png",
            "answer": "a",
            "class": "a",
            "probability": 0.75,
            "review": False,
            "reason": None,
        },
        "probabilities": {"a": 0.75, "b": 0.25},
    }
    assert (two["answer"], two["class"], two["review"]) == ("review", "b", True)
    assert three == {
        **dict.fromkeys(("answer", "class", "probability", "probabilities", "review")),
        **{"file": "three.png", "reason": "not_an_image: \\x1b"},
    }


def test_one_image_by_its_bytes_or_as_json(run_app: RunApp) -> None:
    with run_app() as (address, _):
        code, said = ask(f"{address}/predict", b"a1")
        assert (code, said["answers"][0]["file"], said["answers"][0]["class"]) == (200, None, "a")
        code, said = ask_about(address, [b"a1", b"b2"])
        assert [one["class"] for one in said["answers"]] == ["a", "b"]


def test_where_no_image_can_be_used_the_code_says_so(run_app: RunApp) -> None:
    with run_app() as (address, _):
        code, said = ask(f"{address}/predict", b"bad")
    assert (code, said["detail"]) == (422, "no image can be used: not_an_image: \\x1b")
    assert said["answers"][0]["reason"]


def test_requests_of_a_moment_are_answered_together(run_app: RunApp, process: StandIn) -> None:
    with run_app(max_batch=8) as (address, deployment), ThreadPoolExecutor(9) as threads:
        process.may_go_on.clear()
        waiting = [threads.submit(ask, f"{address}/predict", b"a")]
        wait_until(deployment.running.lock.locked)
        waiting += [threads.submit(ask, f"{address}/predict", b"a%d" % number) for number in range(8)]
        wait_until(lambda: "darkroom_waiting_images 8.0" in ask(f"{address}/metrics")[1])
        process.may_go_on.set()
        assert {one.result()[0] for one in waiting} == {200}
        assert process.batches == [1, 1, 8]
        text = ask(f"{address}/metrics")[1]
    assert 'darkroom_requests_total{code="200",path="/predict"} 9.0' in text
    assert 'darkroom_images_total{outcome="answered"} 9.0' in text
    assert "darkroom_batch_images_count 2.0" in text
    assert 'darkroom_model_version{name="m"} 1.0' in text


def test_a_full_line_says_when_to_come_again(run_app: RunApp, process: StandIn) -> None:
    with run_app() as (address, _), ThreadPoolExecutor(10) as threads:
        process.may_go_on.clear()
        body = json.dumps({"images": [base64.b64encode(b"a").decode()] * 64}).encode()
        given = (f"{address}/predict", body, "application/json")
        waiting = [threads.submit(ask, *given) for _ in range(9)]
        wait_until(lambda: any(one.done() for one in waiting))
        code, said = ask(*given)
        assert code == 503
        assert said["detail"].startswith("too many images wait already; ask again in 1 second")
        process.may_go_on.set()
        assert {one.result()[0] for one in waiting} <= {200, 503}
        assert ask(f"{address}/predict", b"a")[0] == 200


def test_what_in_an_image_spoke_for_a_class(run_app: RunApp) -> None:
    with run_app() as (address, _):
        code, said = ask(f"{address}/explain?class=b", b"x")
        assert (code, said["class"], said["heat"]) == (200, "b", [[0.1113, 1.0]])
        assert ask(f"{address}/explain", b"x")[1]["class"] == "a"
        assert ask(f"{address}/explain", b"bad")[0] == 422
        code, said = ask(f"{address}/explain?class=%1b", b"x")
        assert (code, said["detail"]) == (400, r"'\\x1b' is no class of the model; allowed: a, b")
        code, said = ask(f"{address}/explain?class=" + "b" * 300, b"x")
        assert (code, said["detail"][:12]) == (400, "query.class:")
        code, said = ask(f"{address}/explain", make_form(("1", b"x"), ("2", b"x")), BOUNDARY)
        assert (code, said["detail"]) == (400, "one image at a time is explained, got 2")


def test_few_explanations_wait_at_a_time(run_app: RunApp, process: StandIn) -> None:
    may_explain = threading.Event()
    explained = process.explain

    def explain(picture: bytes, class_name: str) -> dict[str, Any]:
        may_explain.wait(30)
        return explained(picture, class_name)

    process.explain = explain  # type: ignore[method-assign]
    with run_app() as (address, _), ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(ask, f"{address}/explain", b"x") for _ in range(8)]
        wait_until(lambda: sum(one.done() for one in waiting) == 4)
        may_explain.set()
        assert sorted(one.result()[0] for one in waiting) == [200] * 4 + [503] * 4


def test_the_version_and_its_card(run_app: RunApp) -> None:
    with run_app() as (address, _):
        assert ask(f"{address}/model")[1] == {
            **{
                "name": "m",
                "version": 1,
                "title": "m version 1",
                "classes": ["a", "b"],
                "max_bytes": 1 << 20,
            },
            **{"max_images": 64, "card": {"intended_use": "tests"}},
        }


def test_a_newer_version_that_does_not_answer_is_said_and_does_no_harm(
    run_app: RunApp, process: StandIn
) -> None:
    with run_app() as (address, deployment):
        deployment.problem = "a newer version cannot be loaded"
        code, said = ask(f"{address}/ready")
        assert (code, said) == (200, {"ready": True, "model": "m version 1", "problem": deployment.problem})
        process.is_alive = False
        code, said = ask(f"{address}/ready")
        assert (code, said["ready"]) == (503, False)


def test_the_document_names_every_code(run_app: RunApp) -> None:
    with run_app() as (address, _):
        document = ask(f"{address}/openapi.json")[1]
    predict = document["paths"]["/predict"]["post"]
    assert set(predict["responses"]) == {"200", "400", "401", "403", "408", "413", "415", "422", "500", "503"}
    assert set(predict["requestBody"]["content"]) == {
        *("multipart/form-data", "application/json", "application/octet-stream", "image/*")
    }
    assert set(document["paths"]) == {"/predict", "/explain", "/health", "/ready", "/model", "/metrics"}
