"""augment: the policy, extra copies for a rare class, and sheets; the same bytes each time."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.collection.alterations import IMPERFECT, make_imperfect
from pipeline.collection.pictures import Pictures, read_extra, read_part
from pipeline.collection.synthetic import Synthetic, write_synthetic
from pipeline.errors import DataError, ParamsError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.stages import augment
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import read_table, write_table
from pipeline.tracking.runs import Untracked
from pipeline.training.policy import read_policy

Develop = Callable[..., Paths]
ParamsOf = Callable[..., Params]
NAMES = ["common", "rare", "odd/ name?"]


def make(develop: Develop, root: Path, *, n_common: int = 8) -> Paths:
    """The rare class and the odd one have two training pictures; each class has one for the test."""
    y = [1, 1, 1, 2, 2, 2] + [0] * (n_common + 1)
    splits = ["train", "train", "test"] * 2 + ["test"] + ["train"] * n_common
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)[: len(y)]
    return develop(root, pictures, y, splits, NAMES)


def read_outputs(paths: Paths) -> dict[str, bytes]:
    folder = paths.stage("augment")
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def read_copies(paths: Paths) -> dict[tuple[str, int], bytes]:
    """The pixels of every extra picture by (id, copy)."""
    part = read_extra(paths.extra)
    pixels = Pictures((paths.extra, part)).gather(np.arange(len(part)))
    rows = read_table(paths.extra / "manifest.parquet", EXTRA).to_pylist()
    return {(row["id"], row["copy"]): pixels[i].tobytes() for i, row in enumerate(rows)}


def test_without_extra_copies(develop: Develop, params_of: ParamsOf, tmp_path: Path) -> None:
    paths = make(develop, tmp_path)
    metrics = augment.main(params_of(augment={"flip": "horizontal"}), paths, Untracked())
    assert metrics["n_train"] == 12
    assert metrics["n_extra"] == 0
    assert metrics["extra/common"] == 0
    assert len(read_extra(paths.extra)) == 0
    assert read_policy(paths.policy)[0]["class_name"] == "RandomFlip"
    assert [p.name for p in sorted(paths.figures("augment").iterdir())] == [
        "00-common.png",
        "01-rare.png",
        "02-odd-name.png",
    ]


def test_extra_copies_of_training_pictures_only(
    develop: Develop, params_of: ParamsOf, tmp_path: Path
) -> None:
    paths = make(develop, tmp_path)
    metrics = augment.main(params_of(augment={"fill_rare_to": 0.5}), paths, Untracked())
    assert {k: v for k, v in metrics.items() if k.startswith("extra/r") or k == "n_extra"} == {
        "n_extra": 4,
        "extra/rare": 2,
    }
    made = read_copies(paths)
    assert sorted(made) == [("id-000", 0), ("id-001", 0), ("id-003", 0), ("id-004", 0)]
    assert len(set(made.values())) == 4
    assert read_extra(paths.extra).y.tolist() == [1, 1, 2, 2]


def test_imperfect_copies(develop: Develop, params_of: ParamsOf, tmp_path: Path) -> None:
    paths = make(develop, tmp_path)
    params = params_of(augment={"imperfect": 1.0, "fill_rare_to": 0.5})
    metrics = augment.main(params, paths, Untracked())
    assert {k: metrics[k] for k in ("n_extra", "n_imperfect", "n_imperfect_test", "extra/common")} == {
        "n_extra": 16,
        "n_imperfect": 12,
        "n_imperfect_test": 3,
        "extra/common": 8,
    }
    made = read_copies(paths)
    train = [f"id-{i:03d}" for i in (0, 1, 3, 4, *range(7, 15))]
    rare = [(f"id-{i:03d}", 0) for i in (0, 1, 3, 4)]
    assert list(made) == sorted(rare + [(id_, IMPERFECT) for id_ in train])
    assert len(set(made.values())) == 16
    assert (paths.figures("augment") / "imperfect.png").stat().st_size > 10_000
    part = read_part("train", split_path=paths.split, manifest_path=paths.clean_manifest)
    originals = Pictures((paths.shards, part)).gather(np.arange(12))
    expected = make_imperfect(originals, part.ids, seed=params.augment.seed)
    assert [made[id_, IMPERFECT] for id_ in part.ids] == [picture.tobytes() for picture in expected]
    assert not set(made.values()) & {picture.tobytes() for picture in originals}


def test_the_sheet_of_imperfect_copies_shows_each_beside_its_original(
    develop: Develop, params_of: ParamsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets: list[tuple[Any, list[str], str]] = []
    monkeypatch.setattr(
        augment,
        "draw_sheet",
        lambda pictures, captions, *, title, path: sheets.append((pictures, captions, title)),
    )
    paths = make(develop, tmp_path)
    augment.main(params_of(augment={"imperfect": 1.0}), paths, Untracked())
    ((pictures, captions, title),) = sheets
    assert captions == ["original", "imperfect"] * 12
    assert title == "Imperfect copies: 12 of 12 (12 training pictures)"
    part = read_part("train", split_path=paths.split, manifest_path=paths.clean_manifest)
    assert np.array_equal(pictures[::2], Pictures((paths.shards, part)).gather(np.arange(12)))
    made = read_copies(paths)
    assert [made[id_, IMPERFECT] for id_ in part.ids] == [picture.tobytes() for picture in pictures[1::2]]


def test_imperfect_test_pictures_are_in_a_folder_of_their_own(
    develop: Develop, params_of: ParamsOf, tmp_path: Path
) -> None:
    paths = make(develop, tmp_path)
    augment.main(params_of(augment={"imperfect": 0.001}), paths, Untracked())
    assert len(read_extra(paths.extra)) == 0
    test = read_part("test", split_path=paths.split, manifest_path=paths.clean_manifest)
    altered = read_extra(paths.imperfect)
    assert altered.ids == test.ids == ("id-002", "id-005", "id-006")
    assert altered.y.tolist() == test.y.tolist() == [1, 2, 0]
    pixels = Pictures((paths.imperfect, altered)).gather(np.arange(3))
    assert not np.array_equal(pixels, Pictures((paths.shards, test)).gather(np.arange(3)))
    first = read_outputs(paths)
    augment.main(params_of(augment={"imperfect": 0.001}), paths, Untracked())
    assert read_outputs(paths) == first
    metrics = augment.main(params_of(augment={"imperfect": 0.0}), paths, Untracked())
    assert metrics["n_imperfect_test"] == 0
    assert len(read_extra(paths.imperfect)) == 0
    assert not (paths.figures("augment") / "imperfect.png").exists()


def make_up(paths: Paths, name: str, n: int, *, learned_from: tuple[str, ...] = ("id-000",)) -> None:
    pictures = np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2).repeat(3, 3)
    write_synthetic(Synthetic(name, pictures, learned_from), paths.synthetic)


def test_made_up_pictures_enter_training_and_are_marked(
    develop: Develop, params_of: ParamsOf, tmp_path: Path
) -> None:
    """The first ones of a class; they count for `fill_rare_to`, and nothing but training sees them."""
    paths = make(develop, tmp_path)
    make_up(paths, "rare", 5)
    params = params_of(augment={"synthetic": 1, "fill_rare_to": 0.5, "imperfect": 0.001})
    metrics = augment.main(params, paths, Untracked())
    rows = read_table(paths.extra / "manifest.parquet", EXTRA).to_pylist()
    assert [(row["kind"], row["class_index"]) for row in rows] == [
        *[("altered", 1)] * 1,
        *[("altered", 2)] * 2,
        ("synthetic", 1),
    ]
    assert {name: n for name, n in metrics.items() if "synthetic" in name} == {
        "n_synthetic": 1,
        "synthetic/rare": 1,
    }
    extra = read_extra(paths.extra)
    assert not Pictures((paths.extra, extra)).gather(np.array([3])).any()  # the first one is black
    assert set(read_extra(paths.imperfect).ids) == {"id-002", "id-005", "id-006"}
    assert (paths.figures("augment") / "synthetic.png").stat().st_size > 5_000
    train = read_part("train", split_path=paths.split, manifest_path=paths.clean_manifest)
    groups = Pictures((paths.shards, train), (paths.extra, extra)).groups
    assert groups[-1] not in groups[:-1]


def test_made_up_pictures_are_off_by_default(develop: Develop, params_of: ParamsOf, tmp_path: Path) -> None:
    """What is made then changes no byte of what augment writes, so nothing behind it runs again."""
    paths = make(develop, tmp_path)
    augment.main(params_of(), paths, Untracked())
    first = read_outputs(paths)
    make_up(paths, "rare", 5)
    augment.main(params_of(), paths, Untracked())
    assert read_outputs(paths) == first
    assert params_of().augment.synthetic == 0


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param({}, "augment.synthetic is 2, and no made-up picture", id="none"),
        pytest.param({"name": "gone"}, "of no class that there is", id="class"),
        pytest.param(
            {"name": "rare", "learned_from": ("id-000", "id-002")},
            "1 pictures that are in val or test",
            id="leak",
        ),
    ],
)
def test_made_up_pictures_that_must_not_enter(
    made: dict[str, Any], said: str, develop: Develop, params_of: ParamsOf, tmp_path: Path
) -> None:
    paths = make(develop, tmp_path)
    if made:
        make_up(paths, made["name"], 3, learned_from=made.get("learned_from", ("id-000",)))
    with pytest.raises((DataError, ParamsError), match=said):
        augment.main(params_of(augment={"synthetic": 2}), paths, Untracked())


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        pytest.param({}, ("rare", False), id="no more"),
        pytest.param({"flip": "alternating"}, ("rare", True), id="alternating"),
        pytest.param({"mixup": 0.2, "cutmix": 1.0}, ("rare (without MixUp and CutMix)", False), id="mixers"),
    ],
)
def test_sheets_say_what_they_show(
    knobs: dict[str, Any],
    expected: tuple[str, bool],
    develop: Develop,
    params_of: ParamsOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every second altered picture is mirrored where pictures alternate; what mixes them is named."""
    sheets: list[tuple[str, bool]] = []

    def note(originals: Any, altered: Any, *, title: str, path: Path) -> None:
        assert np.array_equal(altered[:, 0], originals)
        sheets.append((title, np.array_equal(altered[:, 1], originals[:, :, ::-1])))

    monkeypatch.setattr(augment, "draw_before_and_after", note)
    off = dict.fromkeys(("rotation", "zoom", "shift", "contrast", "brightness"), 0.0)
    augment.main(params_of(augment=off | knobs), make(develop, tmp_path), Untracked())
    assert sheets[1] == expected


@pytest.mark.parametrize(
    "knobs",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"flip": "alternating", "mixup": 0.2, "cutmix": 1.0}, id="mixing only"),
    ],
)
def test_copies_need_a_policy_that_alters_pictures(
    knobs: dict[str, Any], develop: Develop, params_of: ParamsOf, tmp_path: Path
) -> None:
    off = dict.fromkeys(("rotation", "zoom", "shift", "contrast", "brightness"), 0.0)
    params = params_of(augment=off | {"flip": "none", "fill_rare_to": 1.0} | knobs)
    with pytest.raises(ParamsError, match=r"fill_rare_to is 1.*augment\.rotation"):
        augment.main(params, make(develop, tmp_path), Untracked())


def test_twice_the_same_bytes(develop: Develop, params_of: ParamsOf, tmp_path: Path) -> None:
    paths = make(develop, tmp_path)
    params = params_of(augment={"fill_rare_to": 1.0, "noise": 0.1, "grayscale": 0.5, "erasing": 0.5})
    augment.main(params, paths, Untracked())
    first = read_outputs(paths)
    augment.main(params, paths, Untracked())
    assert read_outputs(paths) == first


def test_another_picture_changes_no_copy(develop: Develop, params_of: ParamsOf, tmp_path: Path) -> None:
    params = params_of(augment={"fill_rare_to": 1.0})
    before, after = make(develop, tmp_path / "a"), make(develop, tmp_path / "b", n_common=9)
    for paths in (before, after):
        augment.main(params, paths, Untracked())
    old, new = read_copies(before), read_copies(after)
    assert len(new) == len(old) + 2
    assert {key: new[key] for key in old} == old


def test_fewer_extra_copies_leave_nothing_behind(
    develop: Develop, params_of: ParamsOf, tmp_path: Path
) -> None:
    paths = make(develop, tmp_path)
    (paths.figures("augment")).mkdir(parents=True)
    (paths.figures("augment") / "03-gone.png").write_bytes(b"of a class that is no more")
    augment.main(params_of(augment={"fill_rare_to": 1.0}), paths, Untracked())
    assert len(read_extra(paths.extra)) == 12
    augment.main(params_of(augment={"fill_rare_to": 0.0}), paths, Untracked())
    assert len(read_extra(paths.extra)) == 0
    assert not (paths.figures("augment") / "03-gone.png").exists()


def test_a_training_picture_that_clean_has_dropped(
    develop: Develop, params_of: ParamsOf, tmp_path: Path
) -> None:
    paths = make(develop, tmp_path)
    write_table(read_table(paths.clean_manifest, CLEAN_MANIFEST).slice(1), paths.clean_manifest)
    with pytest.raises(DataError, match="1 train pictures are not in"):
        augment.main(params_of(), paths, Untracked())


@pytest.mark.parametrize(
    ("index", "name", "expected"),
    [
        pytest.param(3, "Oak tree", "03-Oak-tree.png", id="words"),
        pytest.param(3, "../../etc", "03-etc.png", id="a path"),
        pytest.param(3, "中文", "03.png", id="no letter that is safe everywhere"),
        pytest.param(100, "x" * 99, f"100-{'x' * 40}.png", id="long"),
    ],
)
def test_sheet_name(index: int, name: str, expected: str) -> None:
    assert augment.name_sheet(index, name) == expected


def test_params_are_named_in_one_place(params_of: ParamsOf) -> Any:
    """Every knob of the section does something: none is read by nobody."""
    folder = Path(augment.__file__).parents[1]
    modules = (
        folder / "training" / "policy.py",
        folder / "collection" / "alterations.py",
        folder / "stages" / "augment.py",
    )
    source = "".join(module.read_text() for module in modules)
    knobs = params_of().augment.model_dump()
    assert [name for name in knobs if not re.search(rf"params\.(augment\.)?{name}\b", source)] == []
