"""A network as ONNX answers as it does in Keras; what cannot be exported is one line, and leaves nothing."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.errors import ModelError
from pipeline.images.picture import develop
from pipeline.images.recipe import Fit
from pipeline.serving import onnx_export
from pipeline.serving.answer_rule import AnswerRule, read_rule
from pipeline.serving.classifier import Classifier
from pipeline.serving.onnx_export import export_onnx

TITLE = "figures version 3 (champion), promoted, test accuracy 96.7% (83.3% to 99.4%)"


def test_the_same_answers_without_tensorflow(classifier_folder: Path, tmp_path: Path) -> None:
    import onnxruntime

    rule = AnswerRule(temperature=1.5, min_probability=0.6, chosen_on="val")
    classifier = Classifier.load(classifier_folder).with_rule(rule)
    assert export_onnx(classifier, classifier_folder, tmp_path / "out", title="m") < 1e-5
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "answers.json",
        "classifier.json",
        "model.onnx",
    ]
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    pictures = np.random.default_rng(1).integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
    asked = {session.get_inputs()[0].name: pictures.astype(np.float32)}  # the toy takes no uint8
    given = session.run(None, asked)[0]
    tempered = read_rule(tmp_path / "out" / "answers.json").temper(given)
    np.testing.assert_allclose(tempered, classifier.predict_pictures(pictures), rtol=0, atol=1e-5)


def test_the_readme_says_all_that_is_around_the_network(classifier_folder: Path, tmp_path: Path) -> None:
    rule = AnswerRule(temperature=1.5, min_probability=0.6, chosen_on="val")
    export_onnx(
        Classifier.load(classifier_folder).with_rule(rule), classifier_folder, tmp_path / "out", title=TITLE
    )
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# Figures version 3 (champion), as ONNX\n\n")
    for words in (
        "promoted, test accuracy 96.7% (83.3% to 99.4%), 3 classes. Exported on 20",
        "`bicubic` is Pillow's",
        "float32 [n, 8, 8, 1]",
        "0. light\n1. dark\n2. odd",
        "grey",
        "by `stretch`",
        "/ 1.5)",
        "0.6",
    ):
        assert words in text


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_the_program_in_the_readme_answers_as_darkroom_does(
    fit: Fit, classifier_folder: Path, tmp_path: Path
) -> None:
    """A picture that is no square, in a program that knows nothing of Darkroom."""
    loaded = Classifier.load(classifier_folder)
    settings = replace(loaded.settings, recipe=replace(loaded.settings.recipe, fit=fit))
    classifier = Classifier(loaded.network, settings, AnswerRule())
    export_onnx(classifier, classifier_folder, tmp_path / "out", title="m")
    code = (tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("```")[1]
    data = encode_grey_png([bytes(range(0, 160, 8))] * 12)
    (tmp_path / "out" / "scan.png").write_bytes(data)
    program = [sys.executable, "-c", code.removeprefix("python\n")]
    done = subprocess.run(program, cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    name, probability = done.stdout.split()
    expected = classifier.predict_pictures(develop(data, settings.recipe)[None])[0]
    assert name == classifier.class_names[expected.argmax()]
    assert float(probability) == pytest.approx(float(expected.max()), abs=1e-5)


def test_what_answers_otherwise_is_not_left_there(
    classifier_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="as ONNX the network answers otherwise"):
        export_onnx(Classifier.load(classifier_folder), classifier_folder, tmp_path / "out", title="m")
    assert list((tmp_path / "out").iterdir()) == []


def test_without_the_extra_it_says_how_to_get_it(
    classifier_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ModelError, match=r"needs tf2onnx, which is not installed; `uv pip install .*onnx"):
        export_onnx(Classifier.load(classifier_folder), classifier_folder, tmp_path / "out", title="m")
