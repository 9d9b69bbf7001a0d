"""`darkroom check`: everything that would stop the chain, told at once."""

from typing import TYPE_CHECKING

import typer

from pipeline.cli.console import make_console

if TYPE_CHECKING:
    from pipeline.setup.problems import Findings


def check() -> None:
    """Check params.yaml, the pictures, the model, the disk and the tracking server before anything runs."""
    from pipeline.paths import Paths, project_root
    from pipeline.setup.problems import find_problems

    if not report(find_problems(Paths(project_root()))):
        raise typer.Exit(1)


def report(found: "Findings") -> bool:
    """Print what was found; whether the chain can run."""
    errors, console = make_console(stderr=True), make_console()
    for problem in found.problems:
        errors.print(f"error: {problem}", style="red", soft_wrap=True)
    for note in found.notes:
        errors.print(f"note: {note}", style="yellow", soft_wrap=True)
    if found.problems:
        n = len(found.problems)
        errors.print(f"{n} problem{'s'[: n > 1]}; nothing was run", soft_wrap=True)
    elif found.params is not None:
        console.print(f"ready: {found.describe()}", soft_wrap=True)
    return not found.problems
