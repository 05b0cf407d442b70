"""Runs an exported model without torch and instseg: run_exported.py MODEL.onnx PHOTO."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
image = np.array(ImageOps.exif_transpose(Image.open(sys.argv[2])).convert("RGB"))
boxes, labels, scores, masks = session.run(["boxes", "labels", "scores", "masks"], {"image": image})
for box, label, score, soft in zip(boxes, labels, scores, masks, strict=True):
    x0, y0, x1, y1 = box.round().astype(int)
    size = max(x1 - x0, 1), max(y1 - y0, 1)
    mask = np.array(Image.fromarray(soft).resize(size, Image.Resampling.BILINEAR)) >= 0.5
    print(f"{names[label]} {score:.3f}, box {x0} {y0} {x1} {y1}, {mask.sum()} pixels")
