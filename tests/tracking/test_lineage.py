"""Lock entries: what a stage computes about itself must be what DVC writes a moment later."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ParamsError, PromotionError
from pipeline.paths import Paths
from pipeline.tracking.lineage import UPSTREAM, Lineage, compute_md5

# Every stage writes a file and a folder, notes its own entry as it would be tagged, and depends on the
# stage before. The source is a template, like the real one.
STAGE = """  {name}:
    cmd: {python} stage.py {name}
    deps: {deps}
    params: [knobs.{name}, shared]
    outs: [data/{name}/table.bin, data/{name}/folder]
    metrics: [data/{name}/metrics.json: {{cache: false}}]
"""
SCRIPT = """
import sys
from pathlib import Path
from pipeline.tracking.lineage import Lineage
from pipeline.paths import Paths
name = sys.argv[1]
folder = Path("data") / name
(folder / "folder" / "deep").mkdir(parents=True, exist_ok=True)
(folder / "table.bin").write_bytes(name.encode())
(folder / "folder" / "deep" / "b-\u00e9.txt").write_text("b")
(folder / "folder" / "a.txt").write_text("a")
(folder / "metrics.json").write_text("{}")
Path(f"{name}.entry").write_text(Lineage(Paths(Path.cwd())).hash_entry_from_files(name))
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A chain of the real stage names with toy stages, run once by the real DVC."""
    root = tmp_path_factory.mktemp("chain")
    source = root / "raw"
    source.mkdir()
    (source / "image.txt").write_text("pixels")
    (root / "data" / "synthetic" / "pictures").mkdir(parents=True)
    (root / "data" / "synthetic" / "pictures" / "a.npz").write_text("made up")
    stages, before = "stages:\n", '["${source}", stage.py]'
    for name in UPSTREAM:
        if name == "augment":
            before = before.replace("[", "[data/synthetic/pictures, ", 1)
        stages += STAGE.format(name=name, python=sys.executable, deps=before)
        before = f"[stage.py, data/{name}/table.bin, data/{name}/folder]"
    stages += f"  promote:\n    cmd: 'true'\n    deps: {before}\n    params: [knobs.promote]\n"
    knobs = "".join(f"  {name}: {{rate: 1e-3, sizes: [1, 2]}}\n" for name in (*UPSTREAM, "promote"))
    (root / "dvc.yaml").write_text(stages)
    (root / "params.yaml").write_text(f"source: raw\nshared: true\nknobs:\n{knobs}")
    (root / "stage.py").write_text(SCRIPT)
    for command in (["init", "--no-scm", "-q"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=root, check=True)
    return Paths(root)


def test_made_up_pictures_count_where_an_output_holds_them(chain: Paths) -> None:
    """New ones that do not enter training are no other result."""
    path = chain.root / "data" / "synthetic" / "pictures" / "a.npz"
    before = Lineage(chain).hash_entry_from_files("augment")
    path.write_text("made up anew")
    assert Lineage(chain).hash_entry_from_files("augment") == before
    path.write_text("made up")
    assert "data/synthetic/pictures" in Lineage(chain).list_deps("augment")


@pytest.mark.parametrize("stage", UPSTREAM)
def test_entry_of_a_running_stage_is_the_one_in_the_lock(chain: Paths, stage: str) -> None:
    noted = (chain.root / f"{stage}.entry").read_text()
    assert noted == Lineage(chain).hash_entry_from_lock(stage)


def test_folder_md5_is_dvcs(chain: Paths) -> None:
    assert (
        compute_md5(chain.root / "data/clean/folder")
        == Lineage(chain).list_outs("clean")["data/clean/folder"]
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("train: {rate: 1e-3", "train: {rate: 2e-3", id="a parameter of a stage"),
        pytest.param("promote: {rate: 1e-3", "promote: {rate: 2e-3", id="a parameter of promote"),
    ],
)
def test_state_follows_parameters(chain: Paths, tmp_path: Path, old: str, new: str) -> None:
    shutil.copytree(chain.root, tmp_path, dirs_exist_ok=True)
    before = Lineage(Paths(tmp_path)).hash_state()
    assert before == Lineage(chain).hash_state()
    for name in ("params.yaml", "dvc.lock"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace(old, new).replace("rate: 0.001", "rate: 0.002"))
    assert Lineage(Paths(tmp_path)).hash_state() != before


def test_a_file_that_is_not_the_locks_is_refused(chain: Paths) -> None:
    Lineage(chain).check_files()
    table = chain.root / "data/train/table.bin"
    table.write_bytes(b"edited")
    with pytest.raises(
        PromotionError, match=r"data/train/table\.bin is not what dvc\.lock recorded for train"
    ):
        Lineage(chain).check_files()
    table.write_bytes(b"train")


def test_what_a_stage_ran_with_is_in_the_lock(chain: Paths, tmp_path: Path) -> None:
    """A parameter that was edited since is for the next run; code is not, since it travels with the model."""
    shutil.copytree(chain.root, tmp_path, dirs_exist_ok=True)
    params = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("split: {rate: 1e-3", "split: {rate: 2e-3"))
    lineage = Lineage(Paths(tmp_path))
    lineage.check_files()
    assert lineage.list_params("split")["knobs.split"] == {"rate": 0.002, "sizes": [1, 2]}
    assert lineage.list_used_params()["knobs"]["split"] == {"rate": 0.001, "sizes": [1, 2]}
    (tmp_path / "stage.py").write_text("edited")
    with pytest.raises(PromotionError, match=r"stage\.py is not what dvc\.lock recorded for validate"):
        Lineage(Paths(tmp_path)).check_files()


def test_a_folder_that_is_not_the_locks_is_refused_where_it_is_asked_for(
    chain: Paths, tmp_path: Path
) -> None:
    shutil.copytree(chain.root, tmp_path, dirs_exist_ok=True)
    Lineage(Paths(tmp_path)).check_copies(Lineage(chain), {"data/train/folder"})
    (tmp_path / "data/train/folder/.darkroom-left.png").write_text("DVC does not count it")
    Lineage(Paths(tmp_path)).check_copies(Lineage(chain), {"data/train/folder"})
    (tmp_path / "data/train/folder/a.txt").write_text("edited")
    Lineage(Paths(tmp_path)).check_copies(Lineage(chain), {"data/clean/folder"})
    with pytest.raises(PromotionError, match="data/train/folder is not what"):
        Lineage(Paths(tmp_path)).check_copies(Lineage(chain), {"data/train/folder"})
    lock = (tmp_path / "dvc.lock").read_text()
    (tmp_path / "dvc.lock").write_text(lock.replace("rate: 0.001", "rate: 0.002", 1))
    with pytest.raises(PromotionError, match=r"dvc\.lock was changed meanwhile"):
        Lineage(Paths(tmp_path)).check_copies(Lineage(chain), set())


def test_no_lock_is_a_clear_error(tmp_path: Path, chain: Paths) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_text((chain.root / name).read_text())
    with pytest.raises(PromotionError, match="no entry for validate; run `dvc repro`"):
        Lineage(Paths(tmp_path)).hash_state()


def test_a_source_that_dvc_knows_by_its_etag(chain: Paths, tmp_path: Path) -> None:
    """As DVC writes it of an archive in S3. The state does not depend on it, as on any source."""
    shutil.copytree(chain.root, tmp_path, dirs_exist_ok=True)
    lock = (tmp_path / "dvc.lock").read_text()
    etag = "    deps:\n    - path: s3://scans/x.zip\n      hash: md5\n      etag: adcd-2\n      size: 3\n"
    (tmp_path / "dvc.lock").write_text(lock.replace("    deps:\n", etag, 1))
    assert Lineage(Paths(tmp_path)).hash_state() == Lineage(chain).hash_state()


@pytest.mark.parametrize(
    "text",
    [
        *("stages: 5", "stages: []", "stages: {promote: 3}", "stages: {promote: []}"),
        *(
            "stages: {train: {deps: 5}}",
            "stages: {train: {outs: [5]}}",
            "stages: {train: {outs: [{path: a}]}}",
        ),
        *("stages: {train: {deps: [{path: 1, md5: 2}]}}", "stages: {train: {deps: {path: a, md5: b}}}"),
        *("stages: {train: {params: 5}}", "stages: {train: {params: {params.yaml: [a]}}}"),
    ],
)
def test_a_damaged_lock_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(ParamsError, match=r"^dvc\.lock is damaged; restore it from git"):
        Lineage(Paths(tmp_path)).is_recorded("promote", ["a"])
