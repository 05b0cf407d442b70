import pickle
import random
from functools import partial

import numpy as np
import pytest
import torch
from geometric_steps import GEOMETRIC
from hypothesis import given, settings
from hypothesis import strategies as st

from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.data.augmentation import DEFAULT_STEPS, parse_augmentations
from instseg.data.augmentation_steps import AUGMENTATION_NAMES
from instseg.data.coco import CocoData

PHOTOMETRIC = [
    {"ColorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}},
    {"RandomGrayscale": {"p": 1.0}},
    {"RandomAdjustSharpness": {"sharpness_factor": 0.3, "p": 1.0}},
    {"RandomPosterize": {"bits": 2, "p": 1.0}},
    {"RandomSolarize": {"threshold": 100, "p": 1.0}},
    {"RandomAutocontrast": {"p": 1.0}},
    {"RandomEqualize": {"p": 1.0}},
    {"GaussianBlur": {"kernel_size": 9}},
]
NAMES = ("BG", "donut", "pair", "square", "both", "crowd")
COLORS = {"donut": (250, 0, 0), "pair": (0, 250, 0), "square": (0, 0, 250), "crowd": (250, 250, 0)}


def name_of(step):
    return next(iter(step))


def coloured():
    """A donut, a two-part object, a square and a crowd, each of its colour, apart on black.

    A fourth object, "both", is the square and the donut in one, and so overlaps.
    """
    yy, xx = np.mgrid[:120, :160]
    shapes = {
        "donut": abs(np.hypot(yy - 36, xx - 40) - 21) < 11,
        "pair": (abs(yy - 85) < 18) & ((abs(xx - 35) < 14) | (abs(xx - 75) < 14)),
        "square": (abs(yy - 40) < 20) & (abs(xx - 115) < 22),
        "crowd": (abs(yy - 90) < 22) & (abs(xx - 125) < 24),
    }
    image = np.zeros((120, 160, 3), dtype=np.uint8)
    for name, shape in shapes.items():
        image[shape] = COLORS[name]
    crowds = Masks.from_dense(shapes.pop("crowd")[None])
    shapes["both"] = shapes["square"] | shapes["donut"]
    masks = Masks.from_dense(np.stack(list(shapes.values())))
    return image, truth(masks, [NAMES.index(name) for name in shapes]), crowds


def truth(masks, class_ids, names=NAMES):
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=class_ids,
        scores=np.ones(len(masks)),
        masks=masks,
        class_names=names,
    )


def equal(a, b):
    """Whether two samples are the same to the bit."""
    return (
        np.array_equal(a[0], b[0])
        and np.array_equal(a[1].masks.dense(), b[1].masks.dense())
        and np.array_equal(a[1].class_ids, b[1].class_ids)
        and np.array_equal(a[2].dense(), b[2].dense())
    )


def check_valid(image, instances, crowds):
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.shape == (*instances.size_hw, 3)
    assert crowds.size_hw == instances.size_hw
    assert (instances.boxes == instances.masks.boxes_xyxy()).all()
    assert (instances.masks.areas() > 0).all()
    assert (crowds.areas() > 0).all()


@pytest.mark.parametrize("step", GEOMETRIC, ids=name_of)
def test_photo_and_masks_move_together(step):
    augmentation = parse_augmentations([step])
    for seed in range(4):
        image, instances, crowds = augmentation(*coloured(), seed=seed)
        check_valid(image, instances, crowds)
        masks = dict(zip(instances.names, instances.masks.dense(), strict=True))
        masks |= dict(zip(["crowd"], crowds.dense(), strict=False))
        lit = image > 125  # which the grey of borders is not
        seen = {name: (lit == (np.array(c) > 125)).all(axis=2) for name, c in COLORS.items()}
        seen["both"] = seen["donut"] | seen["square"]
        for name, pixels in seen.items():
            mask = masks.get(name, np.zeros_like(pixels))
            overlap = (mask & pixels).sum() / max((mask | pixels).sum(), 1)
            assert overlap > 0.93 or pixels.sum() < 60, (name, seed, overlap)


@pytest.mark.parametrize("step", PHOTOMETRIC, ids=name_of)
def test_colours_change_and_masks_stay(step):
    before = coloured()
    noise = np.random.default_rng(0).integers(60, 200, before[0].shape, dtype=np.uint8)
    image, instances, crowds = parse_augmentations([step])(noise, *before[1:], seed=3)
    check_valid(image, instances, crowds)
    assert not np.array_equal(image, noise)
    assert np.array_equal(instances.masks.dense(), before[1].masks.dense())
    assert np.array_equal(crowds.dense(), before[2].dense())


@pytest.mark.parametrize("step", [*GEOMETRIC, *PHOTOMETRIC], ids=name_of)
def test_masks_move_alike_however_many_overlap(step, monkeypatch):
    """So many that their label maps are transformed one by one."""
    image, instances, crowds = coloured()
    layers = Instances.concatenate([instances] * 3)
    steps = ["RandomHorizontalFlip", step, {"RandomAffine": {"degrees": 5}}]
    augmentation = parse_augmentations(steps)
    together = augmentation(image, layers, crowds, seed=5)
    monkeypatch.setattr("instseg.data.label_maps.MOST_PIXELS", 1)
    assert equal(augmentation(image, layers, crowds, seed=5), together)


def test_every_name_is_tried_here():
    assert {*map(name_of, GEOMETRIC + PHOTOMETRIC), "CopyPaste"} == set(AUGMENTATION_NAMES)


def test_no_steps_return_the_arguments():
    arguments = coloured()
    results = parse_augmentations([])(*arguments, seed=0)
    assert all(a is b for a, b in zip(results, arguments, strict=True))


def test_empty_borders_are_grey_background():
    image, instances, crowds = coloured()
    white = np.full_like(image, 255)
    step = {"RandomAffine": {"degrees": 0, "scale": [0.5, 0.5]}}
    small, instances, crowds = parse_augmentations([step])(white, instances, crowds, seed=0)
    assert small[0, 0].tolist() == [124, 116, 104]
    assert not Masks.concatenate([instances.masks, crowds]).dense()[:, :25].any()


def test_a_photo_without_objects():
    image = coloured()[0]
    nothing = Instances.empty(image.shape[:2], NAMES)
    out = parse_augmentations(DEFAULT_STEPS)(image, nothing, Masks.empty(image.shape[:2]), seed=1)
    check_valid(*out)
    assert len(out[1]) == len(out[2]) == 0


def test_what_a_crop_leaves_out_is_dropped():
    image, instances, crowds = coloured()
    crop = parse_augmentations([{"RandomCrop": {"size": [10, 10]}}])
    found = [crop(image, instances, crowds, seed=seed) for seed in range(40)]
    assert {len(sample[1]) for sample in found} >= {0, 1, 2}
    assert {len(sample[2]) for sample in found} == {0, 1}


def test_hundreds_of_tiny_objects_stay_apart():
    dense = np.eye(600, dtype=bool).reshape(600, 20, 30)
    instances = truth(Masks.from_dense(dense), np.arange(600) % 5 + 1)
    image = np.zeros((20, 30, 3), dtype=np.uint8)
    flip = parse_augmentations([{"RandomHorizontalFlip": {"p": 1.0}}])
    _, flipped, _ = flip(image, instances, Masks.empty((20, 30)), seed=0)
    assert np.array_equal(flipped.masks.dense(), dense[:, :, ::-1])
    assert np.array_equal(flipped.class_ids, instances.class_ids)


def test_the_seed_is_all_that_chance_depends_on():
    augmentation = parse_augmentations([*DEFAULT_STEPS, {"CopyPaste": {"p": 0.5}}])
    sent = pickle.loads(pickle.dumps(augmentation))  # as to a process that prepares images
    other = coloured()[:2]
    results = []
    for seed in ([7, 0, 1], [7, 0, 2], [7, 1, 1]):
        results.append(augmentation(*coloured(), seed=seed, other=lambda: other))
        torch.rand(3)  # the state of others is of no matter
        assert equal(results[-1], sent(*coloured(), seed=seed, other=lambda: other))
    assert not any(equal(results[0], result) for result in results[1:])


def test_global_random_states_stay_as_they_were():
    torch.manual_seed(5)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    augmentation = parse_augmentations([*DEFAULT_STEPS, {"CopyPaste": {"p": 1.0}}])
    augmentation(*coloured(), seed=3, other=lambda: coloured()[:2])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2][1].tolist()  # noqa: NPY002


def test_arguments_are_not_modified():
    image, instances, crowds = coloured()
    image.setflags(write=False)
    augmentation = parse_augmentations(
        [{"RandomSolarize": {"threshold": 10, "p": 1.0}}, {"CopyPaste": {"p": 1.0}}]
    )
    augmentation(image, instances, crowds, seed=0, other=lambda: coloured()[:2])
    assert np.array_equal(image, coloured()[0])


def test_copy_paste_takes_from_a_photo_changed_by_the_steps_before():
    image, instances, crowds = coloured()
    black = np.zeros_like(image), Instances.empty(image.shape[:2], NAMES), crowds[[]]
    steps = [{"RandomHorizontalFlip": {"p": 1.0}}, {"CopyPaste": {"p": 1.0}}]
    out = parse_augmentations(steps)(*black, seed=0, other=lambda: (image, instances[[2]]))
    check_valid(*out)
    assert np.array_equal(out[1].masks.dense(0), instances.masks.dense(2)[:, ::-1])
    assert (out[0][out[1].masks.dense(0)] == COLORS["square"]).all()


def test_copy_paste_twice():
    image, instances, crowds = coloured()
    black = np.zeros_like(image), Instances.empty(image.shape[:2], NAMES), crowds[[]]
    augmentation = parse_augmentations([{"CopyPaste": {"p": 1.0}}] * 2)
    out = augmentation(*black, seed=0, other=lambda: (image, instances[[0]]))
    check_valid(*out)
    assert out[1].names == ["donut"]  # the second hides the first, which lies at the same place


def test_copy_paste_asks_for_the_other_photo_only_when_it_pastes():
    asked = []

    def other():
        asked.append(1)
        return coloured()[:2]

    augmentation = parse_augmentations([{"CopyPaste": {"p": 0.3}}])
    changed = [
        not equal(augmentation(*coloured(), seed=seed, other=other), coloured())
        for seed in range(60)
    ]
    assert 8 <= len(asked) <= 30
    assert sum(changed) <= len(asked)
    with pytest.raises(ValueError, match="other"):
        parse_augmentations([{"CopyPaste": {"p": 1.0}}])(*coloured(), seed=0)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("RandomFlip", "RandomFlip: take one of RandomHorizontalFlip, "),
        ("__init__", "take one of"),
        ("Lambda", "take one of"),
        (3, "take one of"),
        (["RandomRotation"], "take one of"),
        ({"RandomRotation": 10}, "name: {arguments}"),
        ({"RandomGrayscale": None, "RandomEqualize": None}, "name: {arguments}"),
        ("RandomRotation", "'degrees'; its arguments are degrees, interpolation"),
        ({"RandomRotation": {"degree": 3}}, "'degree'; its arguments are degrees"),
        ({"RandomRotation": {"degrees": 3, "interpolation": "fine"}}, "fine"),
        ({"RandomAffine": {"degrees": 3, "fill": "red"}}, "fill"),
        ({"ColorJitter": {"hue": 2}}, "hue"),
        ({"ScaleJitter": {"target_size": 5}}, "its arguments are target_size, scale_range"),
        ({"RandomPosterize": {"bits": "x"}}, "bits"),
        ({"RandomHorizontalFlip": {"p": "often"}}, "its arguments are p"),
        ({"CopyPaste": {"p": 2}}, "p: expected 0..1, got 2; its arguments are p, most"),
        ({"CopyPaste": {"most": 0}}, "most: expected 1 or more"),
    ],
)
def test_bad_steps_are_refused_in_one_line(entry, said):
    with pytest.raises(InputError) as caught:
        parse_augmentations([*DEFAULT_STEPS, entry])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_real_photos(coco_dir):
    data = CocoData.read(coco_dir / "annotations" / "instances_val2017.json", coco_dir / "val2017")
    default = parse_augmentations(DEFAULT_STEPS)
    paste = parse_augmentations([{"CopyPaste": {"p": 1.0, "most": 5}}])
    for index in range(8):
        image, instances = data.load(index)
        sample = default(image, instances, Masks.empty(instances.size_hw), seed=[0, index])
        assert sample[0].shape == image.shape
        assert len(sample[1]) >= len(instances) * 0.6
        check_valid(*sample)
        check_valid(*paste(*sample, seed=index, other=partial(data.load, index + 8)))


@st.composite
def small_samples(draw):
    """A photo of 1 to 24 pixels a side with up to 4 objects and 2 crowd regions, of any pixels."""
    size_hw = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, share = draw(st.integers(0, 4)), draw(st.sampled_from([0.02, 0.3, 0.9]))
    image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    masks = Masks.from_dense(rng.random((count, *size_hw)) < share)
    crowds = Masks.from_dense(rng.random((draw(st.integers(0, 2)), *size_hw)) < share)
    return image, truth(masks, rng.integers(1, 5, count)), crowds


@settings(max_examples=100)
@given(
    st.lists(
        st.sampled_from([*GEOMETRIC, *PHOTOMETRIC, {"CopyPaste": {"p": 1.0}}]),
        min_size=1,
        max_size=3,
    ),
    small_samples(),
    small_samples(),
    st.integers(0, 2**31),
)
def test_any_small_photo_stays_valid(steps, sample, other, seed):
    check_valid(*parse_augmentations(steps)(*sample, seed=seed, other=lambda: other[:2]))
