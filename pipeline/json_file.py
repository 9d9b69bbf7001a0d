"""JSON from a file, within bounds, and what is said where it cannot be read."""

import json
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, explain_unread, one_line

_MAX_JSON_BYTES = 64 << 20


def load_json(path: Path) -> Any:
    """The JSON in a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, has more than 64 MiB, or holds lists too deep in each other.
    """
    with path.open("rb") as file:
        data = file.read(_MAX_JSON_BYTES + 1)
    if len(data) > _MAX_JSON_BYTES:
        raise ValueError(f"more than {_MAX_JSON_BYTES:,} bytes")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("lists or mappings too deep in each other") from None


def read_json(path: Path, stage: str) -> Any:
    """The JSON that `stage` wrote to `path`.

    Raises:
        DataError: the file is missing, cannot be read or is not JSON; says which stage makes it.
    """
    try:
        return load_json(path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `dvc repro {stage}` to make it") from None
    except OSError as error:
        raise DataError(explain_unread(path, error)) from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({one_line(error)}); run `dvc repro -f {stage}`") from None
