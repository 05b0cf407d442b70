"""Truth and detections in one picture."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from instseg.core.instances import Instances, Masks
from instseg.visualize import display_differences
from instseg.visualize.figures import GREEN, RED

pytestmark = pytest.mark.usefixtures("headless")

NAMES = ("BG", "cat", "dog")


def instances(*rows):
    """Of rows (class id, score, y1, x1, y2, x2)."""
    dense = np.zeros((len(rows), 60, 80), bool)
    for mask, (_, _, y1, x1, y2, x2) in zip(dense, rows, strict=True):
        mask[y1:y2, x1:x2] = True
    masks = Masks.from_dense(dense)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[row[0] for row in rows],
        scores=[row[1] for row in rows],
        masks=masks,
        class_names=NAMES,
    )


def matterport(truth, found):
    def arrays(each):
        return each.boxes[:, [1, 0, 3, 2]], each.class_ids, np.moveaxis(each.masks.dense(), 0, 2)

    boxes, ids, masks = arrays(found)
    return *arrays(truth), boxes, ids, found.scores, masks, list(NAMES)


@pytest.fixture
def truth():
    return instances((1, 1, 10, 10, 20, 30), (2, 1, 40, 40, 50, 60))


@pytest.fixture
def found():  # in no order: a class that is wrong, a match, one with a low score
    return instances((1, 0.6, 40, 40, 50, 60), (1, 0.9, 10, 10, 20, 26), (2, 0.3, 0, 0, 9, 9))


def texts(axes):
    return [text.get_text() for text in axes.texts]


def boxes(axes):
    found = [patch for patch in axes.patches if type(patch) is Rectangle]
    return [(*box.get_xy(), to_rgb(box.get_edgecolor())) for box in found]


def test_captions_tell_scores_ious_and_what_is_missed(image, truth, found):
    axes = display_differences(image, truth, found)
    assert texts(axes) == ["missed: dog", "0.90 / 0.80", "cat 0.60 / 1.00"]
    assert boxes(axes) == [
        (10, 10, to_rgb(GREEN)),
        (40, 40, to_rgb(GREEN)),
        (10, 10, to_rgb(RED)),
        (40, 40, to_rgb(RED)),
    ]
    assert "green" in axes.get_title() and "IoU" in axes.get_title()


def test_matterports_arrays_show_the_same(image, truth, found):
    short = display_differences(image, truth, found, title="photo")
    long = display_differences(image, *matterport(truth, found), "photo")
    assert texts(short) == texts(long) and boxes(short) == boxes(long)
    assert (short.images[0].get_array() == long.images[0].get_array()).all()
    assert long.get_title() == "photo"


def test_thresholds_decide_what_matches_and_what_is_shown(image, truth, found):
    axes = display_differences(image, truth, found, iou_threshold=0.9, score_threshold=0.2)
    assert texts(axes) == [
        *("missed: cat", "missed: dog"),
        *("cat 0.90 / 0.80", "cat 0.60 / 1.00", "dog 0.30 / 0.00"),
    ]


def test_masks_and_boxes_can_be_left_out(image, truth, found):
    axes = display_differences(image, truth, found, show_mask=False, show_box=False)
    assert not axes.patches and (axes.images[0].get_array() == 120).all()
    tinted = display_differences(image, truth, found).images[0].get_array()
    assert (tinted[15, 28] != 120).any()  # of the truth alone
    assert (tinted[0:9, 0:9] == 120).all() and (image == 120).all()


def test_nothing_found_or_nothing_there(image, truth, found):
    nothing = Instances.empty((60, 80), NAMES)
    assert texts(display_differences(image, truth, nothing)) == ["missed: cat", "missed: dog"]
    assert texts(display_differences(image, nothing, found))[0] == "cat 0.90 / 0.00"


def test_given_axes_are_used(image, truth, found):
    _, ax = plt.subplots()
    figures = plt.get_fignums()
    assert display_differences(image, truth, found, ax=ax) is ax
    assert plt.get_fignums() == figures


def test_what_does_not_fit_is_refused(image, truth, found):
    with pytest.raises(ValueError, match="expected two Instances"):
        display_differences(image, truth, np.array([1, 2]))
    with pytest.raises(ValueError, match="masks: expected size"):
        display_differences(image[:50], truth, found)
    arrays = list(matterport(truth, found))
    arrays[-1] = ["BG", "cat"]
    with pytest.raises(ValueError, match="class_ids: expected 0 to 1 for 2 class_names, got 2"):
        display_differences(image, *arrays)
