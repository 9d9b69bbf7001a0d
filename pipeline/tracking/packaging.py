"""A classifier folder as an MLflow model, with the package inside it."""

from pathlib import Path


def log_model(run_id: str, folder: Path) -> str:
    """Log a classifier folder under a run as a pyfunc that takes encoded pictures; returns its model URI.

    The package itself travels with the model (`code_paths`), so decoding and resizing are what they were in
    training. Requirements are the installed versions; inferring them would take 20 s.
    """
    import mlflow

    package = Path(__file__).parents[1]
    with mlflow.start_run(run_id=run_id):
        info = mlflow.pyfunc.log_model(
            name="classifier",
            python_model=str(package / "serving" / "pyfunc.py"),
            artifacts={"classifier": str(folder)},
            code_paths=[str(package)],
            pip_requirements=_list_requirements(),
        )
    return str(info.model_uri)


def _list_requirements() -> list[str]:
    """What the served model imports, at the versions it was made with."""
    from importlib.metadata import version

    names = ("mlflow", "keras", "tensorflow", "h5py", "numpy", "pandas", "pillow")
    return [f"{name}=={version(name)}" for name in names]
