"""Seeds derived from text: a draw depends on its purpose, never on earlier draws."""

import hashlib


def hash_to_seed(text: str) -> int:
    """31 bits of the sha256 of a text: a seed that every Keras backend takes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
