"""`darkroom check`: exit codes, and all problems as lines."""

from collections.abc import Callable

from pipeline.paths import Paths

Darkroom = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


def test_problems_are_lines_on_stderr(darkroom: Darkroom, project: Paths) -> None:
    code, said, error = darkroom("check")
    assert (code, said) == (1, "")
    lines = error.splitlines()
    assert [line[:22] for line in lines[:3]] == [
        "error: class 'circle' ",
        "error: class 'line' ha",
        "error: class 'square' ",
    ]
    assert lines[3].startswith("note: data.name is 'digits'")
    assert lines[4] == "3 problems; nothing was run"


def test_ready(darkroom: Darkroom, project: Paths) -> None:
    text = project.params.read_text().replace("min_images_per_class: 20", "min_images_per_class: 5")
    project.params.write_text(text.replace("name: digits", "name: shapes"))
    code, said, error = darkroom("check")
    assert (code, error) == (0, "")
    assert said == "ready: 30 files in 3 classes, compact at 16x16; called 'shapes'\n"
