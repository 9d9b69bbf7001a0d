"""JSON from a file, within bounds."""

import json
from pathlib import Path
from typing import Any

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
