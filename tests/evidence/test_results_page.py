"""The page of results: whole in itself, the same each time, with what a person looks for."""

import re
from pathlib import Path

import numpy as np

from pipeline.evidence.metrics import score_answers
from pipeline.evidence.results_page import Mistakes, Results, write_results
from pipeline.images.picture import encode_png

NAMES = ("<b>cat", "dog")
PNG = encode_png(np.zeros((4, 4, 1), np.uint8))
ROW = {"id": "a", "key": "scans/<x>.png", "class_name": "dog", "predicted": "<b>cat", "probability": 0.875}


def render(
    folder: Path, y_true: list[int], y_pred: list[int], n_thumbnails: int = 1, **others: dict[str, float]
) -> str:
    """The page of these answers, whose mistakes are all alike; `others` are metrics of other stages."""
    y, answered = np.array(y_true), np.array(y_pred)
    scores = score_answers(y, answered, np.arange(len(y)), 2, n_resamples=100, confidence=0.9, seed=0)
    n_wrong = int((y != answered).sum())
    (folder / "figure.png").write_bytes(PNG)
    results = Results(
        "my scans", "compact at 8 x 8", scores, NAMES, np.bincount(y, minlength=2), 0.25, **others
    )
    write_results(
        results,
        Mistakes([ROW] * n_wrong, [PNG] * min(n_wrong, n_thumbnails)),
        confidence=0.9,
        sections={"Slices & more": ["<p>a section</p>"]},
        figures={"Confusion": folder / "figure.png"},
        links={"The source": folder / "figure.png", "Nothing": folder / "gone.html"},
        verdict=folder / "promote" / "verdict.js",
        path=folder / "evaluate" / "index.html",
    )
    return (folder / "evaluate" / "index.html").read_text(encoding="utf-8")


def test_it_shows_the_score_its_interval_and_the_mistakes_with_file_names(tmp_path: Path) -> None:
    page = render(tmp_path, [0] * 20 + [1] * 4, [0] * 20 + [0, 0, 1, 1])
    assert "Results: my scans" in page
    assert "compact at 8 x 8, asked about 24 test pictures that it has never seen" in page
    assert "<dt>Accuracy</dt><dd>91.7%</dd>" in page
    assert "<dt>90% interval</dt><dd>76.0% to 98.5%</dd>" in page
    assert "<dt>Always guessing</dt><dd>25.0%</dd>" in page
    assert "<dt>Wrong answers</dt><dd>2 of 24</dd>" in page
    assert "<code>scans/&lt;x&gt;.png</code>is dog, answered <b>&lt;b&gt;cat</b> (88%)" in page
    assert "The 1 most confident of 2." in page
    assert "<td>4&nbsp;!</td>" in page
    assert "! fewer than 10 test pictures" in page
    assert page.index("<th>dog</th>") < page.index("<th>&lt;b&gt;cat</th>"), "the worst class comes first"
    assert '<a href="../figure.png">The source</a>' in page
    assert "Nothing" not in page
    assert "<h2>Slices &amp; more</h2>\n<p>a section</p>" in page


def test_it_says_what_the_test_set_alone_does_not(tmp_path: Path) -> None:
    folds = {
        f"cross_validated_accuracy{end}": value for end, value in (("", 0.9), ("_low", 0.8), ("_high", 0.95))
    }
    facts = {"metadata_accuracy": 0.75, "residual_accuracy": 0.6, "metadata_chance": 0.5}
    page = render(tmp_path, [0, 0, 1, 1], [0, 0, 1, 0], train=folds, split=facts)
    assert "Cross-validated, over the pictures of train and val, the accuracy is <b>90.0%</b>" in page
    assert (
        "give the class of <b>75.0%</b> away; those of the developed pictures 60.0%; chance is 50.0%" in page
    )
    assert "may come from a shortcut" not in page, "over the folds it does better"
    alone = render(tmp_path, [0, 0, 1, 1], [0, 0, 1, 0], split=facts)
    assert "may come from a shortcut" in alone, "75 % are no more than the facts of the files give"
    better = render(tmp_path, [0, 0, 1, 1], [0, 0, 1, 1], split=facts)
    assert "may come from a shortcut" not in better
    assert "Cross-validated" not in better


def test_it_needs_no_network_and_asks_promote_for_the_verdict(tmp_path: Path) -> None:
    page = render(tmp_path, [0, 1], [0, 1])
    assert re.findall(r'<script src="(.*?)"', page) == ["../promote/verdict.js"]
    assert not re.findall(r"https?://|@import|<link|img[^>]* src=\"(?!data:)|url\(", page)
    assert "Not decided yet" in page
    assert "<p>None.</p>" in page
    assert render(tmp_path, [0, 1], [0, 1]) == page
