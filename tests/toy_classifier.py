"""A real classifier that needs no training: of 8x8 grey pictures, with weights set by hand."""

from pathlib import Path


def save_toy_classifier(
    folder: Path, *, looks: bool = False, seen: tuple[str, ...] = ("light", "dark")
) -> None:
    """Write a classifier folder whose network says light, dark or (unlikely) odd.

    Args:
        looks: it has a convolution, which sees what is light, so there is a heat-map of its answers.
        seen: what it calls light and dark pictures.
    """
    import keras
    import numpy as np

    from pipeline.images.recipe import Recipe
    from pipeline.serving.settings import Settings, save_classifier

    conv = [keras.layers.Conv2D(1, 1, kernel_initializer="ones")] if looks else []
    layers = [keras.layers.Rescaling(1 / 255), *conv, keras.layers.GlobalAveragePooling2D()]
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, dense])
    dense.set_weights([np.array([[8.0, -8.0, 0.0]]), np.array([-4.0, 4.0, -9.0])])
    recipe = Recipe((8, 8), 1, "stretch", "bicubic", equalise=0, formats=("PNG",), max_pixels=10_000)
    settings = Settings((*seen, "odd"), recipe, test_mirror=False)
    save_classifier(model, settings, folder)
