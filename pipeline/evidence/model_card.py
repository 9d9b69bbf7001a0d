"""The model card: what the model is for, what it was made of, how good it is, where it ends.

After Mitchell et al. (2019), "Model cards for model reporting", with the fields of a Hugging Face card. It
holds no date and no path, so that it is the same each time; the row in MLflow has both.
"""

import html
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.characters import say_count
from pipeline.evidence.examination import Judgement
from pipeline.storage import write_whole

_REPRODUCE = (
    "Check out the commit that holds the `dvc.lock` of this model: the md5 of all data, code and outputs. "
    "Its row in MLflow names the commit on which it was made. If files differed from it (`git.dirty`), "
    "`dvc.lock` is in the next one; that of an experiment comes back with `dvc exp apply`.",
    "Put the collection where `data.source` in `params.yaml` says, or fetch it with `dvc pull`.",
    "Run `dvc repro`.",
)
_OUT_OF_SCOPE = (
    "Pictures of other classes: it knows no others, and names one of these, or `review`.",
    "Pictures unlike those it was tested on: for these, its scores promise nothing.",
    "Decisions about people.",
)
_NOTHING = {False: "Each answer has a limit; see below.", True: "None was found."}


@dataclass(frozen=True)
class Described:
    """What a card says of a model that its scores do not.

    Attributes:
        name: of the collection.
        network: what was trained.
        image_hw: height and width of its pictures, in pixels.
        n_pictures: of each class, by part (train, val, test).
        training: numbers about the training.
    """

    name: str
    network: str
    image_hw: tuple[int, int]
    n_pictures: Mapping[str, Mapping[str, int]]
    training: Mapping[str, float]


def build_card(
    described: Described, scores: Mapping[str, float], judgements: Sequence[Judgement]
) -> dict[str, Any]:
    """The card as plain values; `card_data` is the head of a Hugging Face card.

    Args:
        scores: headline metrics, with their intervals.
        judgements: the report's first page.
    """
    classes = list(described.n_pictures["test"])
    metrics = [
        {"type": name, "name": name.replace("_", " "), "value": value}
        for name, value in scores.items()
        if f"{name}_low" in scores and "/" not in name
    ]
    tested = {
        "task": {"type": "image-classification"},
        "dataset": {"type": described.name, "name": described.name, "split": "test"},
        "metrics": metrics,
    }
    return {
        "card_data": {
            "library_name": "keras",
            "license": "unknown",
            "pipeline_tag": "image-classification",
            "tags": ["image-classification", "keras", "darkroom"],
            "datasets": [described.name],
            "metrics": [one["type"] for one in metrics],
            "model-index": [{"name": described.name, "results": [tested]}],
        },
        "intended_use": f"Sorts pictures into {say_count(len(classes), 'class', 'classes')}: "
        f"{', '.join(classes)}. Where it is not sure enough, its answer is review: a person should look.",
        "out_of_scope": list(_OUT_OF_SCOPE),
        "model": {"network": described.network, "image_hw": list(described.image_hw)},
        "data": {"name": described.name, "pictures": {k: dict(v) for k, v in described.n_pictures.items()}},
        "training": dict(described.training),
        "scores": dict(scores),
        "evaluation": [
            {"question": one.question, "answer": _to_text(one.words), "state": one.state}
            for one in judgements
        ],
        "how_to_reproduce": list(_REPRODUCE),
    }


def write_card(card: Mapping[str, Any], *, data: Path, text: Path) -> None:
    """Write the card as JSON and, for people, as Markdown with the head that Hugging Face reads."""
    with write_whole(data) as temporary:
        temporary.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    with write_whole(text) as temporary:
        temporary.write_text("\n".join(_render(card)) + "\n", encoding="utf-8")


def _to_text(words: str) -> str:
    """HTML as plain text."""
    return html.unescape(re.sub(r"<[^>]*>", "", words))


def _render(card: Mapping[str, Any]) -> Iterator[str]:
    head = io.StringIO()
    yaml = YAML()
    yaml.width = 10_000
    yaml.dump(card["card_data"], head)
    yield f"---\n{head.getvalue().rstrip()}\n---\n"
    yield f"# {_escape(card['data']['name'])}\n"
    height, width = card["model"]["image_hw"]
    training = dict(card["training"])
    n = training.pop("n_parameters", None)
    size = f" with {say_count(n, 'weight')}" if n else ""
    yield f"{card['model']['network']}{size}, pictures of {height} x {width} pixels. Made by Darkroom.\n"
    yield f"## Intended use\n\n{_escape(card['intended_use'])}\n"
    yield from ("## Out of scope\n", *_list(card["out_of_scope"]))
    yield from ("## Data\n", *_render_pictures(card["data"]["pictures"]))
    trained = [f"{name.replace('_', ' ')}: {_format(value)}" for name, value in training.items()]
    yield from ("## Training\n", *_list(trained))
    for heading, is_limit in (("Evaluation", False), ("Limits", True)):
        said = [
            f"**{_escape(one['question'])}** {_escape(one['answer'])}"
            for one in card["evaluation"]
            if (one["state"] != "good") == is_limit
        ]
        yield from (f"## {heading}\n", *_list(said or [_NOTHING[is_limit]]))
    yield "## How to reproduce\n"
    yield from (f"{number}. {line}" for number, line in enumerate(card["how_to_reproduce"], start=1))


def _render_pictures(pictures: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    yield f"| class | {' | '.join(pictures)} |"
    yield f"|---|{'---:|' * len(pictures)}"
    for name in pictures["test"]:
        cells = (f"{of_class[name]:,}" for of_class in pictures.values())
        yield f"| {_escape(name)} | {' | '.join(cells)} |"
    yield ""


def _list(lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines)
    yield ""


def _format(value: float) -> str:
    return f"{value:,}" if value == int(value) else f"{value:.3g}"


def _escape(text: str) -> str:
    """Text as Markdown that shows it as it is: a name may hold what is taken for a table, a link or HTML."""
    return re.sub(r"[\\`*_\[\]|<>&]", lambda found: f"&#{ord(found[0])};", text)
