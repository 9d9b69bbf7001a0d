"""Where the work is done: in processes of this machine, or on the cluster that this machine is part of.

The machine chooses (`DARKROOM_ENGINE`), never a parameter: results are the same, so no stage depends on it.
"""

import os

from pipeline.errors import ParamsError

ENGINE_VARIABLE = "DARKROOM_ENGINE"
_ENGINES = ("local", "ray")


def is_on_cluster() -> bool:
    """Whether the work goes to a Ray cluster (`DARKROOM_ENGINE=ray`).

    Raises:
        ParamsError: the variable has a value that is not allowed.
    """
    said = os.environ.get(ENGINE_VARIABLE) or "local"
    if said not in _ENGINES:
        raise ParamsError(f"{ENGINE_VARIABLE} must be {' or '.join(_ENGINES)}, got {said!r}; unset it")
    return said == "ray"
