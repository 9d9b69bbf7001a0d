"""features: kept on disk for pictures of the collection, computed for others."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.synthesis.features import open_eye
from pipeline.synthesis.request import Request


def test_a_collection_is_looked_at_once(
    request_of: Request, classifier_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.models.efficientnet_lite0.PACKAGE", "no_such_package_of_weights")
    eye = open_eye((8, 8, 1), classifier_folder)
    assert eye is not None
    found = eye.look_at_collection(request_of.pictures, tmp_path)
    pictures = request_of.pictures.gather(np.arange(len(request_of.pictures)))
    assert np.array_equal(found, eye.look(pictures))
    assert list(tmp_path.rglob("*.npz"))
    assert open_eye((9, 8, 1), classifier_folder) is None
