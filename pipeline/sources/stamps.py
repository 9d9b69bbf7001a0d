"""Stamps: what changes with the bytes of a file or an archive, without reading them."""

import os
import time
from pathlib import Path

from pipeline.sources.urls import Place, Url

# A file that changed less than this before it is looked at may change again with the same times.
TIME_STEP_NS = 2 * 10**9  # the coarsest clock of a disk: FAT's


def stamp_file(path: str | Path, status: os.stat_result) -> str:
    """What changes with the bytes of a file: path, size, number and times; "" if it changed just now.

    The time of change (ctime) is among them, because no program can set it.
    """
    times = (status.st_mtime_ns, status.st_ctime_ns)
    if max(times) > time.time_ns() - TIME_STEP_NS:
        return ""
    return repr((os.path.abspath(path), status.st_size, status.st_ino, *times))  # noqa: PTH100


def stamp_place(place: Place) -> str:
    """As `stamp_file`; of an object in a store, its URL, size and mark."""
    if isinstance(place, Url):
        status = place.stat()
        return f"{place}\0{status.st_size}\0{status.mark}" if status.mark else ""
    return stamp_file(place, place.stat())
