"""Labels on photos: whole, legible, and never over one another."""

import numpy as np
import pytest
from rectangles import changed, grey, make, rectangles

from instseg.core.classes import COCO_CLASSES, class_color
from instseg.visualize import draw_instances
from instseg.visualize.instance_colors import class_shades
from instseg.visualize.label_plates import text_color


def label_pixels(image, instances):
    return changed(image, draw_instances(image, instances, show_masks=False, show_boxes=False))


@pytest.mark.parametrize("name", COCO_CLASSES[1:])
def test_label_text_contrasts_with_every_plate(name):
    def luminance(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    for color in class_shades([name] * 5):
        pair = [luminance(np.array(c) / 255) + 0.05 for c in (color, text_color(color))]
        assert max(pair) / min(pair) >= 4.5


@pytest.mark.parametrize("corner", [(0, 0), (270, 0), (0, 170), (270, 170)])
def test_a_label_stays_whole_inside_the_photo(corner):
    x, y = corner
    free = label_pixels(grey(200, 300), make(rectangles((200, 300), (100, 100, 130, 130))))
    instances = make(rectangles((200, 300), (x, y, x + 30, y + 30)))
    assert label_pixels(grey(200, 300), instances).sum() == free.sum()


def test_labels_of_neighbours_do_not_cover_one_another():
    boxes = [(40 + 6 * k, 60 + 4 * k, 80 + 6 * k, 100 + 4 * k) for k in range(6)]
    image, instances = grey(240, 320), make(rectangles((240, 320), *boxes))
    one_by_one = sum(label_pixels(image, instances[i]).sum() for i in range(6))
    assert label_pixels(image, instances).sum() == one_by_one


def test_where_there_is_no_room_the_best_scores_keep_their_labels():
    boxes = [(0, 0, 64, 48)] * 30
    scores = [0.5] * 29 + [0.99]
    instances = make(rectangles((48, 64), *boxes), [1] * 29 + [2], scores)
    image = grey(48, 64)
    drawn = draw_instances(image, instances, show_masks=False, show_boxes=False)
    alone = draw_instances(image, instances[29], show_masks=False, show_boxes=False)
    best = changed(image, alone)
    assert (drawn[best] == alone[best]).all()


@pytest.mark.parametrize("size_hw", [(150, 200), (480, 640), (3000, 4000)])
def test_labels_are_legible_and_apart_on_photos_of_any_size(size_hw):
    """Each one is drawn as if it were alone, in letters of 10 px or more."""
    height, width = size_hw
    corners = [(x * width // 4, y * height // 5) for x in range(4) for y in range(5)]
    boxes = [(x, y, x + width // 8, y + height // 8) for x, y in corners]
    instances = make(rectangles(size_hw, *boxes), scores=np.linspace(0.5, 0.9, 20))
    image = np.zeros((*size_hw, 3), np.uint8)
    together = label_pixels(image, instances)
    alone = [label_pixels(image, instances[i]) for i in range(0, 20, 7)]
    assert together.sum() >= 0.7 * 20 * alone[0].sum()
    for plate in alone:
        assert 13 <= plate.any(axis=1).sum() <= height / 8
    assert (label_pixels(image, instances) == together).all()


def test_a_long_name_shrinks_to_fit():
    names = ("BG", "a rather long name")
    instances = make(rectangles((120, 160), (40, 40, 80, 80)), class_names=names)
    pixels = label_pixels(grey(120, 160), instances)
    assert pixels.any() and not pixels[:, -1].any()


@pytest.mark.parametrize("name", ["do\ng", "", " "])
def test_names_without_a_line_of_text(name):
    instances = make(rectangles((120, 160), (40, 40, 80, 80)), class_names=("BG", name))
    plate = label_pixels(grey(120, 160), instances)
    rows = np.flatnonzero(plate.any(axis=1))
    like = make(rectangles((120, 160), (40, 40, 80, 80)), class_names=("BG", "dog"))
    one_line = np.flatnonzero(label_pixels(grey(120, 160), like).any(axis=1))
    assert len(rows) == len(one_line)
    assert changed(grey(120, 160), draw_instances(grey(120, 160), instances))[40:80, 40:80].any()


def test_names_in_other_scripts_have_letters_of_their_own():
    def drawn_as(name):
        instances = make(rectangles((120, 160), (40, 40, 80, 80)), class_names=("BG", name))
        picture = draw_instances(grey(120, 160), instances, show_masks=False, show_boxes=False)
        letters = (picture == text_color(class_color(name))).all(axis=2)
        return letters.tobytes()

    assert len({drawn_as(name) for name in ("жук", "кот", "αβγ", "äöü")}) == 4
