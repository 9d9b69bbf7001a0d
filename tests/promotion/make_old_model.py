"""How `old_model.zip` was made. It was run once, by the code of its day, and must not be run again.

A champion that an older Darkroom registered is still scored, served and rolled back to. Only a model that no
later change of the package touches can show that. The archive holds:

- `model/`: a logged model as `log_model` wrote it, with its rule and its answers to its test pictures. Of the
  packaged code it holds the files that a served model can import, and no others.
- `golden.json`: those pictures by id, as base64, and the probabilities of the model for each.

Nothing in it names the machine that made it.

Run: python -m tests.promotion.make_old_model TARGET.zip
"""

import base64
import getpass
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from tests.closures import list_files, list_imports
from tests.toy_classifier import save_toy_classifier

PACKAGE = Path(pipeline.__file__).parent
NAMES = ("light", "dark", "odd")
N_PICTURES, N_LIGHT = 12, 6  # the others are dark; none is odd
ANYWHERE = "/project"  # in place of the folder that it was made in


def main() -> None:
    """Make the archive."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        pictures = draw_pictures()
        save_toy_classifier(folder / "classifier")
        golden = answer(folder, pictures)
        model = log(folder)
        forget_machine(model, str(folder))
        keep_imported(model / "code" / "pipeline")
        write_archive(model, golden, Path(sys.argv[1]))


def draw_pictures() -> dict[str, bytes]:
    """PNG images by the sha256 of their bytes: noise around a level of grey, of another size each."""
    from PIL import Image

    random, found = np.random.default_rng(16), {}
    levels = [*np.linspace(118, 245, N_LIGHT), *np.linspace(10, 112, N_PICTURES - N_LIGHT)]
    for number, level in enumerate(levels):
        noise = random.normal(level, 8, (8 + number, 12))
        stream = io.BytesIO()
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(stream, "PNG")
        found[hashlib.sha256(stream.getvalue()).hexdigest()] = stream.getvalue()
    return found


def answer(folder: Path, pictures: dict[str, bytes]) -> dict[str, Any]:
    """Let the classifier answer, and write its rule and its exam as evaluate and promote do."""
    from pipeline.images.picture import develop
    from pipeline.serving.answer_rule import ANSWERS_FILE, AnswerRule, write_rule
    from pipeline.serving.classifier import Classifier
    from pipeline.tables.parquet import build_table, write_table
    from pipeline.tables.predictions import PREDICTIONS
    from pipeline.tracking.packaging import EXAM

    rule = AnswerRule(temperature=1.5, min_probability=0.6, chosen_on="val")
    write_rule(rule, {"min_precision": 0.95}, folder / "classifier" / ANSWERS_FILE)
    classifier = Classifier.load(folder / "classifier")
    recipe = classifier.settings.recipe
    y_prob = classifier.predict_pictures(np.stack([develop(data, recipe) for data in pictures.values()]))
    rows = []
    for number, (name, row) in enumerate(zip(pictures, y_prob, strict=True)):
        y_true, y_pred = int(number >= N_LIGHT), int(row.argmax())
        said = {"y_true": y_true, "y_pred": y_pred, "probability": float(row.max()), "y_prob": row.tolist()}
        named = {"class_name": NAMES[y_true], "predicted": NAMES[y_pred]}
        rows.append({"id": name, "key": f"{NAMES[y_true]}/{number}.png"} | named | said)
    (folder / EXAM).mkdir()
    write_table(build_table(rows, PREDICTIONS, sort_by="id"), folder / EXAM / "predictions.parquet")
    (folder / EXAM / "classes.json").write_text(json.dumps(NAMES), encoding="utf-8")
    return {
        "class_names": NAMES,
        "pictures": {name: base64.b64encode(data).decode() for name, data in pictures.items()},
        "y_prob": dict(zip(pictures, y_prob.tolist(), strict=True)),
    }


def log(folder: Path) -> Path:
    """The folder of the logged model, out of a database that is made for it."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)
    from pipeline.tracking.connection import connect
    from pipeline.tracking.packaging import EXAM, log_model
    from pipeline.tracking.runs import create_run

    client = connect(folder)
    run = create_run(client, folder, "promote", row=True, tags={})
    made = log_model(client, run.run_id, folder / "classifier", exam=folder / EXAM)
    from mlflow.artifacts import download_artifacts

    return Path(download_artifacts(artifact_uri=made.uri, dst_path=str(folder / "logged")))


def forget_machine(model: Path, folder: str) -> None:
    """Put ANYWHERE in place of the folders, and see that nothing else names this machine or its user."""
    private = {sys.prefix, platform.node(), getpass.getuser(), str(Path.home())}
    for path in filter(Path.is_file, model.rglob("*")):
        data = path.read_bytes()
        for place in (folder, str(PACKAGE.parent)):
            data = data.replace(place.encode(), ANYWHERE.encode())
        path.write_bytes(data)
        if not path.is_relative_to(model / "code"):  # which is the code of the repository
            named = [word for word in private if word.encode() in data]
            assert not named, f"{path} names {named}"


def keep_imported(package: Path) -> None:
    """Remove from the packaged code what a served model cannot import."""
    found, waiting = set[Path](), [PACKAGE / "serving" / "pyfunc.py", PACKAGE / "workers" / "__main__.py"]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += [other for module in list_imports(here) for other in list_files(module)]
            waiting += [one for one in (here.parent / "__init__.py",) if one.is_file()]
    kept = {file.relative_to(PACKAGE) for file in found}
    for path in [*filter(Path.is_file, package.rglob("*"))]:
        if path.relative_to(package) not in kept:
            path.unlink()
    for path in [*filter(Path.is_dir, package.rglob("*"))]:
        if path.exists() and not [*filter(Path.is_file, path.rglob("*"))]:
            shutil.rmtree(path)


def write_archive(model: Path, golden: dict[str, Any], target: Path) -> None:
    """Write the archive, without dates and owners."""
    with zipfile.ZipFile(target, "w") as archive:
        files = {f"model/{path.relative_to(model).as_posix()}": path for path in model.rglob("*")}
        data = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
        data["golden.json"] = json.dumps(golden, indent=1).encode()
        for name in sorted(data):
            archive.writestr(zipfile.ZipInfo(name), data[name], zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main()
