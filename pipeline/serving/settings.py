"""A trained classifier as a folder: `model.keras`, and `classifier.json` with what it takes to use it."""

import io
import json
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from pipeline.errors import ModelError, one_line
from pipeline.images.recipe import Recipe
from pipeline.json_file import load_json
from pipeline.storage import write_whole

MODEL_FILE, SETTINGS_FILE = "model.keras", "classifier.json"
REPAIR = "get a whole copy (`dvc checkout` brings back that of the last run)"  # of a damaged folder
_METADATA, _CONFIG, _SHARED = "metadata.json", "config.json", "shared_object_id"  # in the archive


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
            raise ValueError(
                f"its keys are {', '.join(sorted(map(str, values)))}: another version of Darkroom may have "
                "made it (`mlflow models serve` runs a registered model with the code of that version)"
            )
        names = values["class_names"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("class_names is no list of names")
        if not isinstance(values["test_mirror"], bool):
            raise TypeError("test_mirror is neither true nor false")
        recipe = Recipe.from_json(values["recipe"])
        return cls(tuple(names), recipe, values["test_mirror"])


def read_settings(folder: Path) -> Settings:
    """The settings of a classifier folder, without its network.

    Raises:
        ModelError: the folder is missing or damaged.
    """
    if not (folder / MODEL_FILE).is_file() or not (folder / SETTINGS_FILE).is_file():
        raise ModelError(
            f"{folder} is not a classifier ({MODEL_FILE} and {SETTINGS_FILE}); `dvc repro` makes one in "
            "data/train/classifier"
        )
    try:
        return Settings.from_json(load_json(folder / SETTINGS_FILE))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(f"{folder} is damaged: {one_line(error)}; {REPAIR}") from None


def save_classifier(model: Any, settings: Settings, folder: Path) -> None:
    """Write a classifier folder from a `keras.Model`; each file appears whole."""
    with write_whole(folder / MODEL_FILE) as temporary:
        model.save(temporary)
        temporary.write_bytes(make_reproducible(temporary.read_bytes()))
    with write_whole(folder / SETTINGS_FILE) as temporary:
        text = json.dumps(asdict(settings), indent=1, sort_keys=True, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def make_reproducible(archive: bytes) -> bytes:
    """A .keras archive without what differs between equal models: equal weights are equal bytes.

    Keras writes dates into it, and addresses in memory as the numbers of shared objects.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(written, "w") as after:
        for name in sorted(before.namelist()):
            data = before.read(name)
            if name == _METADATA:
                data = json.dumps(json.loads(data) | {"date_saved": ""}, sort_keys=True).encode()
            elif name == _CONFIG:
                data = json.dumps(_number_shared(json.loads(data), {})).encode()
            after.writestr(zipfile.ZipInfo(name), data)
    return written.getvalue()


def _number_shared(config: Any, numbers: dict[int, int]) -> Any:
    """A Keras configuration in which shared objects are numbered from 1, in their order."""
    if isinstance(config, list):
        return [_number_shared(one, numbers) for one in config]
    if not isinstance(config, dict):
        return config
    found = {key: _number_shared(value, numbers) for key, value in config.items()}
    if _SHARED in found:
        found[_SHARED] = numbers.setdefault(found[_SHARED], len(numbers) + 1)
    return found
