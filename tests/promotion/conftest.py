"""Fixtures of promotion: a model that an older Darkroom logged."""

import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def old_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model/` and `golden.json` of `old_model.zip`; `make_old_model` says what they hold."""
    folder = tmp_path_factory.mktemp("old")
    with zipfile.ZipFile(Path(__file__).with_name("old_model.zip")) as archive:
        archive.extractall(folder)
    return folder
