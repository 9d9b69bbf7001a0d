"""What a stage imports, file by file: the closure that dvc.yaml must list, and that its test computes."""

import ast
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PIPELINE = REPO / "pipeline"

# What a stage imports and dvc.yaml leaves out: it cannot change a byte of data, nor can what only it imports.
NO_DATA = {
    *(
        f"pipeline/{name}.py"
        for name in ("__init__", "errors", "json_file", "param_types", "params", "paths")
    ),
    *(f"pipeline/{name}.py" for name in ("params_file", "progress", "runner", "storage", "yaml_file")),
    *(f"pipeline/backend/{name}.py" for name in ("meeting", "peers")),
    *(
        f"pipeline/tracking/{name}.py"
        for name in (
            *(
                "artifacts",
                "connection",
                "inputs",
                "lineage",
                "packaging",
                "processes",
                "relocation",
                "replay",
                "row_names",
                "runs",
                "server",
                "spool",
                "stored_models",
                "views",
            ),
        )
    ),
}

BY_THE_RUNNER = {"pipeline/metrics_file.py"}  # how the runner writes the metrics of every stage


@functools.cache
def parse(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def list_imports(file: Path) -> Iterator[str]:
    """Every module that a file imports at run time, in functions too; `from a import b` gives a and a.b."""
    waiting: list[ast.AST] = [parse(file)]
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
        elif isinstance(node, ast.List):
            yield from _list_started(node)


def _list_started(node: ast.List) -> Iterator[str]:
    """What `[sys.executable, "-m", "pipeline.workers"]` runs in a process of its own."""
    words = [one.value if isinstance(one, ast.Constant) else None for one in node.elts]
    for flag, module in itertools.pairwise(words):
        if flag == "-m" and isinstance(module, str):
            yield from (module, f"{module}.__main__")


def list_resources(file: Path) -> Iterator[Path]:
    """The files beside a module, other than code, that it names in a text: page.css of page.py."""
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isprintable():
            beside = file.parent / node.value
            is_name = 0 < len(node.value) < 100 and len(Path(node.value).parts) == 1
            if is_name and beside.is_file() and beside != file:
                yield beside


def list_files(module: str) -> list[Path]:
    """The files that run when a module of the package is imported: those of its packages, and its own."""
    parts = module.split(".")
    if parts[0] != "pipeline":
        return []
    own = [REPO.joinpath(*parts).with_suffix(".py"), REPO.joinpath(*parts, "__init__.py")]
    packages = [REPO.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts))]
    return [file for file in (*packages, *own) if file.is_file()]


def close_over(file: Path) -> set[Path]:
    """A file, all files of the package that it imports, directly or not, and what these name beside them.

    It does not go through NO_DATA.

    A room's `__init__` that holds a docstring only cannot change anything, and is left out.
    """
    found, waiting = set[Path](), [file]
    while waiting:
        here = waiting.pop()
        if here not in found and here.relative_to(REPO).as_posix() not in NO_DATA:
            found.add(here)
            waiting += [other for module in list_imports(here) for other in list_files(module)]
    code = {one for one in found if one.name != "__init__.py" or len(parse(one).body) > 1}
    return code | {resource for one in code for resource in list_resources(one)}


def list_code_of(stage: str) -> list[str]:
    """The code that a stage's entry in dvc.yaml must name, sorted: paths from the repository's root."""
    files = close_over(PIPELINE / "stages" / f"{stage}.py")
    return sorted({file.relative_to(REPO).as_posix() for file in files} | BY_THE_RUNNER)
