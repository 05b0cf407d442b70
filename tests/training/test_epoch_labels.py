"""The pseudo-labels of an epoch."""

import io

import numpy as np
import torch
from rectangles import NAMES, make, rectangles

from instseg.training.epoch_labels import EpochLabels, encoded

SIZE_HW = (20, 30)
FOUND = make(
    rectangles(SIZE_HW, (0, 0, 5, 5), (5, 5, 9, 12), (10, 0, 20, 8), (3, 3, 3, 3)),
    class_ids=[1, 2, 2, 1],
    scores=[0.9, 0.7, 0.5, 0.95],
)


def labels(drawn, found):
    made = EpochLabels(scores=(0.3, 0.7))
    made.replace(1, drawn, found)
    return made


def test_sure_detections_are_learnt_and_others_ignored():
    found = labels([4], {4: encoded(FOUND)})
    one = found.of(4, SIZE_HW, NAMES)
    assert one.objects.names == ["cat", "dog"]  # the one without a pixel is left out
    assert np.array_equal(one.objects.masks.dense(), FOUND.masks.dense()[:2])
    assert np.array_equal(one.ignored.dense(), FOUND.masks.dense()[2:3])
    assert (found.learnt, found.ignored, found.photos) == (2, 1, 1)


def test_another_photo_takes_the_place_of_one_that_failed():
    found = labels([4, 5, 6, 4], {4: encoded(FOUND), 5: None, 6: encoded(FOUND)})
    assert [found.photo_in(slot) for slot in range(4)] == [4, 6, 6, 4]
    assert found.failed == [5]
    found.replace(2, [5, 6], {6: encoded(FOUND[:0])})
    assert [found.photo_in(slot) for slot in range(2)] == [6, 6]
    assert (found.learnt, found.failed) == (0, [5])
    assert len(found.of(6, SIZE_HW, NAMES).objects) == 0


def test_a_checkpoint_keeps_them():
    found, file = labels([4, 5], {4: encoded(FOUND), 5: None}), io.BytesIO()
    torch.save(found.state_dict(), file)
    file.seek(0)
    again = EpochLabels(scores=found.scores)
    again.load_state_dict(torch.load(file, weights_only=True))
    assert again == found
