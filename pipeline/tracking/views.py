"""What MLflow's UI shows at first sight: saved views of the rows, and the address that opens one.

MLflow keeps a saved view as a tag of the experiment. Its table of runs shows no metric by itself, and has
no setting for that.
"""

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.tracking.runs import STAGE_TAG, search_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

BEST, CHARTS, CLASSES = "darkroom-best", "darkroom-charts", "darkroom-classes"
TRIALS = "darkroom-trials"
NAMES = {BEST: "Which is better", CHARTS: "Charts", CLASSES: "Per class", TRIALS: "Trials"}
TRIAL_TAG = "trial"  # of a run of a search: how it ended
ROW_TAG = "row"  # of a stage run: the name of its row
_FINISHED = "attributes.status = 'FINISHED'"
_TAG = "mlflow.sharedViewState."
_SCORES = ("accuracy", "accuracy_low", "accuracy_high")
_TAGS = ("verdict", "champion")
_CURVES = ("val_accuracy", "val_loss", "accuracy", "loss", "learning_rate")
_MAX_DIFFERING = 12  # columns of parameters; more do not fit on a screen
_MAX_CLASSES = 15
_WIDTH_PX = 100
# What differs in every row for no reason of its own.
_UNTOLD = ("promote.", "data.source", "data.name")


def save_views(client: "MlflowClient") -> None:
    """Write the views anew: their columns follow the parameters that differ, and the classes."""
    rows = search_runs(client, _FINISHED, row=True)
    stages = search_runs(client, f"{_FINISHED} and tags.`{STAGE_TAG}` = 'evaluate'", row=False)
    differing = find_differing([run.data.params for run in rows])
    if rows:
        _save(client, rows[0], describe_views(differing[:_MAX_DIFFERING]))
    if stages:
        _save(client, stages[0], describe_classes(sorted(stages[0].data.metrics)))


def save_trials_view(client: "MlflowClient", run_id: str, keys: Sequence[str], metric: str) -> None:
    """Write the view of the trials of a search, the best first, into the experiment of its run.

    Args:
        keys: the parameters that were tuned.
        metric: that the trials log.
    """
    _save(client, client.get_run(run_id), describe_trials(keys, metric))


def describe_trials(keys: Sequence[str], metric: str) -> dict[str, str]:
    """The view of the trials: value, how it ended, and what was tuned, without the runs that hold them."""
    shown = [f"metrics.`{metric}`", f"tags.`{TRIAL_TAG}`", *(f"params.`{key}`" for key in keys)]
    page = _describe_page(shown, order=metric, asked=f"tags.`{TRIAL_TAG}` != ''")
    page["orderByAsc"] = metric.endswith("loss")
    return {TRIALS: _encode(TRIALS, page)}


def _save(client: "MlflowClient", run: Any, views: Mapping[str, str]) -> None:
    """Write views into the experiment of a run."""
    for key, value in views.items():
        client.set_experiment_tag(run.info.experiment_id, f"{_TAG}{key}", value)


def find_differing(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The parameters that are not the same in all rows, in the order of params.yaml."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [key for key in keys if len({row.get(key) for row in rows}) > 1 and not key.startswith(_UNTOLD)]


def describe_views(differing: Sequence[str]) -> dict[str, str]:
    """The tags' values by the id of the view: the state of MLflow's page, compressed."""
    shown = [
        *(f"metrics.`{name}`" for name in _SCORES),
        *(f"tags.`{name}`" for name in _TAGS),
        *(f"params.`{key}`" for key in dict.fromkeys(["train.model", *differing])),
        "metrics.`train_seconds`",
    ]
    page = _describe_page(shown, order="accuracy")
    return {BEST: _encode(BEST, page), CHARTS: _encode(CHARTS, page | _describe_charts())}


def describe_classes(metrics: Sequence[str]) -> dict[str, str]:
    """The view of the runs of evaluate: recall and F1 of each class, of the first 15 classes."""
    recalls = [name for name in metrics if re.fullmatch(r"class/.*/recall", name)][:_MAX_CLASSES]
    pairs = [(name, f"{name.removesuffix('recall')}f1") for name in recalls]
    shown = [f"tags.`{ROW_TAG}`", *(f"metrics.`{name}`" for pair in pairs for name in pair)]
    page = _describe_page(shown, order="accuracy", asked=f"tags.`{STAGE_TAG}` = 'evaluate'")
    return {CLASSES: _encode(CLASSES, page)}


def locate_view(experiment_id: str, view: str = BEST) -> str:
    """The address of a view, below that of the server."""
    address = f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={view}"
    return address + ("&compareRunsMode=CHART" if view == CHARTS else "")


def _describe_page(shown: list[str], *, order: str, asked: str = "") -> dict[str, Any]:
    return {
        "searchFilter": asked,
        "orderByKey": f"metrics.`{order}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": shown,
        "columnOrder": shown,
        "columnWidths": dict.fromkeys(shown, _WIDTH_PX),
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
    }


def _describe_charts() -> dict[str, Any]:
    """Bars of the scores, and the curves of the training."""
    scores, curves = "darkroom-scores", "darkroom-curves"
    bars = [
        {
            "uuid": f"{scores}-{name}",
            "type": "BAR",
            "runsCountToCompare": 20,
            "metricSectionId": scores,
            "deleted": False,
            "isGenerated": False,
            "metricKey": name,
        }
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
    ]
    lines = [
        {
            "uuid": f"{curves}-{name}",
            "type": "LINE",
            "runsCountToCompare": 20,
            "metricSectionId": curves,
            "deleted": False,
            "isGenerated": False,
            "metricKey": f"curve/{name}",
            "selectedMetricKeys": [f"curve/{name}"],
            "xAxisKey": "step",
            "selectedXAxisMetricKey": "",
            "xAxisScaleType": "linear",
            "scaleType": "linear",
            "lineSmoothness": 0,
            "ignoreOutliers": False,
            "yAxisKey": "metric",
            "yAxisExpressions": [],
        }
        for name in _CURVES
    ]
    sections = [
        {"uuid": uuid, "name": name, "display": True, "isReordered": True}
        for uuid, name in ((scores, "Scores on the test pictures"), (curves, "Training"))
    ]
    return {"compareRunCharts": bars + lines, "compareRunSections": sections}


def _encode(view: str, page: Mapping[str, Any]) -> str:
    state = base64.b64encode(zlib.compress(json.dumps(page).encode(), level=9)).decode()
    return json.dumps({"name": NAMES[view], "createdAt": 0, "updatedAt": 0, "state": f"deflate;{state}"})
