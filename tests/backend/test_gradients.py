"""Gradients of known functions, and of the scores of a known network, on both backends."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.backend.gradients import differentiate


def test_of_a_square() -> None:
    import keras

    at = np.array([[1, 2], [3, -4]], np.float32)
    assert np.allclose(differentiate(lambda point: keras.ops.sum(point**2), at), 2 * at)


def test_of_a_function_that_does_not_depend_on_it() -> None:
    import keras

    at = np.ones((2, 3), np.float32)
    found = differentiate(lambda point: keras.ops.sum(keras.ops.ones(2)), at)
    assert np.array_equal(found, np.zeros((2, 3), np.float32))


# A network whose scores are known: map m of the only convolution is the picture times m + 1, and class k of
# three has the mean of map k. So the gradient of the score of class k is 1 / 4 at each of the four places of
# map k.
SCORES = """
import json
import numpy as np
import keras
from pipeline.backend.anatomy import find_maps, trace_steps
from pipeline.backend.gradients import differentiate_scores

layers = [keras.layers.Conv2D(3, 1), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3),
    keras.layers.Activation("softmax")]
model = keras.Sequential([keras.Input((2, 2, 1)), *layers])
layers[0].set_weights([np.array([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3), np.zeros(3)])
layers[2].set_weights([np.eye(3), np.zeros(3)])
pictures = np.array([1, 2, 3, 4], np.uint8).reshape(1, 2, 2, 1).repeat(2, axis=0)
steps = trace_steps(model, pictures[0])
maps, gradient = differentiate_scores(model, find_maps(steps), steps[-1], pictures, np.array([0, 1]))
print(json.dumps([keras.backend.backend(), maps.tolist(), gradient.tolist()]))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_of_the_scores_of_a_network(backend: str) -> None:
    """In a process of its own: a backend is chosen once."""
    done = subprocess.run(
        [sys.executable, "-c", SCORES],
        env=os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    name, maps, gradient = json.loads(done.stdout.splitlines()[-1])
    assert name == backend
    picture = np.array([[1, 2], [3, 4]])
    assert np.allclose(np.array(maps), np.stack([picture, 2 * picture, 3 * picture], axis=-1))
    expected = np.zeros((2, 2, 2, 3))
    expected[0, ..., 0] = expected[1, ..., 1] = 1 / 4
    assert np.allclose(np.array(gradient), expected)
