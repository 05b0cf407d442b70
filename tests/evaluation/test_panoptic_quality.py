"""The quality of a single photo."""

import numpy as np
import pytest

from instseg.core.instances import Instances, Masks
from instseg.evaluation.panoptic_quality import photo_quality

SIZE_HW = (100, 200)
NAMES = ("BG", "cat", "dog")


def squares(*lefts, width=20, ids=None, scores=None, names=NAMES):
    """Instances 20 px high and `width` wide, at these left edges."""
    dense = np.zeros((len(lefts), *SIZE_HW), bool)
    for mask, left in zip(dense, lefts, strict=True):
        mask[40:60, left : left + width] = True
    masks = Masks.from_dense(dense)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[1] * len(masks) if ids is None else ids,
        scores=[0.9] * len(masks) if scores is None else scores,
        masks=masks,
        class_names=names,
    )


def counts(quality):
    return len(quality.ious), int(quality.missed.sum()), int(quality.wrong.sum())


def test_the_truth_itself_is_perfect():
    quality = photo_quality(squares(0, 50, 100), squares(0, 50, 100))
    assert counts(quality) == (3, 0, 0)
    assert quality.value == 1


def test_the_number_is_kirillovs():
    truth = squares(0, 50, 100)
    predicted = squares(0, 55, 150)  # IoU 1, IoU 15 / 25, nothing there
    quality = photo_quality(truth, predicted)
    assert quality.ious == pytest.approx([1, 0.6])
    assert quality.missed.tolist() == [False, False, True]
    assert quality.wrong.tolist() == [False, False, True]
    assert quality.value == pytest.approx((1 + 0.6) / (2 + 1 / 2 + 1 / 2))
    assert quality.mistakes == 2
    assert quality.describe() == ("1 missed, 1 wrong, 2 found with IoU 0.80; panoptic quality 0.53")


def test_half_an_overlap_is_enough_and_less_is_not():
    truth = squares(0, width=20)
    assert counts(photo_quality(truth, squares(0, width=10))) == (1, 0, 0)
    assert counts(photo_quality(truth, squares(0, width=9))) == (0, 1, 1)


def test_classes_are_matched_by_name():
    truth = squares(0, ids=[1])
    assert counts(photo_quality(truth, squares(0, ids=[2]))) == (0, 1, 1)
    renumbered = squares(0, ids=[2], names=("BG", "dog", "cat"))
    assert counts(photo_quality(truth, renumbered)) == (1, 0, 0)


def test_unsure_predictions_do_not_count():
    quality = photo_quality(squares(0, 50), squares(0, 50, 100, scores=[0.5, 0.49, 0.3]))
    assert counts(quality) == (1, 1, 0)


def test_a_second_prediction_of_an_object_is_wrong_and_the_surer_one_matches():
    quality = photo_quality(squares(0), squares(0, 2, scores=[0.6, 0.9]))
    assert quality.wrong.tolist() == [True, False]
    assert quality.ious == pytest.approx([18 / 22])


def test_the_next_best_object_is_taken_when_the_best_has_gone():
    truth = squares(0, 4, width=40)
    quality = photo_quality(truth, squares(1, 0, width=40, scores=[0.9, 0.8]))
    assert counts(quality) == (2, 0, 0)
    assert quality.ious == pytest.approx([39 / 41, 36 / 44])


def test_crowds_excuse_what_lies_in_them_and_are_never_missed():
    crowds = squares(100, width=60).masks
    predicted = squares(0, 110, 150)  # an object, in the crowd, half in the crowd
    assert counts(photo_quality(squares(0), predicted, crowds)) == (1, 0, 0)
    assert counts(photo_quality(squares(0), squares(0, 151), crowds)) == (1, 0, 1)
    assert counts(photo_quality(squares(0), predicted, Masks.empty(SIZE_HW))) == (1, 0, 2)


def test_an_object_in_a_crowd_can_be_found():
    crowds = squares(0, width=100).masks
    assert counts(photo_quality(squares(0), squares(0), crowds)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("truth", "predicted", "value"),
    [(squares(), squares(), 1), (squares(0), squares(), 0), (squares(), squares(0), 0)],
)
def test_nothing_there_or_nothing_predicted(truth, predicted, value):
    quality = photo_quality(truth, predicted)
    assert quality.value == value
    assert (len(quality.missed), len(quality.wrong)) == (len(truth), len(predicted))
    assert counts(quality)[1:] == (len(truth), len(predicted))


def test_real_photos_are_perfect_when_the_truth_is_predicted(coco_dir):
    from instseg.data.coco import CocoData

    data = CocoData.read(coco_dir / "annotations" / "instances_val2017.json", coco_dir / "val2017")
    for index in range(0, len(data), 8):
        objects, crowds = data.objects(index), data.crowds(index)
        assert photo_quality(objects, objects, crowds).value == pytest.approx(1)
