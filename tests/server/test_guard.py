"""Who may ask: the token, the address, the page that asks; and what every answer tells a browser."""

import urllib.request

import pytest

from tests.serve_process import ask
from tests.server.conftest import RunApp

TOKEN = "a-token-of-some-length"
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


@pytest.mark.parametrize("path", ["/model", "/metrics", "/openapi.json", "/nothing"])
def test_with_a_token_nothing_is_told_without_it(run_app: RunApp, path: str) -> None:
    with run_app(token=TOKEN) as (address, _):
        for said in ("", "Bearer wrong", f"Basic {TOKEN}", "Bearer \xff", f"Bearer {TOKEN}x", TOKEN):
            code, answer = ask(f"{address}{path}", headers={"Authorization": said} if said else {})
            assert (code, answer["detail"][:31]) == (401, "the server asks for its token, "), said
        assert ask(f"{address}{path}", headers={"Authorization": f"bearer {TOKEN}"})[0] in (200, 404)


def test_the_page_and_what_probes_ask_need_no_token(run_app: RunApp) -> None:
    with run_app(token=TOKEN) as (address, _):
        assert ask(f"{address}/health") == (200, {"status": "ok"})
        assert ask(f"{address}/ready")[1]["ready"] is True
        assert "Which class is it?" in ask(f"{address}/")[1]
        assert ask(f"{address}/predict", b"a")[0] == 401


def test_a_page_elsewhere_cannot_ask(run_app: RunApp) -> None:
    with run_app(hosts=LOCAL) as (address, _):
        host = address.removeprefix("http://")
        assert ask(f"{address}/health", headers={"Host": "evil.example"})[0] == 403
        assert ask(f"{address}/health", headers={"Host": ""})[0] == 403
        assert ask(f"{address}/health", headers={"Host": "LocalHost:1"})[0] == 200
        assert ask(f"{address}/health", headers={"Host": "[::1]:80"})[0] == 200
        code, said = ask(f"{address}/predict", b"a", headers={"Origin": "http://evil.example"})
        assert (code, said["detail"]) == (403, "a page of another address may not ask this server")
        assert ask(f"{address}/predict", b"a", headers={"Origin": f"http://{host}"})[0] == 200
        assert ask(f"{address}/predict", b"a", headers={"Origin": "null"})[0] == 403


def test_where_others_may_reach_it_any_name_will_do(run_app: RunApp) -> None:
    with run_app(token=TOKEN) as (address, _):
        assert ask(f"{address}/health", headers={"Host": "scans.example"})[0] == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/model", "/nothing"])
def test_a_browser_may_load_nothing_from_elsewhere(run_app: RunApp, path: str) -> None:
    with run_app() as (address, _):
        try:
            headers = urllib.request.urlopen(f"{address}{path}").headers
        except urllib.error.HTTPError as error:
            headers = error.headers
            error.close()
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "server" not in headers
