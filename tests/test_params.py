"""params: sections as they travel."""

import pytest

from tests.conftest import ParamsOf


def test_flatten_writes_keys_as_dvc_does_and_no_free_text_as_a_key(params_of: ParamsOf) -> None:
    params = params_of(data={"classes": {"a&b": ["c"]}, "csv": {"image_hw": [2, 3], "label_column": "x"}})
    flat = params.flatten()
    assert {key: flat[key] for key in ("validate.min_side_px", "data.csv.image_hw", "data.classes")} == {
        "validate.min_side_px": 4,
        "data.csv.image_hw": "[2, 3]",
        "data.classes": '{"a&b": ["c"]}',
    }
    assert params.train.flatten("train.").items() <= flat.items()


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "it's", "scans/pages", "a:b", "a\nb", "x" * 201, "../a", "-a"]
)
def test_a_model_name_that_a_registry_would_refuse_is_refused_at_once(name: str, params_of: ParamsOf) -> None:
    with pytest.raises(ValueError, match="model_name"):
        params_of(promote={"model_name": name})


@pytest.mark.parametrize("name", ["darkroom", "Scans of 1900-1950", "Gr\u00f6\u00dfe_2.1", "a"])
def test_a_model_name(name: str, params_of: ParamsOf) -> None:
    assert params_of(promote={"model_name": name}).promote.model_name == name
