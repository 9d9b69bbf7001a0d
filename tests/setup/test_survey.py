"""A quick look: every class is looked at, whatever its size, and no more than needed."""

import zipfile
from pathlib import Path

from pipeline.collection.demos import encode_grey_png
from pipeline.params import Params
from pipeline.setup.survey import survey_source
from tests.conftest import ParamsOf

PNG = encode_grey_png([bytes([0, 255] * 4)] * 8)


def write_zip(path: Path, counts: dict[str, int], *, broken: int = 0) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for label, n in counts.items():
            for number in range(n):
                archive.writestr(f"{label}/{number:04d}.png", b"broken" if number < broken else PNG)


def test_every_class_is_looked_at(tmp_path: Path, params_of: ParamsOf) -> None:
    write_zip(tmp_path / "a.zip", {"large": 900, "small": 3}, broken=1)
    params: Params = params_of()
    survey = survey_source(tmp_path / "a.zip", params)
    assert survey.n_files == 903
    assert survey.counts == {"large": 900, "small": 3}
    assert (survey.n_looked_at, survey.n_refused) == (43, 2)
    assert {one["width"] for one in survey.facts} == {8}
    assert not survey.has_own_split


def test_a_source_that_tells_its_labels_while_it_is_read(tmp_path: Path, params_of: ParamsOf) -> None:
    rows = "label," + ",".join(f"p{i}" for i in range(784)) + "\n"
    rows += "".join(f"{i % 2},{','.join(['0', '255'] * 392)}\n" for i in range(100))
    (tmp_path / "pixels.csv").write_text(rows)
    survey = survey_source(tmp_path / "pixels.csv", params_of())
    assert survey.counts == {"0": 50, "1": 50}
    assert survey.n_looked_at == 80
