"""Charts of one image's result."""

import numpy as np
import pytest
from figure_texts import texts

from instseg.core.instances import Instances, Masks
from instseg.visualize import plot_overlaps, plot_precision_recall

pytestmark = pytest.mark.usefixtures("headless")

NAMES = ["BG", "cat", "dog", "US$"]


def test_the_area_under_the_curve_is_the_ap():
    axes = plot_precision_recall(0.625, [1, 1, 0.75, 0.75, 0], [0, 0.25, 0.5, 0.75, 1])
    assert "Precision and recall, AP@50 = 0.625" in texts(axes.figure)
    (filled,) = axes.collections
    x, y = filled.get_paths()[0].vertices.T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert area == pytest.approx(0.625)


def test_matches_and_wrong_classes_are_marked():
    overlaps = [[0.9, 0.0, 0.2], [0.0, 0.6, 0.0]]
    axes = plot_overlaps([1, 2, 3], [1, 3], [0.99, 0.5], overlaps, NAMES)
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "0.900\nmatch", (2, 0): "0.200", (1, 1): "0.600\nwrong"}
    said = texts(axes.figure)
    assert {"cat (0.99)", r"US\$ (0.50)", "dog"} <= set(said)
    axes.figure.canvas.draw()


def test_the_threshold_decides_and_padding_is_left_out():
    axes = plot_overlaps([1, 0], [1, 0, 0], [0.9, 0, 0], [[0.6]], NAMES, threshold=0.7)
    assert [text.get_text() for text in axes.texts] == ["0.600"]


def test_two_instances():
    dense = np.zeros((2, 20, 20), bool)
    dense[0, :10, :10] = dense[1, 12:20] = True
    masks = Masks.from_dense(dense)
    fields = {"boxes": masks.boxes_xyxy(), "masks": masks, "class_names": ("BG", "a", "b")}
    truth = Instances(class_ids=[1, 2], scores=[1, 1], **fields)
    found = Instances(class_ids=[1, 1], scores=[0.3, 0.8], **fields)
    axes = plot_overlaps(truth, found)
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(1, 0): "1.000\nwrong", (0, 1): "1.000\nmatch"}  # best score first


def test_nothing_found_and_what_does_not_fit():
    axes = plot_overlaps([1], [], [], np.zeros((0, 1)), NAMES)
    assert [text.get_text() for text in axes.texts] == ["nothing to compare"]
    with pytest.raises(ValueError, match=r"overlaps: expected shape \(1, 2\), got \(1, 1\)"):
        plot_overlaps([1, 1], [1], [0.5], [[0.5]], NAMES)
