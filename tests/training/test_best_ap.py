"""What is measured after an epoch of a Mask R-CNN."""

import numpy as np

from instseg.data.coco import CocoData
from instseg.evaluation.panoptic_quality import photo_quality
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.best_ap import badness, in_classes_of


def test_what_is_found_has_the_classes_of_the_dataset_and_the_boxes_of_its_masks(tmp_path):
    path = write_scenes(tmp_path, 1, SceneConfig(size_hw=(160, 160), seed=3))
    data = CocoData.read(path, tmp_path / "images")
    predictor = Predictor("demo", device="cpu", precision="fp32", score_threshold=0.1)
    found = predictor(data.photo(0))
    assert len(found)
    same = in_classes_of(found, data)
    assert (same.names, same.class_names) == (found.names, data.class_names)
    assert np.array_equal(same.boxes, found.masks.boxes_xyxy())
    assert np.array_equal(same.scores, found.scores)


def test_the_worst_photos_have_low_quality_then_many_mistakes_then_come_first(tmp_path):
    path = write_scenes(tmp_path, 3, SceneConfig(size_hw=(96, 96)))
    data = CocoData.read(path, tmp_path / "images")
    truths = [data.objects(row) for row in range(3)]
    rows = [(row, truth, photo_quality(truth, truth)) for row, truth in enumerate(truths)]
    rows += [
        (3 + row, truth[:0], photo_quality(truth, truth[:0])) for row, truth in enumerate(truths)
    ]
    order = [row for row, _, _ in sorted(rows, key=badness)]
    most = sorted(range(3), key=lambda row: -len(truths[row]))
    assert order == [*(3 + row for row in most), 0, 1, 2]
