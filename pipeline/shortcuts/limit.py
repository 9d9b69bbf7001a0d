"""When facts beside the picture give too much of its class away."""


def is_too_telling(accuracy: float, chance: float, limit: float) -> bool:
    """Whether facts are right above `limit`, and correct enough of the errors made by a guess.

    Enough is at least half of the errors made by always guessing the most common class.

    Args:
        accuracy: with which facts alone predict the class.
        chance: the share of the most common class.
        limit: `split.max_metadata_accuracy`.
    """
    return accuracy > limit and 1 - accuracy <= (1 - chance) / 2
