"""label_queue: which scans are answered, which are known already, and which look alike."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evidence.label_queue import Pool, choose_queue, list_known, read_kept, read_pool
from pipeline.images.fingerprint import Fingerprint
from pipeline.images.picture import encode_png
from pipeline.images.recipe import Recipe
from pipeline.params import CleanParams, Params
from pipeline.params_file import load_params
from pipeline.paths import Paths
from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import develop_whole, make_developers
from pipeline.serving.files import find_files

ParamsOf = Callable[..., Params]
RECIPE = Recipe((8, 8), 1, "stretch", "bicubic", equalise=0, formats=("PNG",), max_pixels=100_000)


def draw(seed: int) -> np.ndarray:
    """A picture with as much detail as a fingerprint wants, another one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (7, 9), np.uint8)
    return np.kron(coarse, np.ones((12, 12), np.uint8))[..., None]


def print_of(picture: np.ndarray) -> Fingerprint:
    found = develop_whole(encode_png(picture), recipe=RECIPE).fingerprint
    assert found is not None
    return found


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of pictures, one of them twice, with a broken and a hidden file."""
    folder = tmp_path / "scans"
    for name, seed in {"b/2.png": 2, "a/1.png": 1, "a/same.png": 1, "3.png": 3}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_png(draw(seed)))
    (folder / "bad.png").write_bytes(b"no")
    (folder / ".hidden.png").write_bytes(b"no")
    return folder


def pool_of(places: list[Path], folder: Path, known: set[str] | None = None) -> Pool:
    with make_developers(RECIPE) as developers:
        return read_pool(find_files(places), Classifier.load(folder), developers, known or set())


def test_every_file_is_answered_or_accounted_for(scans: Path, classifier_folder: Path) -> None:
    zipped = scans.parent / "more.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("x/4.png", encode_png(draw(4)))
        archive.writestr("x/3.png", encode_png(draw(3)))
    pool = pool_of([scans, zipped, scans / "3.png"], classifier_folder)
    assert [(scan.name, scan.below) for scan in pool.scans] == [
        (f"{scans}/3.png", "3.png"),
        (f"{scans}/a/1.png", "a/1.png"),
        (f"{scans}/b/2.png", "b/2.png"),
        (f"{zipped}/x/4.png", "x/4.png"),
    ]
    assert [(name, refusal.reason) for name, refusal in pool.unread] == [(f"{scans}/bad.png", "not_an_image")]
    assert (len(pool), pool.n_known, pool.y_prob.shape, len(pool.prints)) == (4, 3, (4, 3), 4)
    means = [draw(seed).mean() / 255 for seed in (3, 1, 2, 4)]
    np.testing.assert_allclose(pool.features[:, 0], means, atol=0.01)
    assert pool.scans[3].read() == encode_png(draw(4))


def test_what_cannot_be_opened_is_told(tmp_path: Path, classifier_folder: Path, scans: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    pool = pool_of([tmp_path / "a.zip", scans / "bad.png"], classifier_folder)
    assert [name for name, _ in pool.unread] == [str(tmp_path / "a.zip"), str(scans / "bad.png")]
    assert len(pool) == 0
    assert len(choose_queue(pool, None, section_of(), 5).chosen) == 0


def test_known_bytes_are_not_answered(scans: Path, classifier_folder: Path) -> None:
    known = {develop_whole(encode_png(draw(1)), recipe=RECIPE).id}
    pool = pool_of([scans], classifier_folder, known)
    assert [scan.below for scan in pool.scans] == ["3.png", "b/2.png"]
    assert pool.n_known == 2


def section_of(distance: int = 31) -> CleanParams:
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    return params.clean.model_copy(update={"near_duplicate_distance": distance})


def test_what_looks_like_the_collection_or_like_another_scan_is_not_asked() -> None:
    """A mirrored copy of a picture of the collection, and a brighter one of another scan."""
    darker = (draw(2) * 0.9).astype(np.uint8)
    pictures = [draw(1)[:, ::-1], draw(2), darker, draw(3)]
    pool = Pool(prints=[print_of(one) for one in pictures])
    pool.scans = [None] * 4  # type: ignore[list-item]
    pool.y_prob = np.array([[0.5, 0.5], [0.9, 0.1], [0.6, 0.4], [0.8, 0.2]], np.float32)
    pool.features = np.eye(4, dtype=np.float32)
    collection = print_of(draw(1))
    kept = pa.table({"pdq": [collection.pdq], "pdq_quality": [collection.quality]})
    queue = choose_queue(pool, kept, section_of(), 10)
    assert (queue.chosen.tolist(), queue.n_alike) == ([2, 3], 2)  # of the two alike, the more doubtful one
    alone = choose_queue(pool, None, section_of(), 10)
    assert (sorted(alone.chosen.tolist()), alone.n_alike) == ([0, 2, 3], 1)
    exact = choose_queue(pool, kept, section_of(0), 10)
    assert exact.n_alike == 0


def test_what_is_known_of_a_project(
    project: Paths, params_of: ParamsOf, develop: Callable[..., Paths]
) -> None:
    """Labelled pictures of the collection, and those that wait in a table; what cannot be read is asked."""
    section = params_of().data
    assert list_known(project, section) == set()
    assert read_kept(project) is None
    folder = project.label_queue.parent
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(name.encode())
    (folder / "q.csv").write_text(
        "path,label\na.png,\nb.png,\ngone.png,\n/proc/self/mem,\n" + "n" * 300 + ".png,\n"
    )
    ids = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a.png", "b.png")}
    assert list_known(project, section) == set(ids.values())
    develop(project.root, np.zeros((2, 8, 8, 1), np.uint8), [0, 1], ["train", "test"], ["x", "y"])
    assert list_known(project, section) == {*ids.values(), "id-000", "id-001"}
    kept = read_kept(project)
    assert kept is not None
    assert kept.column_names == ["pdq", "pdq_quality"]
