"""console: file names with square brackets come out as they are, and headings stand before their texts."""

import pytest

from pipeline.cli.console import make_console, make_grid


@pytest.mark.parametrize("stderr", [False, True], ids=["stdout", "stderr"])
def test_texts_come_out_as_they_are(stderr: bool, capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]a[/bold] :smile: 12 'b' [red] -1.png"
    make_console(stderr=stderr).print(text, soft_wrap=True)
    said = capsys.readouterr()
    assert (said.err if stderr else said.out) == f"{text}\n"
    assert (said.out if stderr else said.err) == ""


def test_headings_and_texts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    make_console().print(make_grid([("key", "[a]/b.png"), ("long heading", "word " * 5)]))
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "key           [a]/b.png",
        "long heading  word word word",
        "              word word",
    ]
