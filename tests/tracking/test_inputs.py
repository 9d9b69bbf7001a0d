"""inputs: an edit while a stage runs stops it, and its outputs are withdrawn."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.params import Params
from pipeline.params_file import load_params
from pipeline.paths import Paths
from pipeline.tracking.inputs import Inputs

CHAIN = """
stages:
  validate:
    cmd: validate
    deps: ["${data.source}", "${data.labelled}", code.py]
    params: [data.ignore, data.source, validate]
    outs: [data/validate/table.bin, data/validate/docs]
    metrics: [data/validate/metrics.json: {cache: false}]
  clean:
    cmd: clean
    deps: [data/validate/docs, data/overrides.csv]
    outs: [data/clean/table.bin]
"""


@pytest.fixture
def paths(project: Paths) -> Paths:
    """A project in which validate has run, with its source."""
    (project.root / "dvc.yaml").write_text(CHAIN)
    (project.root / "code.py").write_text("code")
    (project.root / "data/validate/docs").mkdir(parents=True)
    for name in ("table.bin", "metrics.json", "docs/index.html"):
        (project.root / "data/validate" / name).write_text(name)
    project.overrides.write_text("id,key,action,label,note\n")
    project.label_queue.write_text("path,label\nscan.png,\n")
    (project.label_queue.parent / "scan.png").write_bytes(b"scan")
    return project


def begin(paths: Paths, stage: str) -> tuple[Inputs, Params, tuple[str, str]]:
    inputs = Inputs.read(paths, stage)
    params = load_params(paths.params)
    return inputs, params, inputs.stamp_source(params)


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


EDITS: dict[str, tuple[str, Callable[[Paths], object], str]] = {
    "a parameter of the stage": (
        "validate",
        lambda paths: replace_in(paths.params, "min_side_px: 4", "min_side_px: 5"),
        "validate.min_side_px in params.yaml was changed from 4 to 5",
    ),
    "code": ("validate", lambda paths: (paths.root / "code.py").write_text("CODE"), "code.py was changed"),
    "code that is gone": ("validate", lambda paths: (paths.root / "code.py").unlink(), "code.py was changed"),
    "a new file in the source": (
        "validate",
        lambda paths: (paths.raw / "circle" / "new.png").write_bytes(b"new"),
        "the source data/raw was changed",
    ),
    "a file of the source": (
        "validate",
        lambda paths: (paths.raw / "circle" / "0.png").write_bytes(b"other"),
        "the source data/raw was changed",
    ),
    "a new class folder": (
        "validate",
        lambda paths: (paths.raw / "triangle").mkdir(),
        "the source data/raw was changed",
    ),
    "a renamed file": (
        "validate",
        lambda paths: (paths.raw / "circle" / "0.png").rename(paths.raw / "line" / "00.png"),
        "the source data/raw was changed",
    ),
    "a label": (
        "validate",
        lambda paths: paths.label_queue.write_text("path,label\nscan.png,line\n"),
        "the source data/labels was changed",
    ),
    "a labelled picture": (
        "validate",
        lambda paths: (paths.label_queue.parent / "scan.png").write_bytes(b"other"),
        "the source data/labels was changed",
    ),
    "a table of labels that cannot be read": (
        "validate",
        lambda paths: paths.label_queue.write_text("a,b\n"),
        "queue.csv in ",
    ),
    "a decision": (
        "clean",
        lambda paths: paths.overrides.write_text("id,key,action,label,note\n,circle/0.png,drop,,\n"),
        "data/overrides.csv was changed",
    ),
    "a source that is gone": (
        "validate",
        lambda paths: paths.raw.rename(paths.root / "elsewhere"),
        "the source",
    ),
    "parameters that are no YAML": (
        "validate",
        lambda paths: paths.params.write_text("a: [1"),
        "params.yaml is not valid YAML",
    ),
    "what an earlier stage wrote": (
        "clean",
        lambda paths: (paths.root / "data/validate/docs/index.html").write_text("edited"),
        "data/validate/docs was changed",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_while_a_stage_runs_is_named_and_its_outputs_are_withdrawn(edit: str, paths: Paths) -> None:
    stage, change, said = EDITS[edit]
    begun = begin(paths, stage)
    change(paths)
    for out in begun[0].lineage.list_out_paths(stage):
        (paths.root / out).parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(InputError, match="removed; run `dvc repro` again") as caught:
        begun[0].check(*begun[1:])
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert not [path for path in begun[0].lineage.list_out_paths(stage) if (paths.root / path).exists()]


def test_what_is_not_the_stages_business_may_change(paths: Paths) -> None:
    inputs, params, source = begin(paths, "validate")
    replace_in(paths.params, "batch_size: 64", "batch_size: 32")
    replace_in(paths.params, "min_side_px: 4", "min_side_px: 4  # a comment")
    (paths.raw / "circle" / ".DS_Store").write_bytes(b"ignored")
    os.utime(paths.root / "code.py", (1, 1))
    paths.overrides.write_text("not of validate")
    inputs.check(params, source)
    assert (paths.root / "data/validate/table.bin").exists()


def test_an_archive_as_source(paths: Paths, params_of: Callable[..., Params]) -> None:
    archive = paths.root / "raw.zip"
    archive.write_bytes(b"PK")
    params = params_of(data={"source": "raw.zip"})
    inputs = Inputs.read(paths, "validate")
    source = inputs.stamp_source(params)
    inputs.check(params, source)
    archive.write_bytes(b"PK and more")
    with pytest.raises(InputError, match=r"the source raw\.zip was changed"):
        inputs.check(params, source)


def test_a_stage_that_dvc_does_not_know_is_let_be(project: Paths) -> None:
    inputs = Inputs.read(project, "clean")
    inputs.check(load_params(project.params), ("", ""))
