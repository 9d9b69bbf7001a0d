"""What a user of fastai writes: arguments are the collection, and a local file of weights."""

import sys

from fastai.vision.all import ImageDataLoaders, Resize, accuracy, vision_learner

folder, weights = sys.argv[1:]
dls = ImageDataLoaders.from_folder(folder, valid_pct=0.2, seed=42, item_tfms=Resize(224))
cfg = {"file": weights}
learn = vision_learner(dls, "tf_efficientnet_lite0", metrics=accuracy, pretrained_cfg_overlay=cfg)
learn.fine_tune(5)
learn.export("model.pkl")
