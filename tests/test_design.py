"""The design, held together: two descriptions of one thing must agree."""

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import params as params_module
from pipeline.paths import STAGES
from pipeline.yaml_file import read_yaml
from tests.closures import list_code_of, list_imports, parse

REPO = Path(__file__).resolve().parents[1]
PIPELINE = REPO / "pipeline"
FILES = sorted(PIPELINE.rglob("*.py"))
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]

# A heavy library, and the files (or packages) that may import it.
OWNERS = {
    "PIL": {"images"},
    "dvc": {"tracking/workspace"},
    "fastapi": {"server"},
    "great_expectations": {"expectations"},
    "jax": {"backend"},
    "keras": {"backend", "models", "serving/model_file", "synthesis", "training"},
    "matplotlib": {"figures"},
    "prometheus_client": {"server"},
    "ray": {"workers/cluster"},
    "starlette": {"server"},
    "uvicorn": {"server"},
    "mlflow": {"serving/model_host", "serving/pyfunc", "tracking"},
    "pdqhash": {"images"},
    "pooch": {"collection/demos"},
    "sklearn": {
        "collection/demos",
        "evidence/embedding",
        "search/gaussian_process",
        "shortcuts",
        "training/folds",
    },
    "tensorflow": {"backend"},
    "optuna": {"search"},
}
# Loaded by MLflow alone, or by one lazy import, after the device is set up: heavy libraries at the top.
HEAVY = {
    "backend/ahead",
    *(
        f"search/{name}"
        for name in (
            *("ablation", "answers", "contest", "dead_trials", "gaussian_process", "plots", "scores"),
            *("study", "supervision", "trials", "tuning", "worker"),
        )
    ),
    *(f"server/{name}" for name in ("app", "connections", "counters", "error_answers", "guard", "uploads")),
    "serving/pyfunc",
    *(
        f"synthesis/{name}"
        for name in ("adversaries", "alterations", "features", "feed", "learning", "network", "verdict")
    ),
    *(
        f"training/{name}"
        for name in (
            "assembly",
            "augmentations",
            "batches",
            "callbacks",
            "cross_validation",
            "optimizers",
            "trainer",
            "training_model",
        )
    ),
}
MAX_LINES, MAX_FUNCTION_LINES = 300, 50
LONG_FUNCTIONS = {"stages/train:main"}  # one straight story, by design
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
# A section that other stages than its own hand on whole, and the file that says what is read of it.
# Sections that a stage uses for what it leaves in the store of results; its outputs do not depend on them.
PREPARED_FOR = {"validate": {"clean"}}
READS_OF_A_SECTION = {"data": "sources/__init__.py", "clean": "images/recipe.py"}
NEEDS_NO_TEST = {"errors", "promotion/row_contents"}  # every story of the chain looks at its rows
AS_ONE = {
    "expectations",
    "figures",
    "images",
    "models",
    "sources",
    "tables",
    "workers",
}  # rooms tested as one


def name_of(file: Path) -> str:
    """A file of the package as "stages/train" or "errors"."""
    return file.relative_to(PIPELINE).with_suffix("").as_posix()


def room_of(file: Path) -> str:
    """The room that a file is in, or its own name on the ground floor."""
    return name_of(file).partition("/")[0]


@functools.cache
def chain() -> dict[str, Any]:
    stages: dict[str, Any] = read_yaml(REPO / "dvc.yaml")["stages"]
    return stages


def words_of(page: Path) -> list[str]:
    """The shell lines and the code in running text of a page, without shell comments."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL)
    lines = [
        line for kind, block in blocks if kind in ("sh", "bash", "console") for line in block.splitlines()
    ]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [line.split(" #")[0] for line in lines] + re.findall(r"`([^`\n]+)`", prose)


def said_in_pages(pattern: str) -> set[tuple[str, str]]:
    """(page, what the pattern's group found) in the commands and code words of all pages."""
    return {
        (page.name, found)
        for page in PAGES
        for words in words_of(page)
        for found in re.findall(pattern, words)
    }


def test_one_name_for_one_thing() -> None:
    assert list(chain()) == list(STAGES)
    assert {file.stem for file in (PIPELINE / "stages").glob("*.py")} == {"__init__", *STAGES}
    assert list(read_yaml(REPO / "params.yaml")) == ["data", *STAGES, "tune"]
    assert {file.stem for file in (REPO / "tests" / "stages").glob("*.py")} == {f"test_{s}" for s in STAGES}
    assert all(hasattr(params_module, f"{stage.capitalize()}Params") for stage in STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_itself_by_its_name(stage: str) -> None:
    source = (PIPELINE / "stages" / f"{stage}.py").read_text(encoding="utf-8")
    assert source.endswith(f'if __name__ == "__main__":\n    run_stage("{stage}", main)\n')
    assert chain()[stage]["cmd"] == f"python -m pipeline.stages.{stage}"
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert docstring.startswith(f"{stage}: ")
    assert re.findall(r"^(Reads|Writes|Run|Cost)\b", docstring, flags=re.M) == [
        "Reads",
        "Writes",
        "Run",
        "Cost",
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_imports(stage: str) -> None:
    """File by file, both ways: nothing that it imports is missing, nothing that it does not is listed."""
    listed = [dep for dep in chain()[stage]["deps"] if dep.startswith("pipeline/")]
    needed = list_code_of(stage)
    assert sorted(set(needed) - set(listed)) == [], "imported, and missing in dvc.yaml"
    assert sorted(set(listed) - set(needed)) == [], "listed in dvc.yaml, and never imported"
    assert listed == needed


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_writes_in_its_own_folder_and_reads_from_earlier_ones(stage: str) -> None:
    entry = chain()[stage]
    made = [name for kind in ("outs", "metrics", "plots") for name in paths_in(entry.get(kind, []))]
    assert f"data/{stage}/metrics.json" in made
    assert all(name.startswith(f"data/{stage}/") for name in made), made
    earlier = STAGES[: STAGES.index(stage)]
    read = {dep for dep in entry["deps"] if dep.startswith("data/")}
    by_people = {
        "clean": {"data/overrides.csv"},
        "augment": {"data/synthetic/pictures"},
        "evaluate": {"data/confirmed_labels.csv"},
    }.get(stage, set())
    assert {dep.split("/")[1] for dep in read - by_people} <= set(earlier)
    assert by_people <= read


def paths_in(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_the_params_that_it_uses(stage: str) -> None:
    values = read_yaml(REPO / "params.yaml")
    listed = set(chain()[stage]["params"])
    assert stage in listed, "a stage depends on its whole section"
    for key in listed:
        assert functools.reduce(lambda inner, part: inner[part], key.split("."), values) is not None
    used = set(params_used(PIPELINE / "stages" / f"{stage}.py", set(values))) - PREPARED_FOR.get(stage, set())
    for section in (used - {stage}) & set(READS_OF_A_SECTION):
        reader = READS_OF_A_SECTION[section]
        used = used - {section} | set(params_used(PIPELINE / reader, {"section"}, section))
    uncovered = {key for key in used if not any(f"{key}.".startswith(f"{name}.") for name in listed)}
    assert not uncovered


def params_used(file: Path, sections: set[str], section: str = "") -> Iterator[str]:
    """`params.data.source` in a file as "data.source"; `params.data`, passed on whole, as "data".

    Where a section is handed on as `section`, `section.ignore` is "<its name>.ignore".
    """
    inner = {id(node.value) for node in ast.walk(parse(file)) if isinstance(node, ast.Attribute)}
    for node in ast.walk(parse(file)):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        head, *keys = ast.unparse(node).split(".")
        keys = [key.removesuffix("_") for key in keys]
        if section and head == "section":
            yield f"{section}.{keys[0]}"
        elif not section and head == "params" and keys[0] in sections:
            yield ".".join(keys)


def test_the_source_is_a_plain_dependency_of_validate_alone() -> None:
    """DVC looks at each file of a dependency ten times a stage. validate's tables hold the sha256 of each."""
    assert chain()["validate"]["deps"][:2] == ["${data.source}", "${data.labelled}"]
    assert [name for name, entry in chain().items() if "${data.source}" in entry["deps"]] == ["validate"]
    assert {"data/validate/manifest.parquet", "data/validate/classes.parquet"} <= {*chain()["clean"]["deps"]}
    readers = [name for name, entry in chain().items() if "data.source" in entry["params"]]
    assert readers == ["validate", "clean"], "the runner looks whether it changes while these run"


def test_promote_always_runs_and_no_other_stage() -> None:
    assert [name for name, entry in chain().items() if entry.get("always_changed")] == ["promote"]


def test_every_command_in_the_pages_exists() -> None:
    from typer.main import get_command

    from pipeline.cli.app import app

    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, flags=re.M))
    commands = set(getattr(get_command(app), "commands"))  # noqa: B009 (a group's, which typer does not type)
    made = said_in_pages(r"(?:^|[;&] *|\s)make ([a-z][\w-]*)")
    asked = said_in_pages(r"(?:^|[;&] *|/)darkroom ([a-z][\w-]*)")
    assert made, "no page names a target"
    assert asked, "no page names a command"
    assert {(page, name) for page, name in made if name not in targets} == set()
    assert {(page, name) for page, name in asked if name not in commands} == set()
    in_makefile = set(re.findall(r"^\t.*\bdarkroom ([a-z]+)", makefile, flags=re.M))
    assert in_makefile <= commands


def test_every_param_in_the_pages_exists() -> None:
    values = read_yaml(REPO / "params.yaml")
    named = said_in_pages(rf"^(?:.* )?((?:{'|'.join(values)})\.(?!parquet|json|csv)[a-z_]+)(?:=\S+)?$")
    keys = {f"{section}.{key}" for section, inner in values.items() for key in inner}
    assert named, "no page names a param"
    assert {(page, name) for page, name in named if name not in keys} == set()


def test_every_link_in_the_pages_leads_to_a_file() -> None:
    links = {
        (page, link.split("#")[0])
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        if not link.startswith(("http", "#"))
    }
    assert {f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()} == set()


def test_the_folder_mlflow_does_not_shadow_the_library() -> None:
    code = "import importlib.util as u; print(u.find_spec('mlflow').origin)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(sys.prefix)
    assert not (REPO / "mlflow" / "__init__.py").exists()


@pytest.mark.parametrize("library", OWNERS)
def test_a_heavy_library_has_its_owners(library: str) -> None:
    users = [file for file in FILES if any(module.split(".")[0] == library for module in list_imports(file))]
    assert {name_of(file) for file in users if not {room_of(file), name_of(file)} & OWNERS[library]} == set()


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_nothing_is_imported_by_a_name_made_at_run_time(file: Path) -> None:
    """The closure of imports would not see it. `find_spec` and `version` look, and import nothing."""
    assert not {"importlib", "runpy"} & set(list_imports(file))
    assert not any(isinstance(node, ast.Name) and node.id == "__import__" for node in ast.walk(parse(file)))


def test_importing_the_package_imports_nothing_heavy() -> None:
    """All but HEAVY; the heavy libraries come when they are needed."""
    modules = [
        ".".join(file.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
        for file in FILES
        if name_of(file) not in HEAVY and file.stem != "__main__"
    ]
    code = f"import sys, {', '.join(modules)}; print(*sorted(set({list(OWNERS)!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PIPELINE)))
def test_a_module_is_small_and_says_what_it_is(file: Path) -> None:
    tree = parse(file)
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    assert not set(file.relative_to(REPO).with_suffix("").parts) & BANNED_NAMES
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and f"{name_of(file)}:{node.name}" not in LONG_FUNCTIONS:
            assert lines_of(node) <= MAX_FUNCTION_LINES, node.name
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("print", "sys.path.append", "sys.path.insert")


def lines_of(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring, which may be as long as its contract needs."""
    assert function.end_lineno is not None
    docstring = (ast.get_docstring(function, clean=False) or "").splitlines()
    return function.end_lineno - function.lineno + 1 - len(docstring)


def test_the_tests_mirror_the_package() -> None:
    """A module `pipeline/room/noun.py` has `tests/room/test_noun.py`, or its room's tests cover it as one."""
    tests = REPO / "tests"
    modules = [file for file in FILES if file.stem not in ("__init__", "__main__")]
    rooms_as_one = {room for room in AS_ONE if list((tests / room).glob("test_*.py"))}
    assert rooms_as_one == AS_ONE
    untested = {
        name_of(file)
        for file in modules
        if room_of(file) not in AS_ONE
        and not (tests / file.relative_to(PIPELINE).parent / f"test_{file.stem}.py").is_file()
    }
    assert untested - NEEDS_NO_TEST == set()
