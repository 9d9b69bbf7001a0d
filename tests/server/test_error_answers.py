"""Errors as sentences: of the model, of the server, and of paths and methods that are none."""

import pytest

from tests.serve_process import ask
from tests.server.conftest import RunApp, StandIn


def test_an_error_of_the_model_is_told_and_a_bug_is_not(
    run_app: RunApp, process: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with run_app() as (address, _):
        code, said = ask(f"{address}/predict", b"bug")
        assert (code, said["detail"]) == (
            500,
            "the model failed on this request: the model failed: ValueError",
        )
        process.describe = None  # type: ignore[method-assign, assignment]
        code, said = ask(f"{address}/predict", b"a")
        assert (code, said) == (500, {"detail": "something went wrong here; the log of the server says what"})
    assert "NoneType" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "code", "said"),
    [
        pytest.param("GET", "/nothing%1b", 404, r"there is nothing at /nothing\x1b", id="no such path"),
        pytest.param("GET", "/predict", 405, "GET is not allowed at /predict", id="another method"),
        pytest.param("GET", "/docs", 404, "there is nothing at /docs", id="no page that loads scripts"),
    ],
)
def test_other_paths_and_methods_are_a_sentence(
    run_app: RunApp, method: str, path: str, code: int, said: str
) -> None:
    with run_app() as (address, _):
        assert ask(f"{address}{path}") == (code, {"detail": said})
