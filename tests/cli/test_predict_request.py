"""What the command is asked to do: where files go, and what an earlier run must agree in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.model_choice import Choice
from pipeline.cli.predict_request import Request
from pipeline.errors import ParamsError
from pipeline.images.framing import Framing
from pipeline.serving.training_facts import FACTS_FILE, TrainingFacts, summarise_facts, write_facts
from tests.toy_classifier import save_toy_classifier


@pytest.fixture
def chosen(tmp_path: Path) -> Choice:
    save_toy_classifier(tmp_path / "classifier")
    return Choice(tmp_path / "classifier", "model")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans/a.png").write_bytes(b"x")
    return tmp_path / "scans"


def test_an_answer_goes_to_its_folder_and_review_where_it_is_asked_for(
    tmp_path: Path, scans: Path, chosen: Choice
) -> None:
    def list_places(**more: Any) -> dict[str, str]:
        answers = Request([scans], **more).plan(chosen).answers
        folders = answers.folders._places.folders if answers.folders else {}
        return {answer: str(path.relative_to(tmp_path)) for answer, path in folders.items()}

    out, look = tmp_path / "out", tmp_path / "look"
    assert list_places() == {}
    named = {"light": "out/light", "dark": "out/dark", "odd": "out/odd"}
    assert list_places(sort_into=out) == named | {"review": "out/review"}
    assert list_places(sort_into=out, review_into=look) == named | {"review": "look"}
    assert list_places(review_into=look) == {"review": "look"}


def test_the_journal_lies_beside_what_is_made(scans: Path) -> None:
    asked = Request([scans])
    assert asked.journal is None
    assert replace(asked, sort_into=Path("d")).journal == Path("d.part")
    assert replace(asked, sort_into=Path("d"), out=Path("e/x.csv")).journal == Path("e/x.csv.part")


def test_an_earlier_run_must_agree_in_model_options_and_files(
    tmp_path: Path, scans: Path, chosen: Choice
) -> None:
    asked = Request([scans], out=tmp_path / "a.csv")
    mine = asked.find().describe_origin(chosen)
    assert asked.find().describe_origin(chosen) == mine
    changes: list[dict[str, Any]] = [
        {"top": 2},
        {"out": tmp_path / "a.jsonl"},
        {"sort_into": tmp_path / "d"},
        {"review_into": tmp_path / "d"},
        {"fit": "crop"},
        {"content": 0.5},
        {"invert": "yes"},
    ]
    others = [replace(asked, **change).find().describe_origin(chosen) for change in changes]
    assert len({other.options for other in others} | {mine.options}) == len(changes) + 1
    assert {(other.model, other.files) for other in others} == {(mine.model, mine.files)}
    (scans / "b.png").write_bytes(b"y")
    assert asked.find().describe_origin(chosen) == mine._replace(
        files=asked.find().describe_origin(chosen).files
    )
    assert asked.find().describe_origin(chosen).files != mine.files
    (chosen.folder / "answers.json").write_text("{}")
    assert asked.find().describe_origin(chosen).model != mine.model


def test_what_it_writes_among_the_scans_is_none_of_them(scans: Path) -> None:
    asked = Request([scans], out=scans / "a.csv")
    before = asked.find()
    (scans / "a.csv.part").write_bytes(b"")
    assert asked.find().found[0].entries == before.found[0].entries


@pytest.mark.parametrize(
    ("options", "dark_training", "expected"),
    [
        pytest.param({}, True, None, id="as-trained"),
        pytest.param({"fit": "crop"}, True, None, id="another-fit"),
        pytest.param({"content": 0.7, "invert": "auto"}, True, Framing(0.7, "auto", True), id="dark"),
        pytest.param({"invert": "auto"}, False, Framing(None, "auto", False), id="light"),
        pytest.param({"invert": "auto"}, None, Framing(None, "auto", None), id="not-known"),
    ],
)
def test_the_training_decides_what_is_inverted(
    options: dict[str, Any], dark_training: bool | None, expected: Framing | None, scans: Path, chosen: Choice
) -> None:
    if dark_training is not None:
        border = {"border_brightness": [0.0 if dark_training else 1.0] * 9}
        write_facts(TrainingFacts(summarise_facts(border), 9, 0, 1), chosen.folder / FACTS_FILE)
    plan = Request([scans], **options).plan(chosen)
    assert plan.framing == expected
    fit = options.get("fit", "pad" if "content" in options else "stretch")
    assert plan.recipe.fit == fit


def test_no_folder_is_made_in_one_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").touch()
    for name in ("missing/b.csv", "missing/a.csv/b.csv"):
        with pytest.raises(ParamsError, match="which is read; name a folder outside it"):
            Request([tmp_path / "in"], out=tmp_path / "in" / name).find()
    assert Request([tmp_path / "in"], out=tmp_path / "in" / "b.csv").find().found
    assert Request([tmp_path / "in"], out=tmp_path / "new" / "b.csv").find().found


def test_links_into_archives_are_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", b"x")
    with pytest.raises(ParamsError, match="can only be copied; use --link copy"):
        Request([tmp_path / "a.zip"], sort_into=tmp_path / "d", link="sym").find()
