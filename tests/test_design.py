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
from pipeline.params import read_yaml
from pipeline.paths import STAGES

REPO = Path(__file__).resolve().parents[1]
PIPELINE = REPO / "pipeline"
FILES = sorted(PIPELINE.rglob("*.py"))
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]

# What a stage imports and dvc.yaml leaves out, because it cannot change a byte of data.
NO_DATA = {
    f"pipeline/{name}.py"
    for name in ("__init__", "errors", "params", "paths", "progress", "runner", "runs", "tracking", "lineage")
}

# A heavy library, and the files (or packages) that may import it.
OWNERS = {
    "PIL": {"images"},
    "dvc": set(),
    "great_expectations": {"expectations"},
    "jax": {"device"},
    "keras": {
        "augmentations",
        "classifier",
        "device",
        "feed",
        "models",
        "observer",
        "optimizers",
        "trainee",
        "trainer",
    },
    "matplotlib": {"figures"},
    "mlflow": {"registry", "runs", "serving", "tracking"},
    "pdqhash": {"images"},
    "pooch": {"demos"},
    "sklearn": {"demos", "shortcuts"},
    "tensorflow": {"device"},
}
MAX_LINES, MAX_FUNCTION_LINES = 300, 50
LONG_FUNCTIONS = {"stages/train:main"}  # one straight story, by design
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
NEEDS_NO_TEST = {"errors"}


def name_of(file: Path) -> str:
    """A file of the package as "stages/train"; a package's parts as the package: "images"."""
    parts = file.relative_to(PIPELINE).with_suffix("").parts
    return "/".join(parts) if parts[0] == "stages" else parts[0]


def unit_of(file: Path) -> str:
    """A file as dvc.yaml names it: the file, or the whole folder where it is part of a package."""
    parts = file.relative_to(REPO).parts
    is_alone = len(parts) == 2 or parts[1] == "stages"
    return "/".join(parts) if is_alone else "/".join(parts[:2])


@functools.cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports_of(file: Path) -> Iterator[str]:
    """Every module that a file imports at run time, in functions too; `from a import b` gives a and a.b."""
    waiting: list[ast.AST] = [tree_of(file)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{file}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_of(module: str) -> list[Path]:
    """The files that run when a module of the package is imported: those of its packages, and its own."""
    parts = module.split(".")
    if parts[0] != "pipeline":
        return []
    own = [REPO.joinpath(*parts).with_suffix(".py"), REPO.joinpath(*parts, "__init__.py")]
    packages = [REPO.joinpath(*parts[:depth], "__init__.py") for depth in range(2, len(parts))]
    found = [file for file in own if file.is_file()]
    return [file for file in packages if file.is_file()] + found


def closure_of(file: Path) -> set[Path]:
    """A file, and all files of the package that it imports, directly or not."""
    found, waiting = set[Path](), [file]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += [other for module in imports_of(here) for other in files_of(module)]
    return found


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
    assert list(read_yaml(REPO / "params.yaml")) == ["data", *STAGES]
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
    files = closure_of(PIPELINE / "stages" / f"{stage}.py")
    needed = {unit_of(file) for file in files} - {"pipeline/stages/__init__.py", "pipeline/__init__.py"}
    listed = [dep for dep in chain()[stage]["deps"] if dep.startswith("pipeline/")]
    assert set(listed) == needed - NO_DATA
    assert listed == sorted(listed)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_writes_in_its_own_folder_and_reads_from_earlier_ones(stage: str) -> None:
    entry = chain()[stage]
    made = [name for kind in ("outs", "metrics", "plots") for name in paths_in(entry.get(kind, []))]
    assert f"data/{stage}/metrics.json" in made
    assert all(name.startswith(f"data/{stage}/") for name in made), made
    earlier = STAGES[: STAGES.index(stage)]
    read = {dep for dep in entry["deps"] if dep.startswith("data/")}
    by_people = {"data/overrides.csv"} if stage == "clean" else set()
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
    used = set(params_used(PIPELINE / "stages" / f"{stage}.py", set(values)))
    uncovered = {key for key in used if not any(f"{key}.".startswith(f"{name}.") for name in listed)}
    assert not uncovered


def params_used(file: Path, sections: set[str]) -> Iterator[str]:
    """`params.data.source` in a file as "data.source"; `params.data`, passed on whole, as "data"."""
    inner = {id(node.value) for node in ast.walk(tree_of(file)) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree_of(file)):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        head, *keys = ast.unparse(node).split(".")
        keys = [key.removesuffix("_") for key in keys]
        if head == "params" and keys[0] in sections:
            yield ".".join(keys)


@pytest.mark.parametrize("stage", ["validate", "clean"])
def test_the_source_is_a_plain_dependency(stage: str) -> None:
    assert chain()[stage]["deps"][0] == "${data.source}"


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
    users = {
        name_of(file) for file in FILES if any(module.split(".")[0] == library for module in imports_of(file))
    }
    assert users <= OWNERS[library]


def test_importing_the_package_imports_nothing_heavy() -> None:
    """All but the two files that MLflow itself loads; the heavy libraries come when they are needed."""
    modules = [
        ".".join(file.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
        for file in FILES
        if file.stem != "serving"
    ]
    code = f"import sys, {', '.join(modules)}; print(*sorted(set({list(OWNERS)!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PIPELINE)))
def test_a_module_is_small_and_says_what_it_is(file: Path) -> None:
    tree = tree_of(file)
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
    modules = {name_of(file) for file in FILES if file.parent != PIPELINE / "stages"} - {"__init__"}
    tested = {file.stem.removeprefix("test_") for file in (REPO / "tests").glob("test_*.py")}
    tested |= {folder.name for folder in (REPO / "tests").iterdir() if list(folder.glob("test_*.py"))}
    assert modules - tested - NEEDS_NO_TEST == set()
