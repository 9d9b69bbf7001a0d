"""A network as ONNX answers as it does in Keras; what cannot be exported is one line, and leaves nothing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.serving import onnx_export
from pipeline.serving.answer_rule import AnswerRule, read_rule
from pipeline.serving.classifier import Classifier
from pipeline.serving.onnx_export import export_onnx


def test_the_same_answers_without_tensorflow(classifier_folder: Path, tmp_path: Path) -> None:
    import onnxruntime

    rule = AnswerRule(temperature=1.5, min_probability=0.6, chosen_on="val")
    classifier = Classifier.load(classifier_folder).with_rule(rule)
    assert export_onnx(classifier, classifier_folder, tmp_path / "out") < 1e-5
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
    export_onnx(Classifier.load(classifier_folder).with_rule(rule), classifier_folder, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for words in (
        "float32 [n, 8, 8, 1]",
        "0. light\n1. dark\n2. odd",
        "grey",
        "by `stretch`",
        "/ 1.5)",
        "0.6",
    ):
        assert words in text


def test_what_answers_otherwise_is_not_left_there(
    classifier_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="as ONNX the network answers otherwise"):
        export_onnx(Classifier.load(classifier_folder), classifier_folder, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_without_the_extra_it_says_how_to_get_it(
    classifier_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ModelError, match=r"needs tf2onnx, which is not installed; `uv pip install .*onnx"):
        export_onnx(Classifier.load(classifier_folder), classifier_folder, tmp_path / "out")
