"""model_card: the head that Hugging Face reads, counts, limits; names in any script; the same each time."""

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.evidence.examination import Judgement
from pipeline.evidence.model_card import Described, build_card, write_card

NAMES = ("Foto|1", "<b>绘画")
COUNTS = {part: dict(zip(NAMES, n, strict=True)) for part, n in (("train", (1200, 7)), ("test", (40, 0)))}
DESCRIBED = Described("my scans", "compact", (32, 48), COUNTS, {"epochs": 20, "n_parameters": 71034})
SCORES = {"overall/x": 0.5, "overall/x_low": 0.4} | {
    "accuracy": 0.925,
    "accuracy_low": 0.8,
    "accuracy_high": 0.98,
    "n_test": 40,
}
JUDGED = (
    Judgement("How often?", "<b>92.5%</b> of 40", "good"),
    Judgement("New sources?", "Not known (<code>split.fold_by</code>) &amp; a &lt;b&gt; c", "unknown"),
)


def write(folder: Path) -> tuple[dict[str, Any], str]:
    paths = {"data": folder / "card.json", "text": folder / "card.md"}
    write_card(build_card(DESCRIBED, SCORES, JUDGED), **paths)
    return json.loads(paths["data"].read_text("utf-8")), paths["text"].read_text("utf-8")


def test_its_head_is_that_of_hugging_face(tmp_path: Path) -> None:
    card, text = write(tmp_path)
    _, head, body = text.split("---\n", 2)
    assert YAML(typ="safe").load(head) == card["card_data"]
    assert card["card_data"]["pipeline_tag"] == "image-classification"
    result = card["card_data"]["model-index"][0]["results"][0]
    assert result["metrics"] == [{"type": "accuracy", "name": "accuracy", "value": 0.925}]
    assert body.lstrip().startswith("# my scans")


def test_it_says_what_for_of_what_how_good_and_where_it_ends(tmp_path: Path) -> None:
    card, text = write(tmp_path)
    assert card["intended_use"].startswith("Sorts pictures into 2 classes: Foto|1, <b>绘画.")
    assert "\ncompact with 71,034 weights, pictures of 32 x 48 pixels." in text
    assert (
        "| class | train | test |\n|---|---:|---:|\n| Foto&#124;1 | 1,200 | 40 |\n| &#60;b&#62;绘画 | 7 | 0 |"
        in text
    )
    assert "## Evaluation\n\n- **How often?** 92.5% of 40" in text
    asked = [(one["question"], one["answer"], one["state"]) for one in card["evaluation"]]
    assert asked[1] == ("New sources?", "Not known (split.fold_by) & a <b> c", "unknown")
    assert "## Limits\n\n- **New sources?** Not known (split.fold&#95;by) &#38; a &#60;b&#62; c" in text
    assert "3. Run `dvc repro`." in text
    assert write(tmp_path) == (card, text)


def test_it_says_nothing_twice(tmp_path: Path) -> None:
    lines = [line for line in write(tmp_path)[1].split("---\n", 2)[2].splitlines() if line.startswith("- ")]
    assert len(lines) == len(set(lines))
    assert sum("New sources" in line for line in lines) == 1
