"""`darkroom export` never writes over anything; the guide runs it on a real champion."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.errors import StorageError


@pytest.mark.parametrize("is_file", [True, False])
def test_what_is_there_is_let_be(is_file: bool, tmp_path: Path) -> None:
    place = tmp_path / "there"
    if is_file:
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "mine").write_text("mine")
    done = CliRunner().invoke(app, ["export", str(place)])
    assert isinstance(done.exception, StorageError)
    assert "is there already" in str(done.exception)
    assert (place if is_file else place / "mine").read_text() == "mine"
