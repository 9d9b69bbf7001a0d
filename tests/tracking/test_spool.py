"""spool: what waits for the server is whole, in order, and read by no older Darkroom."""

import json
import logging
import shutil
from pathlib import Path

import pytest

from pipeline.errors import TrackingError
from pipeline.tracking import spool
from pipeline.tracking.runs import Run
from pipeline.tracking.spool import Spooled, has_waiting, hold_spool, locate_spool, read_waiting


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)


def say_all(run: Run, folder: Path) -> None:
    """All that a stage may say of its run, with files that are gone when it is sent."""
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "a.png").write_bytes(b"picture")
    (folder / "history.csv").write_text("epoch\n")
    run.log_metrics({"curve/loss": 1.0}, 1)
    run.log_metrics({"curve/loss": 0.5}, 2)
    run.log_artifact(folder / "history.csv")
    run.log_artifact(folder / "figures", "figures")
    run.log_dataset("split", folder / "history.csv", "train, val")
    run.set_tags({"train.backend": "tensorflow"})


def keep_one(root: Path, start: int, stage: str = "train") -> Spooled:
    run = Spooled(stage, "digits-stages", {"dvc.stage": stage}, {"train.epochs": 3}, start=start)
    say_all(run, root / "data" / stage)
    run.keep(root)
    shutil.rmtree(root / "data")
    return run


def test_what_was_said_is_read_again_with_its_files(tmp_path: Path) -> None:
    assert not has_waiting(tmp_path)
    kept = keep_one(tmp_path, 1000)
    (one,) = read_waiting(tmp_path)
    run = one.run
    assert (run.id, run.stage, run.experiment, run.start) == (kept.id, "train", "digits-stages", 1000)
    assert run.tags == {"dvc.stage": "train", "train.backend": "tensorflow"}
    assert run.params == {"train.epochs": 3}
    assert [(point.value, point.step) for point in run.metrics] == [(1.0, 1), (0.5, 2)]
    assert run.datasets[0].uri == "data/train/history.csv"
    (_, file, _), (_, folder, name) = run.logged
    assert file.read_text() == "epoch\n"
    assert [path.name for path in folder.iterdir()] == ["a.png"]
    assert name == "figures"
    one.remove()
    assert not has_waiting(tmp_path)


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    for start in (9000, 1000, 10_000):
        keep_one(tmp_path, start)
    assert [one.run.start for one in read_waiting(tmp_path)] == [1000, 9000, 10_000]


def test_a_newer_format_is_refused_and_kept(tmp_path: Path) -> None:
    keep_one(tmp_path, 1000)
    (place,) = (path for path in locate_spool(tmp_path).iterdir() if path.is_dir())
    data = json.loads((place / "run.json").read_text()) | {"version": spool.VERSION + 1, "more": "things"}
    (place / "run.json").write_text(json.dumps(data))
    with pytest.raises(TrackingError, match=r"a newer Darkroom \(format 2, this one knows 1\); upgrade"):
        read_waiting(tmp_path)
    assert has_waiting(tmp_path)


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": "x"}', '{"version": 1}', None])
def test_a_damaged_one_is_named(damage: str | None, tmp_path: Path) -> None:
    keep_one(tmp_path, 1000)
    (place,) = (path for path in locate_spool(tmp_path).iterdir() if path.is_dir())
    if damage is None:
        (place / "files" / "0" / "history.csv").unlink()
    else:
        (place / "run.json").write_text(damage)
    with pytest.raises(TrackingError, match=f"{place.name} is damaged .*; move it away") as caught:
        read_waiting(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_a_kill_left_half_written_is_none(tmp_path: Path) -> None:
    keep_one(tmp_path, 1000)
    half = locate_spool(tmp_path) / ".darkroom-0123"
    half.mkdir()
    assert len(read_waiting(tmp_path)) == 1
    with hold_spool(tmp_path):
        assert not half.exists()


def test_a_spool_that_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    locate_spool(tmp_path).parent.mkdir()
    locate_spool(tmp_path).write_text("a file where the folder should be")
    caplog.set_level(logging.WARNING)
    keep_one(tmp_path, 1000)
    assert caplog.text.count("the run of train is not kept, and promote will rebuild it: ") == 1
