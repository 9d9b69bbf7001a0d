"""A trained classifier as a folder: `model.keras`, and `classifier.json` with what it takes to use it."""

import io
import json
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from pipeline.images.recipe import Recipe
from pipeline.storage import write_whole

MODEL_FILE, SETTINGS_FILE = "model.keras", "classifier.json"
_METADATA = "metadata.json"


@dataclass(frozen=True)
class Settings:
    """How bytes become the pictures that the network was trained on, and what its outputs mean.

    Attributes:
        class_names: in the order of the network's outputs.
        test_mirror: answers are the mean over a picture and its mirror image.
    """

    class_names: tuple[str, ...]
    recipe: Recipe
    test_mirror: bool

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The settings from their JSON.

        Raises:
            ValueError, TypeError: keys are missing or unknown, or a value is not allowed.
        """
        if not isinstance(values, dict) or values.keys() != {field.name for field in fields(cls)}:
            raise ValueError(f"its keys are {', '.join(sorted(map(str, values)))}")
        names = values["class_names"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("class_names is no list of names")
        if not isinstance(values["test_mirror"], bool):
            raise TypeError("test_mirror is neither true nor false")
        recipe = Recipe.from_json(values["recipe"])
        return cls(tuple(names), recipe, values["test_mirror"])


def save_classifier(model: Any, settings: Settings, folder: Path) -> None:
    """Write a classifier folder from a `keras.Model`; each file appears whole."""
    with write_whole(folder / MODEL_FILE) as temporary:
        model.save(temporary)
        temporary.write_bytes(remove_dates(temporary.read_bytes()))
    with write_whole(folder / SETTINGS_FILE) as temporary:
        text = json.dumps(asdict(settings), indent=1, sort_keys=True, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def remove_dates(archive: bytes) -> bytes:
    """A .keras archive without the dates that Keras writes into it, so that equal weights are equal bytes."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(written, "w") as after:
        for name in sorted(before.namelist()):
            data = before.read(name)
            if name == _METADATA:
                data = json.dumps(json.loads(data) | {"date_saved": ""}, sort_keys=True).encode()
            after.writestr(zipfile.ZipInfo(name), data)
    return written.getvalue()
