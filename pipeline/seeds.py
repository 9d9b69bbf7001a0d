"""Seeds derived from words: randomness depends on what it is for, never on what was drawn before."""

import hashlib


def hash_to_seed(text: str) -> int:
    """31 bits of the sha256 of a text: a seed that every Keras backend takes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
