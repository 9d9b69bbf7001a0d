"""What a picture is compared by: the features of EfficientNet-Lite0, or those of the project's classifier."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from pipeline.backend.inference import compute_outputs
from pipeline.collection.pictures import Pictures
from pipeline.errors import ModelError
from pipeline.models import BACKBONE, EFFICIENTNET_LITE0, find_backbone
from pipeline.models.efficientnet_lite0 import build_backbone, find_package_file
from pipeline.progress import silence_log
from pipeline.serving.model_file import load_network
from pipeline.serving.settings import MODEL_FILE
from pipeline.training.frozen_features import FeatureCache

Float32 = npt.NDArray[np.float32]
Uint8 = npt.NDArray[np.uint8]

SIDE_PX = 224  # to which pictures are enlarged or shrunk: the network was made for it


@dataclass(frozen=True)
class Eye:
    """A network from pictures to features, and what it is called for people."""

    name: str
    network: Any

    def look(self, pictures: Uint8) -> Float32:
        """The features of pictures, [n, d]."""
        return compute_outputs(self.network, pictures)

    def look_at_collection(self, pictures: Pictures, folder: Path) -> Float32:
        """The features of pictures of the collection, kept in a folder."""
        cache = FeatureCache(self.network, name=f"synthesis {self.name}", folder=folder)
        with silence_log("pipeline.training.frozen_features", up_to=logging.INFO):
            return cache.read(pictures, "real").gather(np.arange(len(pictures)))


def open_eye(picture_shape: tuple[int, int, int], classifier: Path) -> Eye | None:
    """EfficientNet-Lite0 where its weights are installed; otherwise the classifier; None without either."""
    try:
        find_package_file()
    except ModelError:
        return _open_classifier(picture_shape, classifier)
    channels = picture_shape[2]
    backbone = build_backbone(image_hw=(SIDE_PX, SIDE_PX), channels=channels, weights="imagenet")
    pictures = keras.Input(picture_shape, dtype="uint8")
    enlarged = keras.layers.Resizing(SIDE_PX, SIDE_PX, antialias=True, dtype="float32")(pictures)
    enlarged = keras.ops.cast(keras.ops.clip(keras.ops.round(enlarged), 0, 255), "uint8")
    return Eye(EFFICIENTNET_LITE0, keras.Model(pictures, backbone(enlarged)))


def _open_classifier(picture_shape: tuple[int, int, int], folder: Path) -> Eye | None:
    if not (folder / MODEL_FILE).is_file():
        return None
    network = load_network(folder / MODEL_FILE)
    if network.input_shape[1:] != picture_shape:
        return None
    if BACKBONE in [layer.name for layer in network.layers]:
        pictures = keras.Input(picture_shape, dtype="uint8")
        return Eye("the classifier", keras.Model(pictures, find_backbone(network)(pictures)))
    last = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)][-1]
    return Eye("the classifier", keras.Model(network.inputs, last.input))
