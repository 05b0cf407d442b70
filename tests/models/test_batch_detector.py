"""The detector for GPUs: its steps, tried on the CPU, are those of `Detector`."""

import warnings

import pytest
import torch
from stand_in import TINY_CARD, stand_in_model

from instseg.models import batch_detector
from instseg.models.batch_detector import BatchDetector, compile_parts, detector_for
from instseg.models.detections import Choice
from instseg.models.inference import Detector
from instseg.models.mask_rcnn import load_detector
from instseg.scenes.scene import draw_scene

CPU = torch.device("cpu")
IMAGE = torch.from_numpy(draw_scene(1).image).permute(2, 0, 1)
IMAGES = [IMAGE, IMAGE.flip(2), torch.zeros_like(IMAGE)]


@pytest.fixture(scope="module")
def model():
    return stand_in_model(TINY_CARD)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.boxes, other.boxes, rtol=0, atol=1e-3)
        torch.testing.assert_close(one.scores, other.scores, rtol=0, atol=1e-5)
        torch.testing.assert_close(one.soft_masks, other.soft_masks, rtol=0, atol=1e-4)
        assert torch.equal(one.class_ids, other.class_ids)


def assert_near(found, expected):
    """Of 20 detections 19 within 0.05 px and 0.001 of the score: one may be at a threshold."""
    for one, other in zip(found, expected, strict=True):
        distance, row = torch.cdist(one.boxes, other.boxes, p=float("inf")).min(dim=1)
        near = (distance < 0.05) & (one.class_ids == other.class_ids[row])
        near &= (one.scores - other.scores[row]).abs() < 1e-3
        gap = one.soft_masks.cpu() - other.soft_masks[row]
        near &= gap.abs().amax((1, 2)) < 0.01
        assert near.float().mean() >= 0.95


@pytest.mark.parametrize(
    "choice",
    [
        Choice(),
        Choice(score_threshold=0.0, max_detections=10_000),
        Choice(score_threshold=0.3, max_detections=7),
        Choice(class_ids=frozenset({1, 3})),
        Choice(score_threshold=1.0),
    ],
    ids=str,
)
def test_equal_to_one_image_after_the_other(model, choice):
    expected = Detector(model, CPU, torch.float32)(IMAGES, choice)
    assert_same(BatchDetector(model, CPU, torch.float32)(IMAGES, choice), expected)


def test_equal_if_too_few_candidates_are_compared(model, monkeypatch):
    monkeypatch.setattr(batch_detector, "CANDIDATES", 50)
    choice = Choice(max_detections=40)
    expected = Detector(model, CPU, torch.float32)(IMAGES, choice)
    assert len(expected[0].scores) == 40
    assert_same(BatchDetector(model, CPU, torch.float32)(IMAGES, choice), expected)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 1000), (3000, 2), (97, 1)])
def test_any_size_of_image(model, size_hw):
    images = [torch.full((3, *size_hw), 99, dtype=torch.uint8)] * 2
    expected = Detector(model, CPU, torch.float32)(images, Choice())
    assert_same(BatchDetector(model, CPU, torch.float32)(images, Choice()), expected)


def test_a_network_with_context():
    model, image = load_detector("photos"), IMAGE
    expected = Detector(model, CPU, torch.float32)([image], Choice())
    assert_same(BatchDetector(model, CPU, torch.float32)([image], Choice()), expected)


def test_masks_inside_known_boxes(model):
    detector = BatchDetector(model, CPU, torch.float32)
    (found,) = detector([IMAGE], Choice(max_detections=9))
    inside = detector.masks_inside(IMAGE, found.boxes, found.class_ids)
    torch.testing.assert_close(inside, found.soft_masks, rtol=0, atol=1e-4)


def test_compiled_parts_find_the_same_in_images_of_other_sizes(model):
    """With a backend that needs no compiler of C++."""
    detector = detector_for(model, CPU, torch.float32)
    compile_parts(detector.network, backend="aot_eager")
    plain = Detector(model, CPU, torch.float32)
    for images in (IMAGES, [IMAGE], [IMAGE[:, :200]]):
        assert_same(detector(images, Choice()), plain(images, Choice()))


@pytest.mark.cuda
def test_float32_on_the_gpu_is_that_of_the_cpu(model, gpu):
    choice = Choice(score_threshold=0.3, max_detections=20)
    found = detector_for(model, gpu, torch.float32)(IMAGES, choice)
    expected = Detector(model, CPU, torch.float32)(IMAGES, choice)
    assert_near(found, expected)


@pytest.mark.cuda
def test_compiled_on_the_gpu(model, gpu):
    choice = Choice(score_threshold=0.3, max_detections=20)
    compiled = gpu.type == "cuda"  # the compiler for CPUs takes minutes
    detector = detector_for(model, gpu, torch.float32, compiled=compiled)
    found = [detector(images, choice) for images in (IMAGES, [IMAGE[:, :200]])]
    plain = Detector(model, CPU, torch.float32)
    assert_near(found[0], plain(IMAGES, choice))
    assert_near(found[1], plain([IMAGE[:, :200]], choice))


@pytest.mark.cuda
def test_bfloat16_on_the_gpu_finds_much_the_same(model, gpu):
    choice = Choice(score_threshold=0.5, max_detections=20)
    (rough,) = detector_for(model, gpu, torch.bfloat16)([IMAGE], choice)
    (exact,) = Detector(model, CPU, torch.float32)([IMAGE], Choice(max_detections=200))
    assert rough.boxes.dtype == rough.scores.dtype == rough.soft_masks.dtype == torch.float32
    gap = torch.cdist(rough.boxes, exact.boxes, p=float("inf")).min(dim=1).values
    assert gap.median() < 3


@pytest.mark.cuda
@pytest.mark.parametrize("count", [1, 8])
def test_the_host_waits_four_times_whatever_the_batch(model, gpu, count):
    if gpu.type != "cuda":
        pytest.skip("only a GPU is waited for")
    detector, images = detector_for(model, gpu, torch.bfloat16), [IMAGE] * count
    detector(images, Choice())  # copies constants to the GPU
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        detector(images, Choice())
        torch.cuda.set_sync_debug_mode(before)
    waits = [each for each in caught if "synchronizing" in str(each.message)]
    assert len(waits) <= 4, [f"{each.filename}:{each.lineno}" for each in waits]
