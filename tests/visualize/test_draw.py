"""What a user sees in a drawn photo."""

import itertools
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rectangles import NAMES, changed, grey, make, rectangles

from instseg import visualize
from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES, class_color, palette
from instseg.core.colors import LEAST_DIFFERENCE, difference
from instseg.core.errors import ArgumentError
from instseg.core.instances import Instances, Masks
from instseg.visualize import draw_instances
from instseg.visualize.instance_colors import class_shades


def mask_only(image, instances, **options):
    return draw_instances(image, instances, show_boxes=False, show_labels=False, **options)


def test_exactly_the_mask_changes():
    yy, xx = np.mgrid[:200, :300]
    donut = abs(np.hypot(yy - 100, xx - 150) - 50) < 20
    image = np.random.default_rng(0).integers(0, 200, (200, 300, 3), dtype=np.uint8)
    drawn = mask_only(image, make([donut]), opacity=0.5)
    assert drawn.dtype == np.uint8 and drawn.shape == image.shape
    assert (drawn[~donut] == image[~donut]).all()  # the hole stays as it was
    middle = np.hypot(yy - 100, xx - 150).round() == 50
    expected = (image[middle] + np.array(class_color("cat"), float)) / 2
    assert np.abs(drawn[middle] - expected).max() <= 1


def test_the_outline_is_solid_also_at_the_border_of_the_photo():
    image = grey(100, 100)
    drawn = mask_only(image, make(rectangles((100, 100), (60, 0, 100, 40))), opacity=0)
    solid = (drawn == class_color("cat")).all(axis=2)
    ring = np.zeros((100, 100), bool)
    ring[0:40, 60:100] = True
    ring[1:39, 61:99] = False
    assert (solid == ring).all()
    assert (drawn[~ring] == image[~ring]).all()


@pytest.mark.parametrize(
    ("size_hw", "line_px"), [((48, 64), 1), ((480, 640), 1), ((3000, 4000), 3)]
)
def test_lines_grow_with_the_photo(size_hw, line_px):
    height, width = size_hw
    mask = rectangles(size_hw, (width // 4, height // 4, width // 2, height // 2))
    drawn = mask_only(grey(*size_hw), make(mask), opacity=0)
    row = changed(grey(*size_hw), drawn)[height // 3]
    assert row.sum() == 2 * line_px


def test_a_box_is_drawn_on_its_own_pixels():
    image = grey(100, 100)
    instances = make(rectangles((100, 100), (10, 20, 40, 70)))
    drawn = draw_instances(image, instances, show_masks=False, show_labels=False)
    ys, xs = np.nonzero(changed(image, drawn))
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (10, 20, 39, 69)
    assert (drawn[20, 10:40] == class_color("cat")).all()
    assert (drawn[30:60, 20:30] == image[30:60, 20:30]).all()


def test_boxes_beyond_the_photo_are_cut():
    instances = make(
        rectangles((60, 80), (10, 10, 20, 20), (30, 30, 40, 40)),
        boxes=[[-1e9, -5, 1e9, 500], [79.5, 59.5, 79.5, 59.5]],
    )
    drawn = draw_instances(grey(60, 80), instances, show_masks=False, show_labels=False)
    border = changed(grey(60, 80), drawn)
    assert border[0].all() and border[-1].all() and border[:, 0].all() and border[:, -1].all()


def test_small_instances_lie_above_large_ones():
    dense = rectangles((200, 200), (80, 80, 120, 120), (10, 10, 190, 190))
    instances = make(dense, class_ids=[1, 2])
    drawn = mask_only(grey(200, 200), instances, opacity=1)
    assert tuple(drawn[100, 100]) == class_color("cat")
    assert tuple(drawn[20, 20]) == class_color("dog")


def test_colours_belong_to_the_class_and_differ_a_little_among_its_instances():
    colors = class_shades(["cat", "dog", "cat", "cat"])
    assert colors[0] == class_color("cat") and colors[1] == class_color("dog")
    assert len(set(colors)) == 4
    assert class_shades(["dog", "cat"]) == [class_color("dog"), class_color("cat")]


def test_no_instances_leave_the_photo_as_it_is():
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    drawn = draw_instances(image, Instances.empty((40, 50), NAMES))
    assert (drawn == image).all()
    assert not np.shares_memory(drawn, image)


def test_an_instance_with_neither_mask_nor_box_is_left_out():
    instances = make(np.zeros((1, 50, 60), bool))
    assert (draw_instances(grey(50, 60), instances) == grey(50, 60)).all()


def test_a_box_without_a_mask_is_drawn():
    instances = make(np.zeros((1, 50, 60), bool), boxes=[[10, 20, 30, 40]])
    assert changed(grey(50, 60), draw_instances(grey(50, 60), instances))[20:40, 10].all()


def test_a_mask_of_one_pixel_is_visible():
    instances = make(rectangles((30, 30), (29, 29, 30, 30)))
    drawn = mask_only(grey(30, 30), instances)
    assert tuple(drawn[29, 29]) == class_color("cat")
    assert changed(grey(30, 30), drawn).sum() == 1


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 40), (40, 1), (8, 8)])
def test_the_smallest_photos(size_hw):
    instances = make(np.ones((1, *size_hw), bool))
    drawn = draw_instances(grey(*size_hw), instances)
    assert drawn.shape == (*size_hw, 3)
    assert changed(grey(*size_hw), drawn).all()


def test_the_input_is_not_modified_and_may_be_read_only():
    image = grey(60, 80)
    image.setflags(write=False)
    drawn = draw_instances(image, make(rectangles((60, 80), (10, 10, 40, 40))))
    assert (image == 120).all()
    drawn[0, 0] = 1  # the result is the caller's to write on


def test_flipped_views_in_memory_are_drawn_like_their_copies():
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)[:, ::-1]
    yy, xx = np.mgrid[:60, :80]
    views = Masks.from_dense((yy + 2 * xx < 70)[None]).flipped()
    boxes = views.boxes_xyxy()
    flipped = Instances(boxes=boxes, class_ids=[1], scores=[1], masks=views, class_names=NAMES)
    expected = draw_instances(image.copy(), make(views.dense(), scores=[1]))
    assert (draw_instances(image, flipped) == expected).all()


@pytest.mark.parametrize("color_by", ["class", "instance"])
def test_each_mask_is_visible_and_the_picture_always_the_same(color_by):
    rng = np.random.default_rng(0)
    start = rng.integers(0, 200, (25, 2))
    boxes = np.hstack([start, start + rng.integers(3, 100, (25, 2))])
    instances = make(rectangles((300, 300), *boxes.tolist()))
    image = grey(300, 300)
    drawn = mask_only(image, instances, color_by=color_by)
    for i in range(25):
        rest = [k for k in range(25) if k != i]
        others = mask_only(image, instances[rest], color_by=color_by)
        assert changed(drawn, others)[instances.masks.dense(i)].any()
    again = draw_instances(image, instances, color_by=color_by)
    assert (again == draw_instances(image, instances, color_by=color_by)).all()


def test_neighbours_of_one_class_differ_clearly_when_coloured_by_instance():
    instances = make(rectangles((100, 100), (0, 0, 50, 100), (50, 0, 100, 100)))
    apart = {}
    for color_by in ("class", "instance"):
        drawn = mask_only(grey(100, 100), instances, opacity=1, color_by=color_by)
        apart[color_by] = difference(drawn[50, 25], drawn[50, 75])
    assert apart["instance"] > 25 > apart["class"]


def test_a_wrong_way_to_colour_is_refused():
    with pytest.raises(ValueError, match="color_by"):
        draw_instances(grey(40, 50), Instances.empty((40, 50), NAMES), color_by="area")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((40, 50), np.uint8), r"\(H, W, 3\), got uint8 \(40, 50\)"),
        (np.zeros((40, 50, 3), np.float32), r"got float32 \(40, 50, 3\)"),
        (np.zeros((50, 40, 3), np.uint8), r"expected size \(50, 40\) as the image, got \(40, 50\)"),
    ],
)
def test_a_wrong_photo_is_refused_with_expected_and_actual(image, message):
    with pytest.raises(ValueError, match=message):
        draw_instances(image, Instances.empty((40, 50), NAMES))


def test_a_hundred_instances_on_twelve_megapixels_need_no_memory_for_each():
    """Dense masks of all of them would be 1.2 GB."""
    rng = np.random.default_rng(0)
    crops, offsets = [], []
    for _ in range(100):
        height, width = rng.integers(100, 800, 2)
        yy, xx = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        crops.append(yy**2 + xx**2 < 1)
        offsets.append((rng.integers(0, 3000 - height), rng.integers(0, 4000 - width)))
    masks = Masks.from_crops(crops, offsets, (3000, 4000))
    instances = Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=rng.integers(1, 81, 100),
        scores=rng.uniform(0.5, 1, 100),
        masks=masks,
        class_names=COCO_CLASSES,
    )
    photo = grey(3000, 4000)
    tracemalloc.start()
    draw_instances(photo, instances)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * photo.nbytes


def test_real_photos(coco_dir: Path):
    document = json.loads((coco_dir / "annotations" / "instances_val2017.json").read_text())
    for info in document["images"][:8]:
        found = [
            a for a in document["annotations"] if a["image_id"] == info["id"] and not a["iscrowd"]
        ]
        masks = Masks.from_polygons(
            [a["segmentation"] for a in found], (info["height"], info["width"])
        )
        instances = Instances(
            boxes=masks.boxes_xyxy(),
            class_ids=[COCO_CATEGORY_IDS.index(a["category_id"]) for a in found],
            scores=np.ones(len(found)),
            masks=masks,
            class_names=COCO_CLASSES,
        )
        photo = Image.open(coco_dir / "val2017" / info["file_name"]).convert("RGB")
        image = np.asarray(photo)
        anywhere = np.zeros(image.shape[:2], bool) | masks.dense().any(axis=0)
        drawn = changed(image, mask_only(image, instances))
        assert not drawn[~anywhere].any()
        assert drawn.sum() >= 0.99 * anywhere.sum()
        assert changed(image, draw_instances(image, instances)).any() == bool(found)


def test_drawing_needs_neither_matplotlib_nor_torch():
    script = (
        "import sys, instseg.visualize.draw\n"
        "assert not {'matplotlib', 'torch'} & set(sys.modules), 'imported'\n"
        "from instseg.visualize import display_instances\n"
        "assert 'matplotlib' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_of_two_classes_that_look_alike_the_rarer_is_shifted():
    names = [f"class {i}" for i in range(60)]
    one, other = next(
        pair
        for pair in itertools.combinations(names, 2)
        if difference(*palette(["BG", *pair])[1:]) < LEAST_DIFFERENCE / 2
    )
    for common, rare in ((one, other), (other, one)):
        colors = class_shades([rare, common, common])
        assert colors[1] == class_color(common)
        assert colors[0] != class_color(rare)
        assert difference(*np.array(colors[:2], np.uint8)) >= LEAST_DIFFERENCE - 0.5


@pytest.mark.parametrize("image", ["photo.jpg", None])
@pytest.mark.parametrize("name", ["draw", "display", "show", "color_splash"])
def test_what_is_no_array_is_no_photo(image, name):
    call = getattr(visualize, name if name == "color_splash" else f"{name}_instances")
    with pytest.raises(ArgumentError, match=rf"^image={image!r} must be an? .*array"):
        call(image, Instances.empty((60, 80), ("BG", "cat")))
