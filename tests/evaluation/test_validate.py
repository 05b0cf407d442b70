"""AP of whatever finds instances."""

import dataclasses

import numpy as np
import pytest

from instseg.data.scenes import draw_scene
from instseg.evaluation.validate import validate

SCENES = [draw_scene(i) for i in range(3)]
EXAMPLES = [(scene.image, scene.instances) for scene in SCENES]


def test_the_truth_itself_scores_one():
    truth = iter([scene.instances for scene in SCENES])
    scores = validate(lambda _: next(truth), EXAMPLES)
    assert scores["bbox"]["AP"] == pytest.approx(1.0)
    assert scores["segm"]["AP"] == pytest.approx(1.0)


def test_classes_are_matched_by_name_not_by_number():
    def renumbered(instances):
        names = ("BG", *reversed(instances.class_names[1:]))
        ids = np.array([names.index(name) for name in instances.names])
        return dataclasses.replace(instances, class_ids=ids, class_names=names)

    truth = iter([renumbered(scene.instances) for scene in SCENES])
    assert validate(lambda _: next(truth), EXAMPLES)["segm"]["AP"] == pytest.approx(1.0)


def test_what_is_never_found_counts_as_missed():
    truth = iter([scene.instances[:1] for scene in SCENES])
    scores = validate(lambda _: next(truth), EXAMPLES)["segm"]
    assert 0 < scores["AP"] < 0.7
