"""`Segmenter` with a tiny network."""

import copy
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from stand_in import TINY_CARD

from instseg.core.errors import InputError
from instseg.core.semantic import to_semantic
from instseg.files.image_writing import write_image
from instseg.models import semantic_inference
from instseg.models.mask_rcnn import build_detector
from instseg.models.segmenters import PREPROCESSING, fresh_segmenter
from instseg.models.semantic_inference import enlarged
from instseg.predict.segmenter import Segmenter, regions
from instseg.scenes.scene import SceneConfig, draw_scene
from instseg.system.ahead import AHEAD

ROOT = Path(__file__).resolve().parents[2]

NAMES, IDS = ("BG", "cat", "dog", "cup"), (0, 17, 18, 47)
IMAGE = draw_scene(1, SceneConfig(size_hw=(90, 120))).image


@torch.inference_mode()
def make_model(channels=3, **preprocessing):
    """An untrained U-Net whose norms have seen something."""
    torch.manual_seed(0)
    changes = {"mean": [0.5] * channels, "std": [0.25] * channels, **preprocessing}
    model = fresh_segmenter(
        "unet", NAMES, IDS, preprocessing=PREPROCESSING | changes, widths=[8, 12, 16]
    )
    model.network.train()(4 * torch.randn(4, channels, 32, 32))
    model.network.head.weight.mul_(20)
    model.network.eval()
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


def make_segmenter(model, **options):
    return Segmenter(model, **{"device": "cpu", "precision": "fp32", **options})


@torch.inference_mode()
def test_labels_are_the_networks_best_class(model):
    segmenter = make_segmenter(model)
    labels = segmenter(IMAGE)
    assert labels.dtype == np.uint8
    assert labels.shape == (90, 120)
    assert len(np.unique(labels)) > 2
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None] / 255
    logits = model.network((pixels - 0.5) / 0.25)[0]
    np.testing.assert_array_equal(labels, logits.argmax(0))
    probabilities = segmenter.probabilities(IMAGE)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, logits.softmax(0), atol=1e-5)
    assert segmenter.class_names == NAMES
    assert segmenter.category_ids == IDS


def test_paths_arrays_and_tensors_give_the_same(model, tmp_path):
    segmenter = make_segmenter(model)
    write_image(tmp_path / "scene.png", IMAGE)
    tensor = torch.from_numpy(IMAGE).permute(2, 0, 1)
    expected = segmenter(IMAGE)
    read_only = IMAGE.copy()
    read_only.setflags(write=False)
    for image in (
        tmp_path / "scene.png",
        str(tmp_path / "scene.png"),
        tensor,
        tensor / 255,
        (IMAGE / 255).astype(np.float32),
        IMAGE / 255,
        np.asfortranarray(IMAGE),
        IMAGE[:, ::-1].copy()[:, ::-1],
        read_only,
    ):
        assert (segmenter(image) != expected).mean() < 0.001


def test_slices_of_any_range_and_number_of_channels():
    rng = np.random.default_rng(0)
    slices = rng.integers(0, 1200, (33, 41, 2))
    segmenter = make_segmenter(make_model(2, mean=[500.0, 600.0], std=[100.0, 300.0]))
    expected = segmenter(slices)
    assert len(np.unique(expected)) > 1
    for dtype in (np.uint16, np.int16, np.float32, np.float64, ">u2"):
        np.testing.assert_array_equal(segmenter(slices.astype(dtype)), expected)


def test_one_channel(tmp_path):
    segmenter = make_segmenter(make_model(1))
    grey = IMAGE[..., 1]
    labels = segmenter(grey)
    np.testing.assert_array_equal(labels, segmenter(grey[..., None]))
    write_image(tmp_path / "grey.png", grey)
    assert (segmenter(tmp_path / "grey.png") != labels).mean() < 0.001


def test_a_model_file_by_path(model, tmp_path):
    model.save(tmp_path / "tiny.safetensors")
    np.testing.assert_array_equal(
        make_segmenter(str(tmp_path / "tiny.safetensors"))(IMAGE), make_segmenter(model)(IMAGE)
    )


def test_the_model_is_left_as_it_was(model):
    training = copy.deepcopy(model)
    training.network.train()
    make_segmenter(training)(IMAGE)
    assert training.network.training
    assert all(p.requires_grad for p in training.network.parameters())
    state = model.network.state_dict()
    for name, value in training.network.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize("sizes", [{}, {"min_size": 40, "max_size": 64}])
def test_batch_of_differing_sizes_equals_one_by_one(sizes):
    segmenter = make_segmenter(make_model(**sizes))
    images = [IMAGE, IMAGE[:, ::-1], IMAGE[:50], IMAGE[:50, 20:], IMAGE[:1, :1], IMAGE[20:70]]
    batch = segmenter.predict_batch(images)
    for labels, image in zip(batch, images, strict=True):
        assert labels.shape == image.shape[:2]
        assert (labels != segmenter(image)).mean() < 0.01
    assert segmenter.predict_batch([]) == []


@torch.inference_mode()
def test_resized_images_get_labels_of_their_own_size():
    model = make_model(min_size=45)
    small = model.normalise(torch.from_numpy(IMAGE).permute(2, 0, 1))[None]
    small = F.interpolate(small, size=(45, 60), mode="bilinear", antialias=True)
    logits = F.interpolate(model.network(small), size=(90, 120), mode="bilinear")[0]
    labels = make_segmenter(model)(IMAGE)
    assert (labels != logits.argmax(0).numpy()).mean() < 0.001


@pytest.mark.parametrize("size_hw", [(90, 120), (45, 61), (13, 200), (1, 1), (30, 40)])
def test_enlarged_in_strips_is_enlarged_at_once(size_hw, monkeypatch):
    monkeypatch.setattr(semantic_inference, "STRIP_VALUES", 4000)
    logits = torch.randn(5, 30, 40)
    strips = list(enlarged(logits, size_hw))
    assert len(strips) == -(-size_hw[0] // max(4000 // (5 * size_hw[1]), 1))
    expected = F.interpolate(logits[None], size=size_hw, mode="bilinear")[0]
    torch.testing.assert_close(torch.cat(strips, dim=1), expected)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_stream_is_lazy_and_keeps_the_order(model, batch_size):
    segmenter = make_segmenter(model, batch_size=batch_size)
    sizes = [(40, 50), (60, 40), (40, 50), (64, 64), (50, 50)]
    taken = []

    def images():
        for size in sizes:
            taken.append(size)
            yield np.zeros((*size, 3), dtype=np.uint8)

    stream = segmenter.stream(images())
    assert taken == []
    seen = []
    for labels in stream:
        seen.append(labels.shape)
        most = (-(-len(seen) // batch_size) + 1) * batch_size + AHEAD
        assert len(taken) <= min(len(sizes), most)
    assert seen == sizes


def test_stream_in_flat_memory(model):
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(60))
    sizes = []
    tracemalloc.start()
    for i, _ in enumerate(make_segmenter(model).stream(images)):
        if i in (9, 59):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 50_000  # 50 images are 600 kB


def test_instances_are_the_regions_of_the_labels(model):
    segmenter = make_segmenter(model)
    found = segmenter.instances(IMAGE, min_area=1)
    assert len(found) > 3
    np.testing.assert_array_equal(to_semantic(found), segmenter(IMAGE))
    probabilities = segmenter.probabilities(IMAGE)
    for one in found:
        expected = probabilities[one.class_ids[0]][one.masks.dense(0)].mean()
        assert one.scores[0] == pytest.approx(expected, abs=1e-5)
    assert (np.diff(found.scores) <= 0).all()
    large = segmenter.instances(IMAGE, min_area=50)
    assert 0 < len(large) < len(found)
    assert large.masks.areas().min() >= 50


def test_regions_of_a_drawn_map():
    labels = np.zeros((20, 30), dtype=np.uint8)
    labels[2:9, 2:9] = 1
    labels[4:7, 4:7] = 0  # a hole
    labels[5, 5] = 1  # of its own, too small
    labels[9:12, 9:12] = 1  # touches the ring at a corner
    labels[2:9, 9:12] = 2  # beside the ring, another class
    labels[14:18, 20:25] = 2
    probability = np.full((20, 30), 0.5, dtype=np.float32)
    probability[labels == 2] = 0.75
    probability[14:18, 20:25] = 1.0
    found = regions(labels, probability, NAMES, min_area=2)
    assert found.class_ids.tolist() == [2, 2, 1]
    assert found.scores.tolist() == [1.0, 0.75, 0.5]
    assert found.boxes.tolist() == [[20, 14, 25, 18], [9, 2, 12, 9], [2, 2, 12, 12]]
    assert found.masks.areas().tolist() == [20, 21, 49 - 9 + 9]
    labels[5, 5] = 0
    np.testing.assert_array_equal(to_semantic(found), labels)


def test_regions_of_nothing():
    empty = np.zeros((5, 7), dtype=np.uint8)
    found = regions(empty, np.ones((5, 7), dtype=np.float32), NAMES, min_area=1)
    assert len(found) == 0
    assert found.size_hw == (5, 7)


def test_bf16(model):
    labels = make_segmenter(model, precision="bf16")(IMAGE)
    assert (labels != make_segmenter(model)(IMAGE)).mean() < 0.1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 5, 5, 3), dtype=np.uint8),
        np.zeros(5),
        np.zeros((5, 5, 3), dtype=complex),
        torch.zeros(1, 3, 5, 5),
    ],
)
def test_images_of_another_form(model, image):
    with pytest.raises(ValueError, match=r"image (array|tensor): expected .*, got .*5"):
        make_segmenter(model)(image)


def test_images_with_other_channels(model, tmp_path):
    with pytest.raises(InputError, match=r"the image has 2 channels, these weights take 3"):
        make_segmenter(model)(np.zeros((5, 5, 2), dtype=np.uint8))
    write_image(tmp_path / "photo.png", IMAGE)
    with pytest.raises(InputError, match=r"photo.png: the image has 3 channels.*take 4"):
        make_segmenter(make_model(4))(tmp_path / "photo.png")


def test_what_cannot_be(model, tmp_path):
    with pytest.raises(InputError, match="batch_size=0 must lie"):
        make_segmenter(model, batch_size=0)
    with pytest.raises(InputError, match="device toaster"):
        make_segmenter(model, device="toaster")
    build_detector(TINY_CARD).save(tmp_path / "instances.safetensors")
    with pytest.raises(InputError, match="which predicts instances"):
        make_segmenter(tmp_path / "instances.safetensors")


def test_a_segmenter_does_not_load_the_compiler_of_torch():
    lines = [
        "import sys, numpy, instseg",
        "instseg.Segmenter('unet-demo', device='cpu')(numpy.zeros((64, 64, 3), 'uint8'))",
        "sys.exit(sorted({'torch._dynamo', 'sympy'} & sys.modules.keys()) or 0)",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, check=True)
