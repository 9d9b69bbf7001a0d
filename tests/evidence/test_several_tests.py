"""Several tests at once."""

import numpy as np
import pytest

from pipeline.evidence.several_tests import adjust_holm


def test_holm_as_in_its_paper() -> None:
    adjusted = adjust_holm([0.01, 0.04, 0.03, float("nan"), 0.005])
    assert adjusted[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(adjusted[3])
    assert adjusted[4] == pytest.approx(0.02)
    assert adjust_holm([]) == []
    assert adjust_holm([0.6, 0.7]) == [1, 1]
