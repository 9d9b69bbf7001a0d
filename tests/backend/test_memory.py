"""memory: what the C library is told, and when it is left alone."""

import ctypes
from typing import Any

import pytest

from pipeline.backend.memory import keep_freed_memory


class Library:
    """Stands for the C library, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: dict[int, int] = {}

    def mallopt(self, option: int, value: int) -> int:
        self.told[option] = value
        return 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.delenv("MALLOC_TOP_PAD_", raising=False)
    return library


def test_freed_memory_is_kept(library: Library) -> None:
    """M_MMAP_THRESHOLD (at most 32 MiB in glibc), M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h."""
    keep_freed_memory()
    assert library.told == {-3: 32 << 20, -1: 512 << 20, -2: 64 << 20}


def test_what_the_user_has_set_stays(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TOP_PAD_", "0")
    keep_freed_memory()
    assert library.told == {}


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_TOP_PAD_", raising=False)
    nothing: Any = object()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: nothing)
    keep_freed_memory()
