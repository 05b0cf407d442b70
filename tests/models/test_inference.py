"""The forward pass for inference: what is chosen, and that shortcuts change nothing."""

import copy

import pytest
import torch
from stand_in import TINY_CARD, stand_in_model
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.roi_heads import paste_masks_in_image

from instseg.models.compact import DenseMaskPredictor
from instseg.models.detections import Choice
from instseg.models.inference import Detector, own_mask_logits, widen_sliver
from instseg.scenes.scene import draw_scene

CPU = torch.device("cpu")
IMAGE = torch.from_numpy(draw_scene(1).image).permute(2, 0, 1)


@pytest.fixture(scope="module")
def model():
    return stand_in_model(TINY_CARD)


@pytest.fixture(scope="module")
def detector(model):
    return Detector(model, CPU, torch.float32)


def detect(detector, image=IMAGE, **choice):
    (found,) = detector([image], Choice(**choice))
    return found


def assert_same(one, other, rows=slice(None)):
    """`one` is the given rows of `other`."""
    torch.testing.assert_close(one.boxes, other.boxes[rows], rtol=0, atol=1e-3)
    torch.testing.assert_close(one.scores, other.scores[rows], rtol=0, atol=1e-5)
    torch.testing.assert_close(one.soft_masks, other.soft_masks[rows], rtol=0, atol=1e-4)
    assert torch.equal(one.class_ids, other.class_ids[rows])


def test_form(detector):
    found = detect(detector)
    assert found.boxes.shape == (100, 4)
    assert found.soft_masks.shape == (100, 28, 28)
    assert found.class_ids.dtype == torch.int64
    assert set(found.class_ids.tolist()) <= {1, 2, 3}
    assert (found.scores.diff() <= 0).all()
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 320


def test_equal_to_torchvisions_own_pass(model, detector):
    found = detect(detector)
    with torch.inference_mode():
        (expected,) = model.network([IMAGE / 255])
    pasted = paste_masks_in_image(found.soft_masks[:, None], found.boxes, (320, 320))
    torch.testing.assert_close(found.boxes, expected["boxes"], rtol=0, atol=1e-3)
    torch.testing.assert_close(found.scores, expected["scores"], rtol=0, atol=1e-4)
    assert torch.equal(found.class_ids, expected["labels"])
    changed = (pasted >= 0.5) != (expected["masks"] >= 0.5)
    assert changed.sum() < 1e-3 * pasted.numel() / 100


def test_model_is_left_as_it_was(model):
    before = copy.deepcopy(model.network.state_dict())
    detect(Detector(model, CPU, torch.float32, scale=0.5))
    after = model.network.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.network.transform.min_size == (64,)


def test_score_threshold(detector):
    everything = detect(detector, score_threshold=0.0, max_detections=10_000)
    for threshold in (0.2, 0.6, everything.scores[5].item()):
        rows = everything.scores > threshold
        assert 0 < rows.sum() < len(rows)
        found = detect(detector, score_threshold=threshold, max_detections=10_000)
        assert_same(found, everything, rows)


def test_max_detections(detector):
    everything = detect(detector, max_detections=10_000)
    assert len(everything.scores) > 100
    for count in (1, 7, 100):
        assert_same(detect(detector, max_detections=count), everything, slice(count))


@pytest.mark.parametrize("wanted", [{1}, {3}, {1, 3}])
def test_class_filter(detector, wanted):
    everything = detect(detector, max_detections=10_000)
    rows = torch.isin(everything.class_ids, torch.tensor(sorted(wanted)))
    assert 0 < rows.sum() < len(rows)
    found = detect(detector, max_detections=10_000, class_ids=frozenset(wanted))
    assert_same(found, everything, rows)


@pytest.mark.parametrize("choice", [{"score_threshold": 1.0}, {"class_ids": frozenset()}])
def test_nothing_found(detector, choice):
    found = detect(detector, **choice)
    assert found.boxes.shape == (0, 4)
    assert found.soft_masks.shape == (0, 28, 28)


def test_batch_equals_one_by_one(detector):
    images = [IMAGE, IMAGE.flip(2), torch.zeros_like(IMAGE)]
    choice = Choice(score_threshold=0.3)
    for found, image in zip(detector(images, choice), images, strict=True):
        assert_same(found, detect(detector, image, score_threshold=0.3))


def test_bfloat16_finds_much_the_same(model, detector):
    choice = Choice(score_threshold=0.5, max_detections=20)
    (rough,) = Detector(model, CPU, torch.bfloat16)([IMAGE], choice)
    exact = detect(detector, max_detections=200)
    assert rough.boxes.dtype == rough.scores.dtype == rough.soft_masks.dtype == torch.float32
    gap = torch.cdist(rough.boxes, exact.boxes, p=float("inf")).min(dim=1).values
    assert gap.median() < 3


def test_scale_changes_the_input_size(model):
    detector = Detector(model, CPU, torch.float32, scale=0.5)
    batch, _ = detector.network.transform([torch.rand(3, 100, 120)])
    assert batch.image_sizes == [(32, 38)]


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 1000), (3000, 2), (1, 96), (97, 1)])
def test_any_size_of_image(detector, size_hw):
    found = detect(detector, torch.full((3, *size_hw), 99, dtype=torch.uint8))
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2:] <= torch.tensor(size_hw[::-1]) * (1 + 1e-6)).all()


@pytest.mark.parametrize(
    ("size_hw", "widened"),
    [((1, 1000), (3, 1000)), ((1000, 1), (1000, 3)), ((3, 1000), (3, 1000)), ((1, 1), (1, 1))],
)
def test_slivers_are_widened_until_resizing_leaves_a_pixel(size_hw, widened):
    image = torch.rand(3, *size_hw)
    wide = widen_sliver(image, 500)
    assert wide.shape == (3, *widened)
    assert torch.equal(wide.unique(), image.unique())


@pytest.mark.parametrize(
    "predictor",
    [MaskRCNNPredictor(12, 16, 9), DenseMaskPredictor(12, 9)],
    ids=["torchvision", "compact"],
)
@pytest.mark.parametrize("outputs", [[3], [8, 0, 3, 3, 5], []])
def test_own_mask_logits_are_those_of_the_full_predictor(predictor, outputs):
    outputs = torch.tensor(outputs, dtype=torch.int64)
    x = torch.rand(len(outputs), 12, 14, 14)
    expected = predictor(x)[torch.arange(len(outputs)), outputs]
    got = own_mask_logits(predictor, x, outputs)
    assert got.shape == (len(outputs), 28, 28)
    torch.testing.assert_close(got, expected)


def test_masks_inside_known_boxes_are_those_that_are_found(detector):
    found = detect(detector, max_detections=9)
    inside = detector.masks_inside(IMAGE, found.boxes, found.class_ids)
    torch.testing.assert_close(inside, found.soft_masks, rtol=0, atol=1e-4)
    assert len(detector.masks_inside(IMAGE, found.boxes[:0], found.class_ids[:0])) == 0
