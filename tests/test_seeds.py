"""Seeds: from words alone, and such as every Keras backend takes."""

from pipeline.seeds import hash_to_seed


def test_the_same_words_give_the_same_seed_everywhere() -> None:
    assert hash_to_seed("0/RandomFlip") == 1272775447
    assert hash_to_seed("0/RandomFlip") != hash_to_seed("1/RandomFlip")


def test_a_seed_has_31_bits() -> None:
    seeds = [hash_to_seed(str(i)) for i in range(1000)]
    assert 0 <= min(seeds) < max(seeds) < 2**31
    assert max(seeds) > 2**30
