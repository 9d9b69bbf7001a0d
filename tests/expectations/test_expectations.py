"""The expectations: what passes, what fails, how it is said; the same bytes each time; a page for people."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.collection.shards import ShardWriter
from pipeline.errors import DataError
from pipeline.expectations.engine import hold_against, new_context
from pipeline.expectations.intake import check_intake, describe_intake
from pipeline.expectations.page import write_docs
from pipeline.expectations.ready import check_ready, describe_ready
from pipeline.expectations.report import Report
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.tables.clean_manifest import CLEAN_MANIFEST
from pipeline.tables.pairs import PAIRS
from pipeline.tables.quarantine import QUARANTINE
from pipeline.tables.raw_classes import RAW_CLASSES
from pipeline.tables.raw_manifest import RAW_MANIFEST

Rows = list[dict[str, Any]]
ParamsOf = Callable[..., Params]
Change = Callable[[Any], None]
MEASURED = {"brightness": 0.5, "contrast": 0.1, "sharpness": 900.0, "entropy": 5.0, "share_white": 0.1}
AWAY = {"verdict": "quarantined", "reason": "corrupt", "format": None}
LIMITS = {
    "max_unreadable_share": 0.1,
    "min_images_per_class": 5,
    "min_class_share": 0.4,
    "max_unusual_share": 0.1,
}
READY = {
    "min_images_per_class": 5,
    "max_quarantined_share": 0.2,
    "min_class_share": 0.4,
    "max_near_duplicate_share": 0.3,
    "max_group_share": 0.15,
    "max_plain_share": 0.1,
}


def make_row(number: int, label: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": f"{number:064d}",
        "key": f"{label}/{number}.png",
        "label": label,
        "source_split": "",
        "n_bytes": 100,
        "format": "PNG",
        "width": 64,
        "height": 48,
        "mode": "L",
        "n_frames": 1,
        "verdict": "kept",
        "reason": "",
        "detail": "",
        "repairs": ["alpha"] if number % 2 else [],
    }
    return values | MEASURED | changes


def make_rows() -> Rows:
    return [make_row(i, "cat") for i in range(20)] + [make_row(i + 100, "fox") for i in range(10)]


def replace_rows(start: int, stop: int, **changes: Any) -> Change:
    def change(rows: Rows) -> None:
        rows[start:stop] = [one | changes for one in rows[start:stop]]

    return change


def cut_rows(to: int) -> Change:
    def change(rows: Rows) -> None:
        del rows[to:]

    return change


def hold_intake(params_of: ParamsOf, rows: Rows, labels: tuple[str, ...] = ("cat", "fox")) -> Report:
    manifest, classes = make_intake_tables(rows, labels)
    section = params_of(validate=LIMITS).validate_
    return check_intake(manifest, classes, section=section, formats=("PNG", "JPEG"))


def make_intake_tables(rows: Rows, labels: tuple[str, ...] = ("cat", "fox")) -> tuple[pa.Table, pa.Table]:
    n = {label: sum(r["label"] == label and r["verdict"] != "quarantined" for r in rows) for label in labels}
    classes = [
        {"label": label, "n_files": n[label], "n_readable": n[label], "share_of_largest": n[label] / 20}
        for label in labels
    ]
    manifest = pa.Table.from_pylist(rows, schema=RAW_MANIFEST)
    return manifest, pa.Table.from_pylist(classes, schema=RAW_CLASSES)


def expect_failures(report: Report, critical: str, warning: str) -> None:
    """Each severity has a failure that matches its pattern, or none where the pattern is empty."""
    for severity, pattern in (("critical", critical), ("warning", warning)):
        failed = [str(one) for one in report.findings if not one.is_met and one.severity == severity]
        assert bool(failed) == bool(pattern), failed
        assert not pattern or any(re.search(pattern, text) for text in failed), failed


@pytest.mark.parametrize(
    ("change", "critical", "warning"),
    [
        pytest.param(cut_rows(30), "", "", id="good"),
        pytest.param(replace_rows(0, 3, **AWAY), "", "", id="a tenth unreadable"),
        pytest.param(
            replace_rows(0, 4, **AWAY),
            "^4 of 30 files .13.3%. cannot be used .blank ones not counted.; allowed: at most 10.0%: "
            "cat/0.png, .*cat/3.png .exp.*, set by validate.max_unreadable_share.$",
            "",
            id="more unreadable",
        ),
        pytest.param(
            replace_rows(0, 2, key="cat/x"),
            "^2 of 30 files have the path of another file: cat/x",
            "",
            id="keys",
        ),
        pytest.param(
            replace_rows(0, 2, key="a\nb"), r"another file: a\\nb, a\\nb", "", id="one line for any key"
        ),
        pytest.param(
            replace_rows(0, 2, id="0" * 64),
            "",
            "^2 of 30 files have the same bytes as another .clean keeps one copy.: cat/0.png, ",
            id="copies",
        ),
        pytest.param(replace_rows(0, 2, id=None, **AWAY), "", "", id="two files without bytes are no copies"),
        pytest.param(
            replace_rows(0, 1, verdict="lost"),
            "^1 of 30 files is neither kept, repaired nor quarantined: cat/0.png .exp",
            "",
            id="verdict",
        ),
        pytest.param(
            replace_rows(0, 1, format="TGA"),
            "^1 of 30 files has a format other than PNG, JPEG: cat/0.png TGA.*validate.formats",
            "",
            id="format",
        ),
        pytest.param(
            replace_rows(0, 1, brightness=1.5),
            "^1 of 30 images has a measured brightness outside 0 to 1.0: cat/0.png 1.5",
            "",
            id="brightness",
        ),
        pytest.param(
            replace_rows(0, 1, contrast=0.6),
            "^1 of 30 images has a measured contrast outside 0 to 0.5: ",
            "",
            id="contrast",
        ),
        pytest.param(
            replace_rows(0, 1, share_white=-0.1),
            "^1 of 30 images has a measured share of white outside 0 to 1.0: ",
            "",
            id="white",
        ),
        pytest.param(
            replace_rows(0, 1, entropy=9.0),
            "^1 of 30 images has a measured entropy outside 0 to 8.0: ",
            "",
            id="entropy",
        ),
        pytest.param(replace_rows(0, 3, brightness=0.05), "", "", id="a tenth dark"),
        pytest.param(
            replace_rows(0, 4, brightness=0.05),
            "",
            "^4 of 30 images .13.3%. are dark .brightness below 0.1.; allowed: at most 10.0%: "
            "cat/0.png 0.05, .*"
            "set by validate.dark_below and validate.max_unusual_share",
            id="dark",
        ),
        pytest.param(
            replace_rows(0, 4, sharpness=9.0),
            "",
            "^4 of 30 images .13.3%. are blurred .sharpness below 100.; .*validate.blurred_below",
            id="blurred",
        ),
        pytest.param(
            replace_rows(0, 4, jpeg_quality=9),
            "",
            "^4 of 4 JPEGs .100.0%. have a quality below 30; allowed",
            id="jpeg",
        ),
        pytest.param(
            replace_rows(0, 4, width=300),
            "",
            "^4 of 30 images .* are very long .one side above 5 times the other.; .*cat/0.png 6.25",
            id="long",
        ),
        pytest.param(
            replace_rows(0, 4, verdict="quarantined", reason="low_information"),
            "",
            "^4 of 30 files .13.3%. are blank or nearly so; allowed: at most 10.0%: ",
            id="blank",
        ),
        pytest.param(
            replace_rows(0, 4, brightness=0.0, sharpness=0.0, width=9000, **AWAY),
            "cannot be used",
            "",
            id="what cannot be used is not called unusual too",
        ),
        pytest.param(
            cut_rows(24),
            "^1 of 2 classes has fewer than 5 readable images: fox 4 .*validate.min_images_per_class",
            "^1 of 2 classes has fewer than 40.0% of the images of the largest: fox 20.0% ",
            id="a rare class",
        ),
        pytest.param(cut_rows(27), "", "1 of 2 classes has fewer than 40.0%", id="imbalance only warns"),
    ],
)
def test_intake(params_of: ParamsOf, change: Change, critical: str, warning: str) -> None:
    rows = make_rows()
    change(rows)
    expect_failures(hold_intake(params_of, rows), critical, warning)


def test_one_class_is_not_enough(params_of: ParamsOf) -> None:
    expect_failures(
        hold_intake(params_of, make_rows()[:20], ("cat",)),
        "^At least two classes are needed .a folder a class., and the source has 1 .exp",
        "",
    )


def test_a_manifest_with_other_columns_is_refused(params_of: ParamsOf) -> None:
    manifest, classes = make_intake_tables(make_rows())
    section = params_of(validate=LIMITS).validate_
    other = manifest.append_column("extra", manifest.column("id"))
    report = check_intake(other, classes, section=section, formats=("PNG",))
    expect_failures(report, "^The manifest has other columns than the stages behind it read: 35 columns", "")


def make_ready_tables() -> dict[str, Any]:
    """30 files: 28 pictures of which 4 are in two groups, and 2 in quarantine."""
    files = make_rows()
    kept = [
        one | {"duplicate_group": one["id"], "shard": 0, "row": at, "pdq": bytes(32), "pdq_quality": 50}
        for at, one in enumerate(files[:19] + files[20:29])
    ]
    for at in (0, 1, 20, 21):
        kept[at]["duplicate_group"] = "g" if at < 2 else "h"
    return {"files": files, "kept": kept, "away": [files[19], files[29]], "shape": (6, 5, 3), "n": 28}


def hold_ready(
    params_of: ParamsOf, folder: Path, tables: dict[str, Any]
) -> tuple[Report, tuple[pa.Table, ...]]:
    with ShardWriter(folder, tables["n"], tables["shape"], max(tables["n"], 1)) as writer:
        for at in range(tables["n"]):
            writer.write(0, at, np.zeros(tables["shape"], np.uint8))
    section = params_of(clean={"image_hw": [6, 5], "ready": READY}).clean
    schemas = {"files": RAW_MANIFEST, "kept": CLEAN_MANIFEST, "away": QUARANTINE}
    made = tuple(pa.Table.from_pylist(tables[name], schema=schema) for name, schema in schemas.items())
    return check_ready(*made, section=section, labels=("cat", "fox"), shards=folder), made


def change_tables(**changes: Any) -> Change:
    return lambda tables: tables.update(changes)


def change_kept(start: int, stop: int, **changes: Any) -> Change:
    return lambda tables: replace_rows(start, stop, **changes)(tables["kept"])


def lose_pictures(n: int) -> Change:
    """The last `n` pictures of cat go to the quarantine instead."""

    def change(tables: dict[str, Any]) -> None:
        gone = tables["kept"][19 - n : 19]
        del tables["kept"][19 - n : 19]
        tables["away"] = [*tables["away"], *gone]
        tables["n"] -= n

    return change


def thin_out(tables: dict[str, Any]) -> None:
    """Fox has six files, of which clean keeps four."""
    del tables["files"][26:], tables["kept"][23:]
    tables["away"] = [tables["files"][19], tables["files"][24], tables["files"][25]]
    tables["n"] = 23


@pytest.mark.parametrize(
    ("change", "critical", "warning"),
    [
        pytest.param(change_tables(), "", "", id="good"),
        pytest.param(
            change_kept(0, 2, id="x"), "^2 of 28 pictures have the same bytes as another: ", "", id="ids"
        ),
        pytest.param(
            change_kept(0, 2, row=5),
            "^3 of 28 pictures have the place of another in the shards: cat/0.png,",
            "",
            id="places",
        ),
        pytest.param(
            change_kept(0, 1, label="dog"),
            "^1 of 28 pictures has a label that is no class folder of the source: cat/0.png dog",
            "",
            id="label",
        ),
        pytest.param(
            change_kept(0, 1, duplicate_group=None),
            "^1 of 28 pictures is in no group, which the split would need: ",
            "",
            id="no group",
        ),
        pytest.param(
            change_tables(away=[]),
            "^Kept and quarantined together are not the files of the source: 2 differ ",
            "",
            id="files lost",
        ),
        pytest.param(
            change_tables(n=27),
            "^The shards hold no picture for some rows of the manifest: 1 missing ",
            "",
            id="too few pixels",
        ),
        pytest.param(change_tables(n=29), "", "", id="a row left by a file that failed after validate"),
        pytest.param(
            change_tables(shape=(5, 6, 3)),
            "^The pictures in the shards are not 6 x 5 x 3: all files 5 x 6 x 3 .*"
            "clean.channels and clean.image_hw",
            "",
            id="shape",
        ),
        pytest.param(
            lose_pictures(5),
            "^23.3% of the files that validate let pass are quarantined .* by hand; allowed: at most 20.0% .*"
            "clean.ready.max_quarantined_share",
            "",
            id="much quarantined",
        ),
        pytest.param(
            thin_out,
            "^1 of 2 classes has fewer than 5 pictures left: fox 4 .*clean.ready.min",
            "^1 of 2 classes has fewer than 40.0% of the pictures of the largest: fox 21.1% ",
            id="a rare class",
        ),
        pytest.param(
            change_kept(22, 28, duplicate_group="i"),
            "",
            "^One group of near-duplicates holds 21.4% of the pictures, .*; allowed: at most 15.0% ",
            id="a large group",
        ),
        pytest.param(change_kept(4, 8, duplicate_group="i"), "", "", id="near-duplicates within the limit"),
        pytest.param(
            lambda tables: [
                change_kept(at, at + 2, duplicate_group=f"g{at}")(tables) for at in range(0, 20, 2)
            ],
            "",
            "^78.6% of the pictures have a near-duplicate; allowed: at most 30.0% .*"
            "clean.ready.max_near_duplicate_share",
            id="many near-duplicates",
        ),
        pytest.param(
            change_kept(0, 3, pdq_quality=3),
            "",
            "^3 of 28 pictures .10.7%. are too plain to be compared with others; allowed: at most 10.0%: "
            "cat/0.png 3, ",
            id="plain",
        ),
        pytest.param(
            lambda tables: (
                change_kept(0, 9, pdq_quality=0)(tables),
                replace_rows(0, 9, width=31)(tables["files"]),
            ),
            "",
            "",
            id="pictures too small for a fingerprint are not plain",
        ),
    ],
)
def test_ready(params_of: ParamsOf, tmp_path: Path, change: Change, critical: str, warning: str) -> None:
    tables = make_ready_tables()
    change(tables)
    expect_failures(hold_ready(params_of, tmp_path / "shards", tables)[0], critical, warning)


def test_results_are_the_same_each_time_and_plain_json(params_of: ParamsOf, tmp_path: Path) -> None:
    written = []
    for name in ("a.json", "b.json"):
        hold_intake(params_of, make_rows()[:24]).write(tmp_path / name)
        written.append((tmp_path / name).read_text())
    assert written[0] == written[1]
    assert list(json.loads(written[0])) == ["intake-classes", "intake-files"]
    assert not any(word in written[0] for word in ("run_id", "ge_load_time", '"id": ', "Traceback"))
    assert '"validate.min_images_per_class": 5' in written[0]


def test_what_is_critical_stops_in_one_line_and_warnings_are_logged(
    params_of: ParamsOf, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = hold_intake(params_of, make_rows()[:27]), hold_intake(params_of, make_rows()[:24])
    good.enforce(docs=Path("docs/index.html"))
    assert "1 of 2 classes has fewer than 40.0% of the images of the largest: fox 35.0%" in caplog.text
    with pytest.raises(
        DataError, match=r"^1 of 2 classes has fewer than 5 .*; because of x; see docs/index\.html"
    ) as caught:
        bad.enforce(docs=Path("docs/index.html"), because="; because of x")
    assert "\n" not in str(caught.value)


def render_page(params_of: ParamsOf, rows: Rows, folder: Path) -> str:
    (folder / "picture.png").write_bytes(b"\x89PNG")
    report = hold_intake(params_of, rows)
    pictures: dict[str, Path | str] = {"Sizes": folder / "picture.png", "Measures": "There is none."}
    paths = Paths(folder)
    write_docs(report, describe_intake(*make_intake_tables(rows), pictures, paths), paths.data_docs)
    return (paths.data_docs / "index.html").read_text(encoding="utf-8")


def find_suite(page: str) -> Path:
    """The file in which a page says that its suite can be read."""
    named: list[str] = re.findall(r"readable in\n<code>(.*?)</code>", page)
    assert len(named) == 1
    path = Path(__file__).parents[2] / named[0]
    assert path.is_file()
    return path


def test_a_page_is_whole_in_itself_and_the_same_each_time(params_of: ParamsOf, tmp_path: Path) -> None:
    docs = Paths(tmp_path).data_docs
    docs.mkdir(parents=True)
    (docs / "stale.html").write_text("")
    page = render_page(params_of, make_rows(), tmp_path)
    assert [path.name for path in docs.iterdir()] == ["index.html"]
    assert render_page(params_of, make_rows(), tmp_path) == page
    assert not re.findall(r"https?://|@import|<script src|<link|src=\"(?!data:)|url\(", page)
    assert '<a href="../../clean/docs/index.html">After the run: what clean made of these images</a>' in page
    assert "<h2>Measures</h2>\n<p>There is none.</p>" in page
    assert page.count('src="data:image/png;base64,') == 1
    assert "Fit to use: every expectation that could be checked is met" in page
    assert "17 of 18 met, 1 not looked at" in page
    assert page.count('<li class="met">') == 17
    assert "not looked at</b>: no image is a JPEG whose quality is known" in page
    assert find_suite(page).name == "intake_suite.py"


def test_a_page_says_what_was_expected_what_was_found_who_and_which_knob(
    params_of: ParamsOf, tmp_path: Path
) -> None:
    rows = make_rows()[:24]
    replace_rows(0, 4, **AWAY)(rows)
    rows[0]["key"] = "cat/<b>&.png"
    page = render_page(params_of, rows, tmp_path)
    assert "Stopped: 2 critical expectations not met" in page
    assert "cat/&lt;b&gt;&amp;.png" in page
    assert "<b>&" not in page
    assert "4 corrupt" in page
    first = page[page.index('<li class="critical">') : page.index('<li class="met">')]
    for said in (
        "<h3>4 of 24 files (16.7%) cannot be used (blank ones not counted); allowed: at most 10.0%</h3>",
        "Expected: At most 10.0% of the files cannot be used as images",
        "not met: stops the stage",
        "validate.max_unreadable_share: 0.1",
        "<details open>",
        "<li>fox <em>4</em></li>",
        "not met: warning",
        "not looked at",
    ):
        assert said in first


def test_a_page_begins_with_pictures_and_folds_what_is_met(params_of: ParamsOf, tmp_path: Path) -> None:
    page = render_page(params_of, make_rows()[:24], tmp_path)
    parts = ('class="facts"', "<h2>Sizes</h2>", "<h2>Classes</h2>", 'id="findings"', 'details class="met"')
    at = [page.index(part) for part in parts]
    assert at == sorted(at)
    assert page.index('<li class="met">') > at[-1]
    assert page.rindex('<li class="critical">') < page.index('<li class="unseen">') < at[-1]


MET_INTAKE = {
    "The manifest has the columns": "34 columns",
    "Every file has a path of its own": "all 30 files",
    "Every file is kept": "all 30 files",
    "Formats are among PNG, JPEG": "all 30 files",
    "At most 10.0% of the files cannot be used": "none of 30 files",
    "The measured brightness lies in 0 to 1.0": "all 30 images",
    "The measured entropy lies in 0 to 8.0": "all 30 images",
    "No two files have the same bytes": "all 30 files",
    "At most 10.0% of the files are blank": "none of 30 files",
    "At most 10.0% of the images are dark": "3 of 30 images (10.0%)",
    "At most 10.0% of the images are very long": "none of 30 images",
    "There are at least two classes": "2",
    "Every class has at least 5 readable images": "all 2 classes",
    "No class is smaller than 40.0% of the largest": "all 2 classes",
}
MET_READY = {
    "No two pictures have the same bytes": "all 28 pictures",
    "Every picture has a place of its own": "all 28 pictures",
    "Every picture is in a group": "all 28 pictures",
    "Kept and quarantined together": "0",
    "Pictures in the shards are 6 x 5 x 3": "yes",
    "At most 20.0% of the files that validate": "6.7%",
    "At most 30.0% of the pictures have a near-duplicate": "14.3%",
    "No group of near-duplicates holds more than 15.0%": "7.1%",
    "At most 10.0% of the pictures are too plain": (
        "none of 27 pictures; 1 picture is too small for a fingerprint"
    ),
    "Every class has at least 5 pictures left": "all 2 classes",
}


def expect_found(report: Report, expected: dict[str, str]) -> None:
    for text, found in expected.items():
        (finding,) = [one for one in report.findings if one.text.startswith(text)]
        assert (finding.state, finding.found) == ("met", found), text


def test_what_is_met_is_said_with_what_was_looked_at(params_of: ParamsOf, tmp_path: Path) -> None:
    rows = make_rows()
    replace_rows(0, 3, brightness=0.05)(rows)
    expect_found(hold_intake(params_of, rows), MET_INTAKE)
    tables = make_ready_tables()
    replace_rows(0, 1, width=31)(tables["files"])
    expect_found(hold_ready(params_of, tmp_path / "shards", tables)[0], MET_READY)


def list_unseen(report: Report) -> dict[str, str]:
    return {one.text.partition(" (")[0]: one.unseen for one in report.findings if one.state == "unseen"}


SEARCHES = (
    "At most 10.0% of the pictures are too plain to be compared with others",
    "At most 30.0% of the pictures have a near-duplicate",
    "No group of near-duplicates holds more than 15.0% of the pictures, all of which will be on one side of "
    "the split",
)


def test_what_was_not_looked_at_is_not_met(
    params_of: ParamsOf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = make_ready_tables()
    replace_rows(0, 30, width=31)(tables["files"])
    report, _ = hold_ready(params_of, tmp_path / "small", tables)
    assert list_unseen(report) == dict.fromkeys(SEARCHES, "28 pictures are too small for a fingerprint")
    with caplog.at_level("INFO"):
        report.enforce(docs=Path("x"))
    assert "not looked at, because 28 pictures are too small for a fingerprint: At most 10.0%" in caplog.text
    tables = make_ready_tables()
    change_kept(0, 28, pdq_quality=0)(tables)
    replace_rows(0, 10, width=31)(tables["files"])
    report, _ = hold_ready(params_of, tmp_path / "plain", tables)
    why = "10 pictures are too small for a fingerprint and 18 pictures are too plain to be compared"
    assert list_unseen(report) == dict.fromkeys(SEARCHES[1:], why)


def test_measures_of_nothing_were_not_looked_at(params_of: ParamsOf) -> None:
    rows = make_rows()
    replace_rows(0, 30, **AWAY)(rows)
    unseen = list_unseen(hold_intake(params_of, rows))
    assert unseen["Formats are among PNG, JPEG"] == "no file has a readable header"
    nothing = {text for text, why in unseen.items() if why == "there is no image to look at"}
    assert {"The measured entropy lies in 0 to 8.0", "At most 10.0% of the images are dark"} <= nothing


def test_the_page_of_clean_counts_what_goes_on(params_of: ParamsOf, tmp_path: Path) -> None:
    tables = make_ready_tables()
    paths = Paths(tmp_path)
    tables["away"] = [one | {"reason": "duplicate"} for one in tables["away"]]
    report, made = hold_ready(params_of, paths.shards, tables)
    (paths.figures("clean")).mkdir()
    (paths.figures("clean") / "quarantine.png").write_bytes(b"\x89PNG")
    shown = describe_ready(
        *made,
        pairs=pa.Table.from_pylist([], schema=PAIRS),
        section=params_of(clean={"image_hw": [6, 5], "ready": READY}).clean,
        labels=("cat", "fox"),
        sheets={"fox": paths.figures("clean") / "class a#.png"},
        paths=paths,
    )
    write_docs(report, shown, paths.ready_docs)
    page = (paths.ready_docs / "index.html").read_text(encoding="utf-8")
    for what, n in (("Pictures that are kept", 28), ("Quarantined", 2), ("Groups of near-duplicates", 2)):
        assert f"<dt>{what}</dt><dd>{n}</dd>" in page
    assert "<h2>Quarantine</h2>" in page
    assert "<h2>Near-duplicates</h2>" not in page
    assert "2 duplicate. <code>darkroom quarantine list</code> lists them." in page
    assert (
        '<a href="../figures/class%20a%23.png">fox</a></h3>\n<div class="strip"><img alt="fox" src="data:'
        in page
    )
    assert "<th>fox</th><td>10</td><td>9</td>" in page
    assert find_suite(page).name == "ready_suite.py"


def test_many_classes_show_the_smallest(params_of: ParamsOf, tmp_path: Path) -> None:
    classes = [
        {"label": f"c{i:03d}", "n_files": i, "n_readable": i, "share_of_largest": i / 300} for i in range(300)
    ]
    table = pa.Table.from_pylist(classes, schema=RAW_CLASSES)
    manifest, _ = make_intake_tables(make_rows())
    write_docs(
        hold_intake(params_of, make_rows()),
        describe_intake(manifest, table, {}, Paths(tmp_path)),
        tmp_path / "docs",
    )
    page = (tmp_path / "docs" / "index.html").read_text(encoding="utf-8")
    assert "The 200 smallest of 300 classes" in page
    assert "c000" in page
    assert "c299" not in page


def test_offenders_are_named_as_great_expectations_names_them() -> None:
    """Its own look-up, which a complete result has, takes long for many: values, rounding and order agree."""
    import great_expectations.expectations as gxe

    rng = np.random.default_rng(0)
    texts = rng.permutation([f"{number:03d}" for number in range(200)])
    columns = {"key": texts, "sharpness": rng.random(200, dtype=np.float32) * 100, "unasked": texts}
    columns |= {"shard": rng.integers(0, 3, 200), "row": rng.integers(0, 9, 200), "label": texts.astype("U2")}
    expected = [
        gxe.ExpectColumnValuesToBeBetween(column="sharpness", min_value=50),
        gxe.ExpectColumnValuesToBeInSet(column="label", value_set=["00", "01"]),
        gxe.ExpectColumnValuesToBeUnique(column="key"),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["shard", "row"]),
    ]
    found = [
        hold_against(
            new_context(), "held", pa.table(columns), deepcopy(expected), named_by="key", is_complete=whole
        )
        for whole in (True, False)
    ]
    names = ("partial_unexpected_index_list", "unexpected_index_column_names")
    own, ours = (
        [[one["result"].get(name) for name in names] for one in result["results"]] for result in found
    )
    assert ours == own
    assert [len(rows or ()) for rows, _ in ours] == [20, 20, 0, 20]
