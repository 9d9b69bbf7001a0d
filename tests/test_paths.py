"""Paths: one root, one folder a stage."""

from pathlib import Path

import pytest

from pipeline.paths import STAGES, Paths, project_root


def test_every_path_hangs_off_the_root(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    names = [name for name, value in vars(Paths).items() if isinstance(value, property)]
    for name in names:
        assert getattr(paths, name).is_relative_to(tmp_path), name


def test_every_output_lies_in_the_folder_of_a_stage(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    not_of_a_stage = {"params", "dvc_yaml", "dvc_lock", "raw", "overrides", "shown", "home", "cache"}
    not_of_a_stage |= {
        "confirmed_labels",
        "crossval",
        "label_queue",
        "studies",
        "synthetic",
        "synthetic_sheets",
    }  # of commands
    names = [name for name, value in vars(Paths).items() if isinstance(value, property)]
    folders = {
        getattr(paths, name).relative_to(tmp_path / "data").parts[0] for name in set(names) - not_of_a_stage
    }
    assert folders <= set(STAGES)
    assert paths.metrics("clean") == tmp_path / "data" / "clean" / "metrics.json"
    assert paths.figures("train") == tmp_path / "data" / "train" / "figures"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, "root/.darkroom", id="as it comes"),
        pytest.param({"DVC_ROOT": "elsewhere"}, "elsewhere/.darkroom", id="inside dvc exp run --temp"),
        pytest.param({"DARKROOM_CACHE": "kept"}, "root/kept", id="another folder"),
        pytest.param({"DARKROOM_CACHE": "{tmp}/kept", "DVC_ROOT": "elsewhere"}, "kept", id="absolute"),
    ],
)
def test_where_the_cache_is(
    environment: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DVC_ROOT", "DARKROOM_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(
            name, value.format(tmp=tmp_path) if name == "DARKROOM_CACHE" else str(tmp_path / value)
        )
    assert Paths(tmp_path / "root").cache == tmp_path.resolve() / expected


def test_a_source_is_relative_to_the_root_unless_absolute(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert paths.source("data/raw") == paths.raw
    assert paths.source("/elsewhere/a.zip") == Path("/elsewhere/a.zip")


@pytest.mark.parametrize("below", [".", "data", "data/raw/x"])
def test_the_root_is_found_from_below(below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    assert project_root(tmp_path / below) == tmp_path.resolve()
    monkeypatch.chdir(tmp_path / below)
    assert project_root() == tmp_path.resolve()


def test_without_a_project_the_root_is_where_one_stands(tmp_path: Path) -> None:
    assert project_root(tmp_path) == tmp_path.resolve()
