"""Run one stage: log, load params, open the MLflow run, write metrics, set the exit code. (Being written.)"""

import sys
from collections.abc import Callable, Mapping

from pipeline.params import Params, load_params
from pipeline.paths import Paths, project_root
from pipeline.tracking import Run, Untracked

Metrics = Mapping[str, float]
StageMain = Callable[[Params, Paths, Run], Metrics]


def run_stage(name: str, main: StageMain) -> None:
    """Run the stage in the project of the working folder and exit: 0, or 1 with one line of error."""
    paths = Paths(project_root())
    main(load_params(paths.params), paths, Untracked())
    sys.exit(0)
