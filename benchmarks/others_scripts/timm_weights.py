"""The ImageNet weights that Darkroom uses, as timm's `tf_efficientnet_lite0` names them.

Both list their tensors in the order in which a picture passes them, so they pair up; shapes are compared.

Run, in an environment with timm: python timm_weights.py THE.pth FOLDER
Writes FOLDER/pytorch_model.bin and FOLDER/config.json, without the ImageNet classes.
"""

import json
import sys
from pathlib import Path

import timm
import torch

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
model = timm.create_model("tf_efficientnet_lite0", num_classes=0)
theirs = {name: value for name, value in torch.load(source).items() if not name.startswith("_fc")}
ours = model.state_dict()
counts = [name for name in ours if name.endswith("num_batches_tracked")]
for state in (theirs, ours):
    for name in [name for name in state if name.endswith("num_batches_tracked")]:
        del state[name]
paired = {
    name: value
    for (name, old), value in zip(ours.items(), theirs.values(), strict=True)
    if old.shape == value.shape
}
if len(paired) != len(ours):
    sys.exit("the weights do not fit tf_efficientnet_lite0")
folder.mkdir(parents=True, exist_ok=True)
torch.save(paired | {name: torch.tensor(0) for name in counts}, folder / "pytorch_model.bin")
config = {
    "architecture": "tf_efficientnet_lite0",
    "num_features": 1280,
    "pretrained_cfg": {
        "input_size": [3, 224, 224],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "crop_pct": 0.875,
    },
}
(folder / "config.json").write_text(json.dumps(config))
