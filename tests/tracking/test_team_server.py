"""team_server: what stops a server of a team before it starts, and the secrets it starts with.

tests/test_server_story.py runs it.
"""

import configparser
import os
from pathlib import Path

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import team_server
from pipeline.tracking.team_server import name_database, prepare_server
from tests.mlflow_server import ADMIN_PASSWORD
from tests.postgres import PASSWORD, Postgres

DATABASE = "MLFLOW_BACKEND_STORE_URI"


@pytest.fixture(autouse=True)
def own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "DVC_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param("postgresql://me:p%40@host/db", "postgresql+pg8000://me:p%40@host/db", id="plain"),
        pytest.param("postgres://host/db", "postgresql+pg8000://host/db", id="short"),
        pytest.param("postgresql+psycopg://host/db", "postgresql+psycopg://host/db", id="own driver"),
    ],
)
def test_a_database_without_a_driver_gets_one(
    given: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, given)
    assert name_database() == named


@pytest.mark.parametrize("given", ["", "sqlite:///a.db", "mysql://me:hidden@host/db"])
def test_no_postgresql_is_one_line_without_the_password(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE, given)
    with pytest.raises(TrackingError, match=f"{DATABASE} must name a database of PostgreSQL") as caught:
        name_database()
    assert "hidden" not in str(caught.value)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE, "postgresql://host/db")
    monkeypatch.setattr(team_server, "find_spec", lambda name: None)
    with pytest.raises(TrackingError, match=r"flask_wtf and pg8000; run `make install`"):
        prepare_server(tmp_path)


def test_a_database_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE, "postgresql://me:hidden@127.0.0.1:9/db")
    with pytest.raises(TrackingError, match=r"PostgreSQL at .* cannot be used .*; start it, or") as caught:
        prepare_server(tmp_path)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_wrong_password_says_what_postgresql_said(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, postgres.uri.replace("%2F", "wrong"))
    with pytest.raises(TrackingError, match=r'\(password authentication failed for user "darkroom"\)'):
        prepare_server(tmp_path)


def test_the_first_start_needs_a_password_of_the_administrator(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, postgres.add_database("without_administrator"))
    for short in ("", "short"):
        monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", short)
        with pytest.raises(TrackingError, match="no administrator yet; set MLFLOW_AUTH_ADMIN_PASSWORD"):
            prepare_server(tmp_path)


def test_secrets_are_their_owners(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, postgres.uri)
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", ADMIN_PASSWORD)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    made = prepare_server(tmp_path)
    settings = Path(made["MLFLOW_AUTH_CONFIG_PATH"])
    read = configparser.ConfigParser()
    read.read(settings)
    assert read["mlflow"]["database_uri"] == made[DATABASE] != postgres.uri
    assert read["mlflow"]["default_permission"] == "READ"
    assert PASSWORD not in settings.read_text()
    assert {path.stat().st_mode & 0o777 for path in settings.parent.iterdir()} == {0o600}
    assert made["MLFLOW_ARTIFACTS_DESTINATION"] == str(tmp_path / "mlflow" / "server-artifacts")
    assert "MLFLOW_TRACKING_URI" not in made
    again = prepare_server(tmp_path)
    assert again["MLFLOW_FLASK_SERVER_SECRET_KEY"] == made["MLFLOW_FLASK_SERVER_SECRET_KEY"]
    assert len(made["MLFLOW_FLASK_SERVER_SECRET_KEY"]) == 64
