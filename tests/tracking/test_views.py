"""Saved views: what MLflow's page reads from a tag, and which columns they show."""

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.tracking import views
from pipeline.tracking.runs import STAGE_TAG, create_run

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient


def read(value: str) -> dict[str, Any]:
    """The state of the page in a tag's value."""
    kind, _, text = json.loads(value)["state"].partition(";")
    assert kind == "deflate"
    page: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    return page


def test_only_what_differs_is_a_column() -> None:
    rows = [
        {"train.model": "compact", "train.epochs": "2", "promote.margin": "0"},
        {"train.model": "compact", "train.epochs": "3", "promote.margin": "1", "train.new": "1"},
    ]
    assert views.find_differing(rows) == ["train.epochs", "train.new"]
    assert views.find_differing(rows[:1]) == views.find_differing([]) == []


def test_scores_come_first_then_the_verdict_then_what_differs() -> None:
    made = views.describe_views(["train.epochs"])
    page = read(made[views.BEST])
    assert page["selectedColumns"] == [
        "metrics.`accuracy`",
        "metrics.`accuracy_low`",
        "metrics.`accuracy_high`",
        "tags.`verdict`",
        "tags.`champion`",
        "params.`train.model`",
        "params.`train.epochs`",
        "metrics.`train_seconds`",
    ]
    assert (page["orderByKey"], page["orderByAsc"]) == ("metrics.`accuracy`", False)
    assert json.loads(made[views.BEST])["name"] == "Which is better"
    charts = read(made[views.CHARTS])["compareRunCharts"]
    assert {chart["metricKey"] for chart in charts} >= {"accuracy", "macro_f1", "curve/val_loss"}


@pytest.mark.parametrize(("metric", "is_rising"), [("val_accuracy", False), ("log_loss", True)])
def test_trials_are_listed_without_their_search_and_the_best_first(metric: str, is_rising: bool) -> None:
    page = read(views.describe_trials(["train.epochs"], metric)[views.TRIALS])
    assert page["selectedColumns"] == [f"metrics.`{metric}`", "tags.`trial`", "params.`train.epochs`"]
    assert (page["orderByKey"], page["orderByAsc"]) == (f"metrics.`{metric}`", is_rising)
    assert page["searchFilter"] == "tags.`trial` != ''"


def test_a_tag_is_short_enough_for_mlflow() -> None:
    keys = [f"section.a_long_name_of_a_parameter_{i}" for i in range(12)]
    classes = views.describe_classes([f"class/{'a long name of a class ' * 4}{i}/recall" for i in range(300)])
    assert max(map(len, (views.describe_views(keys) | classes).values())) < 5000


def test_views_are_saved_with_the_experiments(root: "Path", client: "MlflowClient") -> None:
    for epochs in (2, 3):
        row = create_run(client, root, "row", row=True, tags={})
        row.log_params({"train.epochs": epochs} | {f"x.{i}": epochs for i in range(40)})
        row.finish("FINISHED")
    stage = create_run(client, root, "evaluate", tags={STAGE_TAG: "evaluate"})
    stage.log_metrics({"class/a/recall": 1, "class/a/f1": 1, "class/a/recall_low": 0})
    stage.finish("FINISHED")
    views.save_views(client)
    rows, stages = (client.get_run(one.run_id).info.experiment_id for one in (row, stage))
    tags = client.get_experiment(rows).tags
    shown = read(tags["mlflow.sharedViewState.darkroom-best"])["selectedColumns"]
    assert "params.`train.epochs`" in shown
    assert sum(name.startswith("params.`x.") for name in shown) < 12, "more do not fit on a screen"
    assert "mlflow.sharedViewState.darkroom-charts" in tags
    page = read(client.get_experiment(stages).tags["mlflow.sharedViewState.darkroom-classes"])
    assert page["selectedColumns"] == ["tags.`row`", "metrics.`class/a/recall`", "metrics.`class/a/f1`"]
    assert page["searchFilter"] == "tags.`dvc.stage` = 'evaluate'"
    assert views.locate_view(rows).startswith(f"/#/experiments/{rows}/runs?")


def test_no_view_without_a_row(root: "Path", client: "MlflowClient") -> None:
    views.save_views(client)
