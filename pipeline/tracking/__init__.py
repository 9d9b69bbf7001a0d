"""MLflow and dvc.lock: connection, runs, rows, registered models, and the hashes that tie them together."""
