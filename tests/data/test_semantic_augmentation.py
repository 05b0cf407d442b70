"""Augmentation of images with semantic maps."""

import random

import numpy as np
import pytest
import torch
from geometric_steps import GEOMETRIC
from hypothesis import given, settings
from hypothesis import strategies as st

from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.core.semantic import to_semantic
from instseg.data.augmentation import DEFAULT_STEPS, parse_augmentations
from instseg.data.augmentation_steps import AUGMENTATION_NAMES
from instseg.data.coco import CocoData
from instseg.data.semantic_augmentation import default_steps, parse_semantic_augmentations
from instseg.data.semantic_data import CocoSemantic

COLOURS_OF_ANY = [
    {"RandomPosterize": {"bits": 2, "p": 1.0}},
    {"RandomSolarize": {"threshold": 0.5, "p": 1.0}},
    {"RandomEqualize": {"p": 1.0}},
    {"GaussianBlur": {"kernel_size": 9}},
]
COLOURS_OF_PHOTOS = [
    {"ColorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}},
    {"RandomGrayscale": {"p": 1.0}},
    {"RandomAutocontrast": {"p": 1.0}},
    {"RandomAdjustSharpness": {"sharpness_factor": 0.3, "p": 1.0}},
]
KINDS = [
    (np.uint8, 1),
    (np.uint8, 3),
    (np.uint8, 5),
    (np.uint16, 1),
    (np.float32, 1),
    (np.float32, 3),
    (np.float32, 4),
]
LOW, HIGH = {np.uint8: 0, np.uint16: 300, np.float32: -900}, {np.uint8: 255, np.uint16: 60000}


def name_of(step):
    return next(iter(step))


def scene(dtype, channels):
    """Shapes of classes 1 and 2 on background, each of its brightness, and a region to ignore."""
    yy, xx = np.mgrid[:120, :160]
    labels = np.zeros((120, 160), dtype=np.uint8)
    labels[abs(np.hypot(yy - 40, xx - 45) - 21) < 11] = 1
    labels[(abs(yy - 80) < 25) & (abs(xx - 110) < 35)] = 2
    labels[100:, :30] = 255
    low, high = LOW[dtype], HIGH.get(dtype, 2500)
    levels = np.linspace(low, high, 4)[1:]  # the lowest is that of the borders
    brightness = np.full(256, levels[0])
    brightness[:3] = levels[[0, 2, 1]]
    image = np.repeat(brightness[labels][..., None], channels, axis=2).astype(dtype)
    image[0, 0] = low
    return image, labels, brightness


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("step", GEOMETRIC, ids=name_of)
def test_image_and_labels_move_together_and_borders_are_ignored(step, kind):
    dtype, channels = kind
    image, labels, brightness = scene(dtype, channels)
    augmentation = parse_semantic_augmentations([step], channels=channels, dtype=dtype)
    for seed in range(2):
        moved, seen = augmentation(image, labels, seed=seed)
        assert (moved.dtype, seen.dtype) == (dtype, np.uint8)
        assert moved.shape == (*seen.shape, channels)
        assert moved.flags.c_contiguous
        assert set(np.unique(seen)) <= {0, 1, 2, 255}
        third = (brightness[1] - LOW[dtype]) / 3
        right = (abs(moved - brightness[seen][..., None]) < third / 2).all(axis=2)
        known = seen != 255
        assert known.any()
        assert right[known].mean() > 0.93
        if kind != (np.uint8, 3):  # whose borders are grey, as one of the shapes is
            border = (abs(moved.astype(np.float64) - LOW[dtype]) < third / 4).all(axis=2)
            assert (seen[border] == 255).sum() >= border.sum() - 8


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("step", COLOURS_OF_ANY + COLOURS_OF_PHOTOS, ids=name_of)
def test_colours_change_in_the_image_only(step, kind):
    dtype, channels = kind
    if step in COLOURS_OF_PHOTOS and channels not in (1, 3):
        with pytest.raises(InputError, match=f"augmentation {name_of(step)}: "):
            parse_semantic_augmentations([step], channels=channels, dtype=dtype)
        return
    augmentation = parse_semantic_augmentations([step], channels=channels, dtype=dtype)
    rng = np.random.default_rng(0)
    low, high = LOW[dtype], HIGH.get(dtype, 2500)
    image = rng.uniform(low + 40, high - 40, (30, 40, channels)).astype(dtype)
    labels = rng.choice([0, 1, 2, 255], (30, 40)).astype(np.uint8)
    changed, seen = augmentation(image, labels, seed=3)
    assert changed.dtype == dtype
    assert np.array_equal(seen, labels)
    grey_already = name_of(step) == "RandomGrayscale" and channels == 1
    full_already = name_of(step) == "RandomAutocontrast" and dtype != np.uint8
    assert grey_already or full_already or not np.array_equal(changed, image)
    if dtype != np.uint8:  # they stay in the range of the image, not cut off at 1
        assert changed.min() >= image.min()
        assert changed.max() <= image.max()
        assert changed.std() > 0.1 * image.std()


def test_a_photo_moves_as_with_its_instances():
    dense = np.zeros((2, 50, 60), dtype=bool)
    dense[0, 5:20, 5:30] = dense[1, 25:45, 20:55] = True
    masks = Masks.from_dense(dense)
    objects = Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[1, 2],
        scores=[1, 1],
        masks=masks,
        class_names=("BG", "a", "b"),
    )
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    for seed in ([0, 1], [0, 2], 5):
        one = parse_augmentations(DEFAULT_STEPS)(image, objects, Masks.empty((50, 60)), seed=seed)
        two = parse_semantic_augmentations(DEFAULT_STEPS)(image, to_semantic(objects), seed=seed)
        assert np.array_equal(one[0], two[0])
        assert np.array_equal(to_semantic(one[1]), np.where(two[1] == 255, 0, two[1]))


def test_the_seed_is_all_that_chance_depends_on():
    augmentation = parse_semantic_augmentations(DEFAULT_STEPS)
    image, labels, _ = scene(np.uint8, 3)
    image.setflags(write=False)
    labels.setflags(write=False)
    torch.manual_seed(5)
    states = torch.get_rng_state(), random.getstate()
    results = []
    for seed in (1, 1, 2):
        results.append(augmentation(image, labels, seed=seed))
        assert torch.equal(torch.get_rng_state(), states[0])
        assert random.getstate() == states[1]
    (first, a), (again, b), (other, _) = results
    assert np.array_equal(first, again)
    assert np.array_equal(a, b)
    assert not np.array_equal(first, other)


def test_no_steps_return_the_arguments():
    image, labels, _ = scene(np.float32, 1)
    assert parse_semantic_augmentations([])(image, labels, seed=0) == (image, labels)


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
def test_default_steps_fit_any_channels(channels):
    steps = default_steps(channels)
    assert (len(steps) == len(DEFAULT_STEPS)) == (channels in (1, 3))
    for dtype in (np.uint8, np.uint16, np.float32):
        parse_semantic_augmentations(steps, channels=channels, dtype=dtype)


@pytest.mark.parametrize(
    ("step", "kind", "said"),
    [
        ("CopyPaste", {}, "CopyPaste: semantic maps contain no objects to paste"),
        ("RandomFlip", {}, f"take one of {AUGMENTATION_NAMES[0]}"),
        (
            "RandomGrayscale",
            {"channels": 4, "dtype": np.float32},
            "RandomGrayscale: .*1 or 3, got 4",
        ),
        ({"ColorJitter": {"hue": 0.1}}, {"channels": 2}, "ColorJitter: .*1 or 3, but found 2"),
        ({"RandomAffine": {"degrees": 3, "fill": [1, 2, 3]}}, {"channels": 2}, "RandomAffine: "),
    ],
)
def test_steps_that_are_not_for_such_images_are_refused(step, kind, said):
    with pytest.raises(InputError, match=said) as caught:
        parse_semantic_augmentations([step], **kind)
    assert "\n" not in str(caught.value)


def test_real_photos(coco_dir):
    path = coco_dir / "annotations" / "instances_val2017.json"
    data = CocoSemantic(data=CocoData.read(path, coco_dir / "val2017"))
    augmentation = parse_semantic_augmentations(DEFAULT_STEPS)
    for row in range(6):
        image, labels = data.load(row)
        moved, seen = augmentation(image, labels, seed=[0, row])
        assert moved.shape == image.shape
        assert set(np.unique(seen)) <= {*np.unique(labels).tolist(), 255}


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(GEOMETRIC + COLOURS_OF_ANY), min_size=1, max_size=3),
    st.sampled_from(KINDS),
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_any_small_image_stays_valid(steps, kind, size_hw, seed, flat):
    dtype, channels = kind
    rng = np.random.default_rng(seed)
    high = 1 if flat else HIGH.get(dtype, 1e30)
    image = rng.uniform(0, high, (*size_hw, channels)).astype(dtype)
    labels = rng.integers(0, 256, size_hw, dtype=np.uint8)
    augmentation = parse_semantic_augmentations(steps, channels=channels, dtype=dtype)
    moved, seen = augmentation(image, labels, seed=seed)
    assert moved.dtype == dtype
    assert moved.shape == (*seen.shape, channels)
    assert np.isfinite(moved).all()
    assert moved.min() >= image.min() or dtype == np.uint8
