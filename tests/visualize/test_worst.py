"""Pictures of the worst predictions."""

import dataclasses

import numpy as np
import pytest

from instseg.core.instances import Instances, Masks
from instseg.visualize.instance_colors import class_shades
from instseg.visualize.worst import WorstPhoto, draw_worst

NAMES = ("BG", "cat", "dog")
PAPER = (240, 240, 240)
GREY = 120


def squares(size_hw, *places_xy, scores=None):
    """Cats of a tenth of the photo's height."""
    side = size_hw[0] // 10
    dense = np.zeros((len(places_xy), *size_hw), bool)
    for mask, (x, y) in zip(dense, places_xy, strict=True):
        mask[y : y + side, x : x + side] = True
    masks = Masks.from_dense(dense)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[1] * len(masks),
        scores=[1.0] * len(masks) if scores is None else scores,
        masks=masks,
        class_names=NAMES,
    )


def compare(size_hw=(300, 400), truth=(), predicted=(), scores=None, **given):
    return WorstPhoto(
        photo=np.full((*size_hw, 3), GREY, np.uint8),
        truth=squares(size_hw, *truth),
        predicted=squares(size_hw, *predicted, scores=scores),
        missed=np.array(given.get("missed", [True] * len(truth)), bool),
        wrong=np.array(given.get("wrong", [True] * len(predicted)), bool),
        caption=given.get("caption", "photo.jpg: 1 missed, 0 wrong"),
    )


def photos(sheet):
    """Left and right half of the pixels that are no paper or words: photos of one row."""
    middle = sheet.shape[1] // 2
    return sheet[52:, 12:middle], sheet[52:, middle + 6 :]


def color_of(photo, x, y):
    return tuple(photo[y, x].tolist())


def blended(color, opacity=0.45):
    return [round(GREY + (c - GREY) * opacity) for c in color]


def test_truth_stands_left_and_predictions_right():
    row = compare(truth=[(100, 100)], predicted=[(250, 200)])
    left, right = photos(draw_worst([row]))
    cat = blended(class_shades(["cat"])[0])
    grey = (GREY,) * 3
    assert color_of(left, 115, 115) == pytest.approx(cat, abs=1)
    assert color_of(right, 265, 215) == pytest.approx(cat, abs=1)
    assert color_of(left, 265, 215) == color_of(right, 115, 115) == grey


def test_what_is_right_is_outlined_only_and_has_no_name():
    row = compare(truth=[(100, 100)], predicted=[(103, 100)], missed=[False], wrong=[False])
    for photo, x in zip(photos(draw_worst([row])), (100, 103), strict=True):
        assert color_of(photo, x + 15, 115) == (GREY,) * 3
        assert color_of(photo, x, 115) == class_shades(["cat"])[0]
        drawn = (photo != GREY).any(axis=2) & (photo != PAPER).any(axis=2)
        assert drawn.sum() == 30 * 4 - 4


def test_unsure_predictions_are_not_drawn():
    row = compare(predicted=[(100, 100), (200, 100)], scores=[0.49, 0.5])
    _, right = photos(draw_worst([row]))
    assert color_of(right, 115, 115) == (GREY,) * 3
    assert color_of(right, 215, 115) != (GREY,) * 3


def test_large_photos_become_small_with_letters_as_large_as_ever():
    def words(size_hw):
        """Pixels of black letters on the photo."""
        height, width = size_hw
        row = compare(size_hw, truth=[(width // 2, height // 2)])
        left, _ = photos(draw_worst([row], cell_wh=(400, 300)))
        assert left.shape[1] in range(400, 420)
        return (left < 30).all(axis=2).sum() + (left > 225).all(axis=2).sum()

    assert words((3000, 4000)) == pytest.approx(words((300, 400)), rel=0.2)


def test_rows_stand_below_each_other_each_with_its_caption():
    rows = [compare((100, 300)), compare((300, 100)), compare((300, 300), caption="")]
    sheet = draw_worst(rows)
    grey = (sheet == GREY).all(axis=2)
    assert grey.sum() >= 2 * (100 * 300 + 300 * 100 + 300 * 300)
    assert sheet.shape == (26 + (26 + 12) * 3 + 700, 2 * 300 + 3 * 12, 3)
    dark = (sheet < 100).all(axis=2)
    assert dark[26:52].any() and dark[26 + 138 : 26 + 164].any()
    assert not dark[26 + 138 + 338 : 26 + 164 + 338].any()


def test_small_photos_stay_small_under_headings_that_do_not_touch():
    sheet = draw_worst([compare((40, 60))])
    assert (sheet == GREY).all(axis=2).sum() >= 2 * 40 * 60
    assert sheet.shape[1] >= 480
    inked = (sheet[:26] != PAPER).any(axis=2)
    assert inked[:, :232].any() and inked[:, 264:].any()  # both headings
    assert (sheet[:26, 12 + 220 : 12 + 252] == PAPER).all()


def test_any_caption_can_be_written():
    captions = ["\ud800 \u4e2d жук", "very long words " * 40, ""]
    sheets = [draw_worst([compare(caption=caption)]) for caption in captions]
    assert len({sheet.shape for sheet in sheets}) == 1
    dark = [(sheet < 100).all(axis=2) for sheet in sheets]
    assert [bool(rows[26:52].any()) for rows in dark] == [True, True, False]
    assert not any(rows[52:].any() for rows in dark)  # the caption is one line above the photos


def test_photo_and_instances_are_not_changed():
    row = compare((900, 1200), truth=[(100, 100)], predicted=[(100, 100)])
    before = row.photo.copy(), row.truth.masks.dense(), row.truth.boxes.copy()
    draw_worst([row])
    after = row.photo, row.truth.masks.dense(), row.truth.boxes
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_instances_of_another_photo_are_refused():
    row = dataclasses.replace(compare(), truth=squares((50, 50)))
    with pytest.raises(ValueError, match="expected size"):
        draw_worst([row])
