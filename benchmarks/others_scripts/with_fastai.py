"""What a user of fastai writes: arguments are the collection, a local file of weights, epochs."""

import sys

from fastai.vision.all import ImageDataLoaders, Resize, accuracy, vision_learner

folder, weights, epochs = sys.argv[1:]
dls = ImageDataLoaders.from_folder(folder, valid_pct=0.2, seed=42, item_tfms=Resize(224))
cfg = {"file": weights}
learn = vision_learner(dls, "tf_efficientnet_lite0", metrics=accuracy, pretrained_cfg_overlay=cfg)
learn.fine_tune(int(epochs))
learn.export("model.pkl")
