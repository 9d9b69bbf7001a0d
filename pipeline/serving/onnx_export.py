"""A classifier for people who serve without TensorFlow: the network as ONNX, and in words what is around it.

The converter is Keras' own, which asks for tf2onnx. The network takes developed pictures. Decoding, resizing
and the rule of the answers are not part of ONNX, so they are written down beside it.
"""

import re
import shutil
import warnings
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.characters import escape, say_count
from pipeline.errors import ModelError, one_line
from pipeline.images.recipe import Recipe
from pipeline.serving.answer_rule import ANSWERS_FILE, name_review, write_rule
from pipeline.serving.classifier import Classifier
from pipeline.serving.settings import SETTINGS_FILE
from pipeline.storage import write_whole

ONNX_FILE, README_FILE = "model.onnx", "README.md"
TOLERANCE = 1e-4  # of a probability
_N_CHECKED = 32  # pictures of noise that both answer

_README = """# {name}, as ONNX

{said}

`{onnx}` takes pictures as `{input}, {shape}], and gives each a row of probabilities, in this order:

{listed}

A picture is made as those that the network learned from: turned upright, {colours}, {fitted}.
`{resample}` is Pillow's, which widens its filter when it makes a picture smaller. OpenCV's does not, and
gives another picture.

```python
{code}
```

Then the answer is chosen:

{steps}

`{settings}` and `{answers}` hold the same for programs. Both networks answered {n_checked} pictures, and
no probability differs by more than {worst:.0e}.
"""
_CODE = """\
import json, numpy as np, onnxruntime
from PIL import Image, ImageOps

names = json.load(open("{settings}", encoding="utf-8"))["class_names"]
picture = ImageOps.exif_transpose(Image.open("scan.png")).convert("{mode}")
picture = np.asarray({fitted}, "{dtype}").reshape(1, {shape})
p = onnxruntime.InferenceSession("{onnx}").run(None, {{"{input}": picture}})[0][0]
print(names[p.argmax()], p.max())"""
_FITTED = {
    "stretch": "picture.resize({size}, {how})",
    "pad": 'ImageOps.pad(picture, {size}, {how}, color="white")',
    "crop": "ImageOps.fit(picture, {size}, {how})",
}


def export_onnx(classifier: Classifier, folder: Path, into: Path, *, title: str) -> float:
    """Write `model.onnx`, the settings, the rule and a README; the largest difference of a probability.

    Args:
        folder: of the classifier.
        into: a folder that is empty, or does not exist.
        title: in one line what is known of the model: its name, then, behind a comma or a colon, the rest.

    Raises:
        ModelError: the libraries are not installed, the network cannot be converted, or answers otherwise.
    """
    try:
        import onnxruntime
        import tf2onnx  # noqa: F401 - Keras asks for it
    except ImportError as error:
        raise ModelError(
            f"exporting needs {error.name}, which is not installed; `uv pip install -e '.[onnx]'` adds it"
        ) from None
    network = classifier.network
    shape = classifier.settings.recipe.picture_shape
    noise = np.random.default_rng(0).integers(0, 256, (_N_CHECKED, *shape), dtype=np.uint8)
    into.mkdir(parents=True, exist_ok=True)
    with write_whole(into / ONNX_FILE) as temporary:
        try:
            expected = np.asarray(network(noise))  # Keras exports only what was called
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # tf2onnx asks NumPy for names of long ago
                network.export(str(temporary), format="onnx", verbose=False)
            session = onnxruntime.InferenceSession(temporary, providers=["CPUExecutionProvider"])
            taken = session.get_inputs()[0]
            dtype = "uint8" if taken.type == "tensor(uint8)" else "float32"
            worst = float(np.abs(session.run(None, {taken.name: noise.astype(dtype)})[0] - expected).max())
        except Exception as error:  # noqa: BLE001 - a converter raises whatever its parts raise
            raise ModelError(f"this network cannot be written as ONNX: {one_line(error)}") from None
        if not worst <= TOLERANCE:
            raise ModelError(
                f"as ONNX the network answers otherwise, by {worst:.2g} in a probability "
                f"(allowed: {TOLERANCE:g})"
            )
    shutil.copy(folder / SETTINGS_FILE, into / SETTINGS_FILE)
    write_rule(classifier.rule, {}, into / ANSWERS_FILE)
    with write_whole(into / README_FILE) as temporary:
        text = _describe(classifier, title, _Input(taken.name, dtype), worst)
        temporary.write_text(text, encoding="utf-8")
    return worst


class _Input(NamedTuple):
    name: str
    dtype: str


def _describe(classifier: Classifier, title: str, taken: _Input, worst: float) -> str:
    settings, rule = classifier.settings, classifier.rule
    recipe = settings.recipe
    height, width = recipe.image_hw
    fitted = f"brought to {width} x {height} pixels by `{recipe.fit}`, resampled by `{recipe.resample}`"
    if recipe.equalise:
        fitted += f", once written as a JPEG of quality {recipe.equalise} and read again"
    steps = [
        *(
            ["p is the mean of the answers to the picture and to its mirror image."]
            if settings.test_mirror
            else []
        ),
        f"p becomes softmax(log(p) / {rule.temperature!r}), where log(p) is at least log(1e-7).",
        f"The answer is the class of the largest p, if that is at least {rule.min_probability!r}. "
        f"Otherwise it is `{name_review(classifier.class_names)}`: a person should look.",
    ]
    name, *rest = re.split("[,:] ", escape(title), maxsplit=1)
    known = [*rest, say_count(len(classifier.class_names), "class", "classes")]
    return _README.format(
        name=name[0].upper() + name[1:],
        said=f"{', '.join(known)}. Exported on {date.today().isoformat()}.",
        code=_write_code(recipe, taken),
        resample=recipe.resample,
        onnx=ONNX_FILE,
        input=f"{taken.name}`, {taken.dtype} [n",
        shape=", ".join(map(str, recipe.picture_shape)),
        listed="\n".join(f"{number}. {escape(one)}" for number, one in enumerate(classifier.class_names)),
        colours="grey" if recipe.channels == 1 else "in RGB",
        fitted=fitted,
        steps="\n".join(f"{number}. {one}" for number, one in enumerate(steps, 1)),
        settings=SETTINGS_FILE,
        answers=ANSWERS_FILE,
        n_checked=_N_CHECKED,
        worst=worst,
    )


def _write_code(recipe: Recipe, taken: _Input) -> str:
    """A program that answers one picture, but for the steps that choose the answer."""
    size, how = recipe.image_hw[::-1], f"Image.Resampling.{recipe.resample.upper()}"
    return _CODE.format(
        settings=SETTINGS_FILE,
        mode="L" if recipe.channels == 1 else "RGB",
        fitted=_FITTED[recipe.fit].format(size=size, how=how),
        dtype=taken.dtype,
        shape=", ".join(map(str, recipe.picture_shape)),
        onnx=ONNX_FILE,
        input=taken.name,
    )
