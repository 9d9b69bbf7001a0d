"""Run a script of another tool in that tool's environment, then say as JSON what came of it.

The scripts stay what a user writes: what the comparison asks for is read here from the names that they leave.

Run: python watch.py TOOL SCRIPT REPORT TEST BROKEN ARGUMENTS...
TEST is a folder of folders of pictures, BROKEN a folder of files that are none. Nothing is reported where
TEST is "": then only the end of the script counts.
"""

import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    start = time.perf_counter()
    tool, script, report, test, broken = sys.argv[1:6]
    sys.argv = [script, *sys.argv[6:]]
    scope = runpy.run_path(script, run_name="__main__")
    seconds = time.perf_counter() - start
    if not test:
        return
    train, val, claimed = FOUND[tool](scope)
    files = sorted(str(path) for path in Path(test).glob("*/*"))
    said = {
        "seconds": seconds,
        "train": [str(path) for path in train],
        "val": [str(path) for path in val],
        "claimed": float(claimed),
        "answers": dict(zip(files, ASK[tool](scope, files), strict=True)),
        "broken": {path.name: ask_broken(tool, scope, path) for path in sorted(Path(broken).iterdir())},
    }
    Path(report).write_text(json.dumps(said))


def ask_broken(tool: str, scope: dict[str, Any], path: Path) -> str:
    """The class that is answered for a broken file, or the exception that ends the script."""
    try:
        return f"guess: {ASK[tool](scope, [str(path)])[0]}"
    except Exception as error:  # noqa: BLE001 (whatever a tool raises here ends its user's script)
        return f"crash: {type(error).__name__}: {error}"


def found_by_fastai(scope: dict[str, Any]) -> tuple[Any, Any, float]:
    dls = scope["dls"]
    return dls.train_ds.items, dls.valid_ds.items, scope["learn"].recorder.values[-1][-1]


def found_by_autogluon(scope: dict[str, Any]) -> tuple[Any, Any, float]:
    learner = scope["predictor"]._learner  # it says nowhere else what it held out
    return learner._train_data["image"], learner._tuning_data["image"], learner.fit_summary()["val_accuracy"]


def found_by_keras(scope: dict[str, Any]) -> tuple[Any, Any, float]:
    return scope["train"].file_paths, scope["val"].file_paths, scope["history"].history["val_accuracy"][-1]


def ask_fastai(scope: dict[str, Any], files: list[str]) -> list[str]:
    learn = scope["learn"]
    y_prob, _ = learn.get_preds(dl=learn.dls.test_dl(files))
    return [learn.dls.vocab[index] for index in y_prob.argmax(1)]


def ask_autogluon(scope: dict[str, Any], files: list[str]) -> list[str]:
    return [str(label) for label in scope["predictor"].predict({"image": files}, as_pandas=False)]


def ask_keras(scope: dict[str, Any], files: list[str]) -> list[str]:
    from keras.utils import img_to_array, load_img

    pixels = [
        img_to_array(load_img(file, target_size=(224, 224), interpolation="bilinear")) for file in files
    ]
    indices = scope["model"].predict(np.stack(pixels)).argmax(axis=1)
    return [scope["train"].class_names[index] for index in indices]


FOUND = {"fastai": found_by_fastai, "AutoGluon": found_by_autogluon, "Keras": found_by_keras}
ASK = {"fastai": ask_fastai, "AutoGluon": ask_autogluon, "Keras": ask_keras}

if __name__ == "__main__":
    main()
