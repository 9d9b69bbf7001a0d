"""What a user of AutoGluon writes: arguments are the collection, a local timm checkpoint, epochs."""

import sys
from pathlib import Path

import pandas as pd
from autogluon.multimodal import MultiModalPredictor

folder, checkpoint, epochs = sys.argv[1:]
files = sorted(path for path in Path(folder).glob("*/*"))
data = pd.DataFrame({"image": map(str, files), "label": [path.parent.name for path in files]})
predictor = MultiModalPredictor(label="label", eval_metric="accuracy", path="model")
chosen = {"model.timm_image.checkpoint_name": checkpoint, "optim.max_epochs": int(epochs)}
predictor.fit(data, presets="medium_quality", hyperparameters=chosen)
