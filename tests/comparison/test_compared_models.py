"""Two models in one set of classes."""

from pathlib import Path

import numpy as np
import pytest
from comparison_files import write_files

from instseg.comparison.compared_models import ComparedModels
from instseg.core.instances import Instances, Masks
from instseg.core.semantic import translation
from instseg.data.coco import CocoData
from instseg.data.semantic_data import CocoSemantic
from instseg.predict.predictor import Predictor
from instseg.predict.segmenter import Segmenter


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


def test_as_many_instances_of_both_count(files):
    """The best 100 of all classes, compared or not, as COCO has it."""
    segmenter = Segmenter(files / "unet.safetensors", device="cpu", precision="fp32")
    models = ComparedModels(
        data=CocoSemantic(data=CocoData.read(files / "data.json", files)),
        segmenter=segmenter,
        predictor=Predictor(files / "mask_rcnn.safetensors", device="cpu", precision="fp32"),
        names=("BG", "cup", "dog"),
        rule="score",
        priority=(),
        score_threshold=0.5,
    )
    rng = np.random.default_rng(0)
    count = 240
    corners = rng.integers(0, 40, size=(count, 2))
    masks = Masks.from_crops([np.ones((2, 2), bool)] * count, [*map(tuple, corners)], (48, 48))
    found = Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=np.arange(count) % 4 + 1,
        scores=np.linspace(1, 0, count),
        masks=masks,
        class_names=segmenter.class_names,  # lamp, dog, cup, tree
    )
    assert len(models.records(found)) == models.predictor.choice.max_detections / 2 == 50


def test_labels_of_other_classes():
    table = translation(("BG", "lamp", "dog"), ("BG", "cup", "dog"), other=255)
    assert table[[0, 1, 2, 3, 255]].tolist() == [0, 255, 2, 255, 255]
    assert translation(("BG", "lamp", "dog"), ("BG", "cup", "dog"))[1] == 0
