"""What a machine of the cluster runs first: it lets nothing in that another version of the code has sent.

This module travels by value, so it needs nothing of the package there. It imports inside.
"""

from collections.abc import Iterator

REFUSED, DONE, FAILED = "refused", "done", "failed"


def hash_code() -> tuple[str, str]:
    """The sha256 (hex) of the package's code that this process imports, and the folder of the package.

    Raises:
        ImportError: there is none.
    """
    import hashlib
    from pathlib import Path

    import pipeline

    folder = Path(next(iter(pipeline.__path__)))
    known: str | None = pipeline.__dict__.get("_hash_of_code")
    if known is None:
        hashed = hashlib.sha256()
        for file in sorted(folder.rglob("*.py")):
            name = file.relative_to(folder).as_posix()
            hashed.update(f"{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
        known = pipeline.__dict__["_hash_of_code"] = hashed.hexdigest()
    return known, str(folder)


def pass_gate(code: str, errand: bytes, chunk: bytes, *, is_alone: bool) -> tuple[str, str, bytes]:
    """What became of a chunk, the name of this machine, and the pickled results; or why there are none.

    Args:
        code: the hash of the code that sent the chunk.
        errand, chunk, is_alone: as of `errands.do_errand`.
    """
    import platform

    if why := find_difference(code):
        return REFUSED, platform.node(), why
    from pipeline.workers.errands import do_errand

    try:
        return DONE, platform.node(), do_errand(errand, chunk, is_alone=is_alone)
    except Exception as error:  # noqa: BLE001 - a bug in the function belongs to the one who sent it
        return FAILED, platform.node(), pack_error(error)


def stream_through_gate(code: str, task: bytes) -> Iterator[tuple[str, str, bytes]]:
    """As `pass_gate`, for each thing that a function yields.

    Args:
        task: the pickled function, and what it is called with.
    """
    import pickle
    import platform

    if why := find_difference(code):
        yield REFUSED, platform.node(), why
        return
    try:
        function, given = pickle.loads(task)
        for one in function(given):
            yield DONE, platform.node(), pickle.dumps(one)
    except Exception as error:  # noqa: BLE001 - as above
        yield FAILED, platform.node(), pack_error(error)


def find_difference(code: str) -> bytes:
    """Why this machine may do nothing for whoever has this code, in words; b"" if it may."""
    try:
        here, folder = hash_code()
    except ImportError:
        return b"it has no Darkroom that its Python could import"
    if here == code:
        return b""
    return f"it runs another version of Darkroom, {folder} (code {here[:8]}, here {code[:8]})".encode()


def pack_error(error: Exception) -> bytes:
    """A pickled exception that is being handled, with its trace; one of another type if it cannot travel."""
    import pickle
    import platform
    import traceback

    trace = traceback.format_exc()
    error.add_note(trace)
    try:
        found = pickle.dumps(error)
        pickle.loads(found)
    except Exception:  # noqa: BLE001 - whatever its own pickling raises
        found = pickle.dumps(RuntimeError(f"on {platform.node()}: {trace}"))
    return found
