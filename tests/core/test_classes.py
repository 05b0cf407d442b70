"""Class names, dataset ids and colours."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES, class_color, palette


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_names_and_ids_are_those_of_the_dataset(coco_dir, split):
    document = json.loads((coco_dir / f"annotations/instances_{split}.json").read_text())
    pairs = [(category["name"], category["id"]) for category in document["categories"]]
    assert list(zip(COCO_CLASSES, COCO_CATEGORY_IDS, strict=True)) == [("BG", 0), *pairs]


def test_tutorial_order():
    assert len(COCO_CLASSES) == len(COCO_CATEGORY_IDS) == 81
    assert [COCO_CLASSES[i] for i in (0, 1, 17, 80)] == ["BG", "person", "dog", "toothbrush"]
    assert (COCO_CATEGORY_IDS[1], COCO_CATEGORY_IDS[80]) == (1, 90)


def test_coco_colors_can_be_told_apart():
    colors = rgb2lab(palette(COCO_CLASSES)[1:] / 255.0)
    differences = [deltaE_ciede2000(a, b) for a, b in itertools.combinations(colors, 2)]
    assert min(differences) > 9.0  # CIEDE2000; 1 is just noticeable side by side


def test_no_color_is_dark():
    names = [*COCO_CLASSES[1:], *(f"class {i}" for i in range(200))]
    colors = np.array([class_color(name) for name in names])
    assert colors.max(axis=1).min() >= 120
    assert len(np.unique(colors, axis=0)) == len(names)


def test_any_name_has_a_color():
    assert class_color("\ud800") != class_color("\ud801")  # JSON may hold what UTF-8 cannot


def test_colors_are_the_same_in_another_process():
    names = ["person", "toothbrush", "Übergröße", "my class"]
    code = (
        f"from instseg.core.classes import class_color; print([class_color(n) for n in {names!r}])"
    )
    shown = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == str([class_color(name) for name in names])


def test_palette():
    colors = palette(["BG", "leaf", "person"])
    assert colors.shape == (3, 3)
    assert colors.dtype == np.uint8
    assert colors.tolist() == [[0, 0, 0], list(class_color("leaf")), list(class_color("person"))]
    assert class_color("leaf") != class_color("stem")
    assert palette([]).shape == (0, 3)
