"""`Predictor` with a tiny network."""

import os
import pickle
import resource
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stand_in import TINY_CARD, stand_in_model

from instseg.core.errors import InputError
from instseg.files.image_writing import write_image
from instseg.models.mask_rcnn import build_detector
from instseg.predict.predictor import Predictor
from instseg.predict.tiles import join_flipped, join_tiles, tile_windows
from instseg.scenes.scene import SceneConfig, draw_scene
from instseg.system.ahead import AHEAD
from instseg.system.device import choose_device, choose_dtype

IMAGE = draw_scene(1).image
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model():
    return stand_in_model(TINY_CARD)


def make_predictor(model, **options):
    return Predictor(model, **{"device": "cpu", "precision": "fp32", **options})


def assert_same(one, other, pixels=0):
    """Equal but for rounding, and a few pixels of each mask."""
    assert one.size_hw == other.size_hw
    np.testing.assert_array_equal(one.class_ids, other.class_ids)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    assert (one.masks.dense() != other.masks.dense()).sum(axis=(1, 2)).max(initial=0) <= pixels


def test_form_of_the_result(model):
    found = make_predictor(model)(IMAGE)
    assert 5 < len(found) <= 100
    assert found.size_hw == IMAGE.shape[:2]
    assert found.class_names == ("BG", "cat", "dog", "cup")
    assert found.scores.min() > 0.5
    assert (np.diff(found.scores) <= 0).all()
    assert (found.masks.areas() > 0).all()
    tight = found.masks.boxes_xyxy()
    assert (tight[:, :2] > found.boxes[:, :2] - 3 - 320 / 28).all()
    assert (tight[:, 2:] < found.boxes[:, 2:] + 3 + 320 / 28).all()


def test_names_and_ids_are_aligned(model):
    predictor = make_predictor(model)
    assert predictor.class_names == ("BG", "cat", "dog", "cup")
    assert predictor.category_ids == (0, 17, 18, 47)
    assert predictor.card == TINY_CARD


def test_paths_arrays_and_tensors_give_the_same(model, tmp_path):
    predictor = make_predictor(model)
    write_image(tmp_path / "scene.png", IMAGE)
    tensor = torch.from_numpy(IMAGE).permute(2, 0, 1)
    expected = predictor(IMAGE)
    read_only = IMAGE.copy()
    read_only.setflags(write=False)
    for image in (
        tmp_path / "scene.png",
        str(tmp_path / "scene.png"),
        tensor,
        tensor / 255,
        tensor / 255 - 0.001,  # rounds to the same
        (tensor / 255).double().requires_grad_(),
        np.asfortranarray(IMAGE),
        IMAGE[:, ::-1].copy()[:, ::-1],  # negative strides
        read_only,
    ):
        assert_same(predictor(image), expected)


def test_thresholds_of_the_model_file_unless_one_is_given(model):
    low = {"score_threshold": 0.05, "max_detections": 10_000}
    everything = make_predictor(model, **low)(IMAGE)
    thresholds = {"cat": 0.2, "dog": 0.7}
    chosen = replace(model, card=replace(model.card, thresholds=thresholds))
    predictor = make_predictor(chosen, max_detections=10_000)
    assert predictor.uses_stored_thresholds
    found = predictor(IMAGE)
    least = np.array([thresholds.get(name, 0.5) for name in everything.names])
    assert_same(found, everything[everything.scores > least])
    assert {"cat", "dog", "cup"} <= set(found.names)
    assert_same(make_predictor(chosen, **low)(IMAGE), everything)
    assert not make_predictor(chosen, score_threshold=0.5).uses_stored_thresholds


def test_a_model_file_by_path(model, tmp_path):
    model.save(tmp_path / "tiny.safetensors")
    predictor = make_predictor(str(tmp_path / "tiny.safetensors"))
    assert_same(predictor(IMAGE), make_predictor(model)(IMAGE))


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"tile": 200}])
def test_batch_of_differing_sizes_equals_one_by_one(model, options):
    predictor = make_predictor(model, **options)
    images = [IMAGE, IMAGE[:150], IMAGE[:, ::-1], IMAGE[:150, 20:], IMAGE[100:250]]
    images = [np.ascontiguousarray(image) for image in images]
    batch = predictor.predict_batch(images)
    for found, image in zip(batch, images, strict=True):
        assert_same(found, predictor(image), pixels=2)
    assert predictor.predict_batch([]) == []


@pytest.mark.parametrize("batch_size", [1, 3])
def test_stream_is_lazy_and_keeps_the_order(model, batch_size):
    predictor = make_predictor(model, batch_size=batch_size, max_detections=3)
    sizes = [(40, 50), (60, 40), (40, 50), (64, 64), (50, 50)]
    taken = []

    def images():
        for size in sizes:
            taken.append(size)
            yield draw_scene(0, SceneConfig(size_hw=size)).image

    stream = predictor.stream(images())
    assert taken == []
    seen = []
    for found in stream:
        seen.append(found.size_hw)
        most = (-(-len(seen) // batch_size) + 1) * batch_size + AHEAD
        assert len(taken) <= min(len(sizes), most)
    assert seen == sizes
    assert list(predictor.stream([])) == []


def test_stream_without_end(model):
    def images():
        while True:
            yield IMAGE[:64, :64]

    stream = make_predictor(model).stream(images())
    assert [next(stream).size_hw for _ in range(2)] == [(64, 64)] * 2


def test_stream_in_flat_memory(model):
    predictor = make_predictor(model, score_threshold=0.05)
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 256, (128, 128, 3), dtype=np.uint8) for _ in range(60))
    sizes = []
    tracemalloc.start()
    for i, _ in enumerate(predictor.stream(images)):
        if i in (9, 59):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 100_000  # 50 images are 2.4 MB


def test_stream_reads_paths(model, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        write_image(path, IMAGE[: 100 + 20 * i])
    predictor = make_predictor(model, batch_size=2)
    found = list(predictor.stream(paths))
    assert [each.size_hw for each in found] == [(100 + 20 * i, 320) for i in range(6)]
    assert_same(found[3], predictor(paths[3]), pixels=2)
    (tmp_path / "2.png").write_text("no image")
    with pytest.raises(InputError, match=r"2\.png: not an image"):
        list(predictor.stream(paths))


def test_four_threads_share_a_predictor(model):
    predictor = make_predictor(model, score_threshold=0.3)
    images = [np.ascontiguousarray(IMAGE[: 100 + 20 * (i % 5)]) for i in range(16)]
    alone = [predictor(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(predictor, images))
    for one, other in zip(alone, together, strict=True):
        assert_same(one, other)


OTHER_PROCESSES = """
import multiprocessing, sys
import numpy as np
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import draw_scene

if __name__ == "__main__":
    predictor = Predictor(sys.argv[1], device="cpu", precision="fp32")
    images = [draw_scene(i).image for i in range(4)]
    alone = [predictor(image) for image in images]
    with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
        together = pool.map(predictor, images)
    for one, other in zip(alone, together, strict=True):
        assert len(one) > 0
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
"""


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_other_processes_use_a_predictor(model, tmp_path, way):
    """Also where the first process has used several threads, which a forked one does not have."""
    model.save(tmp_path / "tiny.safetensors")
    program = tmp_path / "program.py"
    program.write_text(OTHER_PROCESSES)
    done = subprocess.run(
        [sys.executable, program, tmp_path / "tiny.safetensors", way],
        env={**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_loaded_model_stays_as_it_was(model):
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    kinds = [type(module) for module in model.network.modules()]
    make_predictor(model, preset="fast", precision="bf16")(IMAGE)
    assert [type(module) for module in model.network.modules()] == kinds
    assert not model.network.training
    assert model.network.transform.min_size == (64,)
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_matterports_form(model, capsys):
    predictor = make_predictor(model)
    with pytest.warns(UserWarning, match="4 class names; draw with the predictor's class_names"):
        results = predictor.detect([IMAGE, IMAGE[:100]], verbose=1)
    assert capsys.readouterr().out.splitlines() == [
        "Processing 2 images",
        f"image                    shape: (320, 320, 3)         min: {IMAGE.min():10.5f}  "
        f"max: {IMAGE.max():10.5f}  uint8",
        f"image                    shape: (100, 320, 3)         min: {IMAGE[:100].min():10.5f}  "
        f"max: {IMAGE[:100].max():10.5f}  uint8",
    ]
    found, result = predictor(IMAGE), results[0]
    count = len(found)
    assert set(result) == {"rois", "class_ids", "scores", "masks"}
    assert result["masks"].shape == (320, 320, count)
    assert result["masks"].dtype == bool
    assert result["rois"].shape == (count, 4)
    assert result["rois"].dtype == result["class_ids"].dtype == np.int32
    assert result["scores"].dtype == np.float32
    np.testing.assert_array_equal(result["masks"][:, :, 1], found.masks.dense(1))
    np.testing.assert_allclose(result["rois"], found.boxes[:, [1, 0, 3, 2]], atol=0.5)
    np.testing.assert_array_equal(result["class_ids"], found.class_ids)


def test_matterports_form_of_nothing(model, capsys):
    (result,) = make_predictor(model, score_threshold=1.0).detect([IMAGE])
    assert capsys.readouterr().out == ""
    assert result["rois"].shape == (0, 4)
    assert result["masks"].shape == (320, 320, 0)


def test_threshold_classes_and_count(model):
    everything = make_predictor(model, score_threshold=0.0, max_detections=10_000)(IMAGE)
    found = make_predictor(model, score_threshold=0.7, max_detections=10_000)(IMAGE)
    assert_same(found, everything[everything.scores > 0.7])
    best = make_predictor(model, score_threshold=0.0, max_detections=7)(IMAGE)
    assert_same(best, everything[:7])
    others = make_predictor(model, score_threshold=0.2, classes=["cup", "dog"])(IMAGE)
    assert set(others.names) == {"cup", "dog"}
    told = make_predictor(model, score_threshold=0.2, classes="cup, dog")(IMAGE)
    assert told.names == others.names
    one = make_predictor(model, score_threshold=0.2, classes="cup")(IMAGE)
    assert set(one.names) == {"cup"}
    assert_same(others, everything[(everything.scores > 0.2) & (everything.class_ids > 1)][:100])


def test_cross_class_nms(model):
    every = make_predictor(model, score_threshold=0.2)(IMAGE)
    kept = make_predictor(model, score_threshold=0.2, cross_class_nms=0.3)(IMAGE)
    assert 0 < len(kept) < len(every)
    ious = kept.masks.iou(kept.masks)
    np.fill_diagonal(ious, 0)
    assert ious.max() <= 0.3


def test_fast_preset_looks_at_less(model):
    fast = make_predictor(model, preset="fast")
    half = make_predictor(model)
    assert len(fast(IMAGE)) > 0
    assert not np.array_equal(fast(IMAGE).scores, half(IMAGE).scores)


def test_bf16(model):
    found = make_predictor(model, precision="bf16")(IMAGE)
    assert len(found) > 0
    assert found.boxes.dtype == found.scores.dtype == np.float32


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 1000), (1000, 1), (2, 3)])
@pytest.mark.parametrize("options", [{}, {"flip": True}, {"tile": 64}])
def test_images_of_a_pixel_and_slivers(model, size_hw, options):
    predictor = make_predictor(model, score_threshold=0.05, max_detections=3, **options)
    found = predictor(np.full((*size_hw, 3), 90, dtype=np.uint8))
    assert found.size_hw == size_hw
    assert found.masks.dense().shape == (len(found), *size_hw)


@pytest.mark.parametrize("shape", [(600_000, 1, 3), (1, 600_000, 3)])
def test_a_long_sliver_takes_little_memory(model, shape):
    """Widened as it is for the network, it would be 2 GB for these weights and 8 for others."""
    predictor = make_predictor(model, score_threshold=0.05, max_detections=3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    found = predictor(image)
    assert found.size_hw == shape[:2]
    assert (found.boxes[:, 2:] <= (shape[1], shape[0])).all()
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 300_000


def test_flip_of_a_photo_is_the_flip_of_its_result(model):
    predictor = make_predictor(model, flip=True, score_threshold=0.3, max_detections=10_000)
    plain, mirrored = predictor(IMAGE), predictor(np.ascontiguousarray(IMAGE[:, ::-1]))
    assert len(plain) == len(mirrored) > 5
    assert plain.scores.min() > 0.3
    np.testing.assert_allclose(plain.scores, mirrored.scores, atol=1e-5)
    back = mirrored.masks.flipped()
    assert (plain.masks.iou(back).max(axis=1) > 0.9).all()


def test_flip_keeps_what_one_look_alone_would_leave_out(model):
    """The threshold holds for the mean of two scores, not for each."""
    stripes = np.repeat(IMAGE[:, 150:151], 320, axis=1)  # so that both looks agree on much
    options = {"max_detections": 10_000}
    plain = make_predictor(model, score_threshold=0.2, **options)
    joined = join_flipped(plain(stripes), plain(stripes[:, ::-1]))
    found = make_predictor(model, score_threshold=0.4, flip=True, **options)(stripes)
    assert len(found) > 10
    assert_same(found, joined[np.argsort(-joined.scores, kind="stable")][: len(found)])
    assert (joined.scores > 0.4).sum() == len(found)


def test_tile_larger_than_the_photo_is_no_tile(model):
    assert_same(make_predictor(model, tile=320)(IMAGE), make_predictor(model)(IMAGE))


@pytest.mark.parametrize(("flip", "batch_size"), [(False, 1), (True, 1), (False, 3)])
def test_photo_larger_than_a_tile(model, flip, batch_size):
    """Each tile is looked at as a photo of its own; how they are joined, test_merge tells."""
    image = draw_scene(2, SceneConfig(size_hw=(300, 350))).image
    plain = make_predictor(model, max_detections=40, flip=flip, score_threshold=0.3)
    tiled = make_predictor(
        model,
        max_detections=40,
        flip=flip,
        score_threshold=0.3,
        tile=220,
        overlap=0.25,
        batch_size=batch_size,
    )
    windows = tile_windows((300, 350), 220, 0.25)
    assert len(windows) == 4
    joined = join_tiles([plain(image[window]) for window in windows], windows, plain(image))
    best = np.argsort(-joined.scores, kind="stable")  # those of a tile are limited, not all
    assert_same(tiled(image), joined[best], pixels=2 if batch_size > 1 else 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"score_threshold": 1.1}, "score_threshold=1.1 must lie between 0 and 1"),
        ({"score_threshold": float("nan")}, "score_threshold=nan must lie"),
        ({"max_detections": 0}, "max_detections=0 must lie"),
        ({"overlap": 0.95}, "overlap=0.95 must lie between 0 and 0.9"),
        ({"batch_size": 0}, "batch_size=0 must lie"),
        ({"cross_class_nms": -0.1}, "cross_class_nms=-0.1 must lie"),
        ({"tile": 10}, "tile=10 must lie between 64"),
        ({"preset": "slow"}, "preset 'slow' is unknown; use one of default, fast"),
        ({"precision": "fp8"}, "precision='fp8' must be one of auto, fp32, bf16, int8"),
        (
            {"classes": ["cat", "unicorn", "elf"]},
            "classes: these weights have no unicorn, elf; their classes are cat, dog",
        ),
        ({"classes": "Cat"}, "have no Cat; did you mean cat? their classes are cat, dog"),
        ({"classes": ["BG"]}, "have no BG"),
        ({"device": "toaster"}, "device toaster is not available on this machine; use cpu"),
        ({"device": "cuda:77"}, "device cuda:77 is not available"),
        ({"device": ""}, "device "),
        ({"device": "meta"}, "device meta"),
    ],
)
def test_options_that_cannot_be(model, options, words):
    with pytest.raises(InputError) as caught:
        make_predictor(model, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mps", "xla", "cuda"])
def test_devices_that_are_not_here(name):
    have = {"mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    if have.get(name):
        pytest.skip(f"{name} is here")
    with pytest.raises(InputError, match=f"device {name} is not available"):
        choose_device(name)


def test_auto_takes_what_is_here():
    mps = "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else mps)
    assert choose_device("cpu") == torch.device("cpu")
    cpu = torch.device("cpu")
    assert choose_dtype("auto", cpu) in (torch.float32, torch.bfloat16)
    assert choose_dtype("fp32", cpu) == torch.float32
    assert choose_dtype("bf16", cpu) == torch.bfloat16


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), dtype=np.uint8),
        np.zeros((5, 5, 4), dtype=np.uint8),
        np.zeros((5, 5, 3), dtype=np.float32),
        np.zeros((1, 5, 5, 3), dtype=np.uint8),
        torch.zeros(5, 5, 3, dtype=torch.uint8),
        torch.zeros(1, 3, 5, 5),
        torch.zeros(3, 5, 5, dtype=torch.int64),
    ],
    ids=["grey", "alpha", "float array", "batch", "channels last", "batch tensor", "int64"],
)
def test_images_of_another_form(model, image):
    with pytest.raises(ValueError, match=r"image (array|tensor): expected .*, got .*5, 5"):
        make_predictor(model)(image)


def test_files_that_cannot_be_read(model, tmp_path):
    predictor = make_predictor(model)
    (tmp_path / "text.jpg").write_text("no image")
    for name in ("text.jpg", "missing.png"):
        with pytest.raises(InputError, match=name):
            predictor(tmp_path / name)


def test_weights_that_cannot_be_had(tmp_path):
    with pytest.raises(InputError, match="no such weights file"):
        Predictor(tmp_path / "none.safetensors", device="cpu")


def test_an_untrained_network_finds_nothing_above_one_half():
    torch.manual_seed(0)
    found = make_predictor(build_detector(TINY_CARD))(IMAGE)
    assert len(found) == 0
    assert found.class_names == TINY_CARD.class_names


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "image=None must be a path, an array or a tensor"),
        (["a.jpg"], "image=['a.jpg'] must be a path, an array or a tensor"),
        (np.zeros((4, 5)), "image array: expected uint8 (H, W, 3), got float64 (4, 5)"),
        (
            np.zeros((0, 5, 3), np.uint8),
            "image array: expected uint8 (H, W, 3), got uint8 (0, 5, 3)",
        ),
        (torch.zeros(4, 5, 3), "image tensor: expected uint8 or float (3, H, W), got"),
    ],
)
def test_what_is_no_image_is_told_in_one_line(image, message):
    with pytest.raises(InputError) as raised:
        Predictor("demo")(image)
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)


def test_one_path_in_place_of_many_is_told():
    predictor = Predictor("demo")
    for several in (predictor.predict_batch, lambda images: list(predictor.stream(images))):
        with pytest.raises(InputError, match=r"^images='a\.jpg' must be a list of images"):
            several("a.jpg")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 3}, "classes=3 must be text or a list of texts"),
        ({"max_detections": 1.5}, "max_detections=1.5 must be a whole number"),
        ({"tile": "a"}, "tile='a' must be a whole number"),
        ({"weights": 5}, "weights=5 must be text, a path or a Model"),
    ],
)
def test_an_option_of_another_type_is_told(options, message):
    with pytest.raises(InputError) as raised:
        Predictor(**{"weights": "demo", **options})
    assert str(raised.value) == message


def test_a_predictor_that_compiles_can_be_pickled(model):
    predictor = pickle.loads(pickle.dumps(make_predictor(model, compile=True)))
    assert predictor.class_names == model.card.class_names


@pytest.mark.cuda
def test_the_gpu_finds_what_the_cpu_finds(model, gpu):
    images = [IMAGE, IMAGE[:, ::-1].copy(), IMAGE[:200]]
    expected = make_predictor(model, score_threshold=0.5).predict_batch(images)
    found = make_predictor(model, score_threshold=0.5, device=gpu).predict_batch(images)
    for one, other in zip(found, expected, strict=True):
        same = one.class_ids[:, None] == other.class_ids
        near = np.abs(one.scores[:, None] - other.scores) < 1e-3
        again = (same & near & (one.masks.iou(other.masks) > 0.95)).any(axis=1)
        assert again.mean() > 0.95  # one of them may be at a threshold
        assert abs(len(one) - len(other)) <= 1
