"""Training on a photo of very many objects, in memory that does not grow with their number."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_MB = 800  # dense masks alone are 1,000 MB, and 4,000 MB as the floats that the loss compares
PROGRAM = """
import numpy as np
import torch

from instseg.core.instances import Instances, Masks
from instseg.data.augmentation import DEFAULT_STEPS, parse_augmentations
from instseg.models.mask_rcnn import fresh_model
from instseg.system.memory import highest_memory_bytes
from instseg.training.detection import Detection
from instseg.training.samples import collate, to_sample

names = ("BG", "disc")
task = Detection(fresh_model("compact", names, (0, 1)).network)
task.enter_stage("all")
augmentation = parse_augmentations(DEFAULT_STEPS)
rng = np.random.default_rng(0)
photo = rng.integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
disc = np.hypot(*np.mgrid[-30:30, -30:30]) < 30
masks = Masks.from_crops([disc] * 1000, rng.integers(0, 940, (1000, 2)), (1000, 1000))
objects = Instances(
    boxes=masks.boxes_xyxy(),
    class_ids=np.ones(1000, dtype=np.int64),
    scores=np.ones(1000),
    masks=masks,
    class_names=names,
)


def step(objects):
    image, objects, crowds = augmentation(photo, objects, masks[:50], seed=1)
    sample = to_sample(image, objects, names, crowds)
    sum(task.losses(*collate([sample])).values()).backward()
    return len(sample[1]["labels"])


step(objects[:3])
before = highest_memory_bytes()
seen = step(objects)
print(seen, (highest_memory_bytes() - before) / 2**20)
"""


def test_a_thousand_overlapping_objects_fit():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    seen, added_mb = map(float, done.stdout.split())
    assert seen > 700
    assert added_mb < MOST_MB
