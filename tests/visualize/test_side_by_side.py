"""Pictures of two models side by side."""

import dataclasses

import numpy as np
import pytest

from instseg.core.classes import class_color
from instseg.visualize.side_by_side import (
    BOTH,
    HEADINGS,
    NEITHER,
    ONLY_MASK_RCNN,
    ONLY_UNET,
    SideBySide,
    draw_side_by_side,
)

NAMES = ("BG", "cat", "dog", "cup")
PAPER = (255, 255, 255)
GREY = 120
GAP, LINE = 10, 24  # between columns, and of a line of text


def labels(size_hw=(120, 160), **squares):
    """A semantic map with a square of 20 pixels for each class id, given by its left edge."""
    found = np.zeros(size_hw, np.uint8)
    for label, left in squares.items():
        found[40:60, left : left + 20] = int(label[1:])
    return found


def side_by_side(size_hw=(120, 160), truth=None, unet=None, mask_rcnn=None, caption="photo.jpg"):
    return SideBySide(
        photo=np.full((*size_hw, 3), GREY, np.uint8),
        truth=labels(size_hw, **(truth or {})),
        unet=labels(size_hw, **(unet or {})),
        mask_rcnn=labels(size_hw, **(mask_rcnn or {})),
        caption=caption,
    )


def panels(sheet, size_hw=(120, 160)):
    """The five pictures of the first row."""
    height, width = size_hw
    top = 3 * LINE
    return [
        sheet[top : top + height, left : left + width]
        for left in range(GAP, sheet.shape[1] - GAP, width + GAP)
    ]


def like(color, background):
    """What a colour becomes over the photo in pale grey."""
    return [round(0.8 * c + 0.2 * b) for c, b in zip(color, background.tolist(), strict=True)]


def test_each_model_and_the_truth_have_the_colours_of_the_classes():
    row = side_by_side(truth={"_1": 20}, unet={"_2": 60}, mask_rcnn={"_3": 100})
    photo, *others = panels(draw_side_by_side([row], NAMES))
    assert (photo == GREY).all()
    assert len(others) == len(HEADINGS) - 1
    background = others[0][0, 0]
    assert len(set(background.tolist())) == 1
    for panel, name, left in zip(others, NAMES[1:], (20, 60, 100), strict=False):
        color = panel[50, left + 10].tolist()
        assert color == pytest.approx(like(class_color(name), background), abs=1)
        assert (panel != background).any(axis=2).sum() == 20 * 20


def test_the_last_panel_says_who_is_right():
    row = side_by_side(
        truth={"_1": 0, "_2": 40, "_3": 80},
        unet={"_1": 0, "_2": 40},
        mask_rcnn={"_1": 0, "_3": 80},
    )
    row.truth[40:60, 120:140] = 1
    sheet = draw_side_by_side([row], NAMES)
    right = panels(sheet)[-1]
    background = right[0, 0]
    assert (right[50, 10] == background).all()  # both are right
    assert (sheet[:LINE] == BOTH).all(axis=2).sum() > 50  # in the legend
    for color, left in ((ONLY_UNET, 40), (ONLY_MASK_RCNN, 80), (NEITHER, 120)):
        assert right[50, left + 10].tolist() == pytest.approx(like(color, background), abs=1)
    assert (right != background).any(axis=2).sum() == 3 * 20 * 20


def test_what_does_not_count_is_white_and_nobodys_fault():
    row = side_by_side(truth={"_1": 20}, unet={"_1": 20, "_2": 60}, mask_rcnn={"_1": 20})
    row.truth[40:60, 60:80] = 255
    _, *others = panels(draw_side_by_side([row], NAMES))
    for panel in others:
        assert panel[50, 70].min() > 220
        assert panel[50, 70].min() == panel[50, 70].max()
    right = others[-1]
    assert (right != right[0, 0]).any(axis=2).sum() == 20 * 20


def swatches(sheet, size_hw):
    """Which classes have their colour below the photo of one row."""
    legend = sheet[3 * LINE + size_hw[0] :]
    return {n for n in NAMES[1:] if (legend == class_color(n)).all(axis=2).sum() > 50}


def test_the_legend_names_what_is_on_the_photo():
    row = side_by_side(truth={"_1": 20}, mask_rcnn={"_3": 60})
    assert swatches(draw_side_by_side([row], NAMES), (120, 160)) == {"cat", "cup"}
    row.truth[40:60, 60:80] = 255  # what is found there does not count
    assert swatches(draw_side_by_side([row], NAMES), (120, 160)) == {"cat"}


def test_a_long_legend_is_broken_into_lines():
    names = ("BG", *(f"a class of a long name {i}" for i in range(1, 60)))
    row = side_by_side()
    plain = draw_side_by_side([row], names)
    row.unet[:, :] = np.arange(160) % 60
    full = draw_side_by_side([row], names)
    assert full.shape[0] >= plain.shape[0] + 10 * LINE
    assert full.shape[1] == plain.shape[1]


def test_large_photos_become_small_and_stay_whole():
    row = side_by_side((900, 1200), truth={"_1": 20})
    sheet = draw_side_by_side([row], NAMES, cell_px=200)
    assert sheet.shape[1] == 5 * (200 + GAP) + GAP
    assert (panels(sheet, (150, 200))[0] == GREY).all()


def test_rows_of_photos_of_any_sizes():
    rows = [side_by_side((100, 30)), side_by_side((30, 100)), side_by_side((10, 10))]
    sheet = draw_side_by_side(rows, NAMES)
    assert (sheet == GREY).all(axis=2).sum() >= 100 * 30 + 30 * 100 + 10 * 10


def test_any_name_can_be_written():
    captions = ["\ud800 中 жук", "two\nlines\0", "very long words " * 60, ""]
    names = ("BG", "a\nb", "чашка", "c" * 500)
    rows = [side_by_side(truth={"_1": 0, "_2": 40, "_3": 80}, caption=c) for c in captions]
    sheets = [draw_side_by_side([row], names) for row in rows]
    assert len({sheet.shape for sheet in sheets}) == 1
    for sheet, caption in zip(sheets, captions, strict=True):
        changed = (sheet != sheets[-1]).any(axis=2)
        assert changed.any() == bool(caption)
        assert not changed[3 * LINE :].any()  # the caption stays above the pictures


def test_nothing_is_changed():
    row = side_by_side((900, 1200), truth={"_1": 20}, unet={"_2": 20})
    before = dataclasses.astuple(row)
    copies = [each.copy() if isinstance(each, np.ndarray) else each for each in before]
    draw_side_by_side([row], NAMES)
    after = dataclasses.astuple(row)
    assert all(np.array_equal(a, b) for a, b in zip(copies, after, strict=True))


@pytest.mark.parametrize("field", ["truth", "unet", "mask_rcnn"])
def test_semantic_maps_of_another_photo_are_refused(field):
    row = dataclasses.replace(side_by_side(), **{field: labels((50, 50))})
    with pytest.raises(ValueError, match="expected size"):
        draw_side_by_side([row], NAMES)
