"""MLflow and dvc.lock: connection, runs, rows, registered models, and the hashes that tie them together.

MLflow reports to its makers unless it is told not to. It is told here, before anything imports it: nothing
of a collection's work leaves the machine unasked. The reports also come from a thread that changes the
environment, while a request that another thread makes reads it, and then fails.
"""

import os

for _name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ.setdefault(_name, "true")
