"""Training samples."""

import numpy as np
import torch

from instseg.data.augmentation import parse_augmentations
from instseg.data.coco import CocoData
from instseg.data.sampling import Order
from instseg.scenes.scene import SCENE_CLASSES, SceneConfig, draw_scene, write_scenes
from instseg.training.samples import CocoSamples, SceneSamples, to_sample

NAMES = ("BG", *SCENE_CLASSES)


def test_a_sample_is_the_image_and_its_objects():
    scene = draw_scene(0)
    image, target = to_sample(scene.image, scene.instances, NAMES)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), scene.image)
    assert [NAMES[i] for i in target["labels"]] == scene.instances.names
    assert np.array_equal(target["masks"].dense().numpy(), scene.instances.masks.dense())
    assert target["boxes"].dtype == torch.float32


def test_classes_that_the_network_does_not_know_are_left_out():
    scene = draw_scene(0)
    first = scene.instances.names[0]
    _, target = to_sample(scene.image, scene.instances, ("BG", first))
    assert len(target["labels"]) == scene.instances.names.count(first)
    assert len(to_sample(scene.image, scene.instances, ("BG",))[1]["boxes"]) == 0


def test_scenes_grow_and_batches_share_a_size():
    samples = SceneSamples(12, (64, 96, 128), 2, NAMES, seed=1)
    sides = [samples[i][0].shape[-1] for i in range(12)]
    assert samples.batches(0)[:2] == [[0, 1], [2, 3]]
    assert sides == [64] * 4 + [96] * 4 + [128] * 4


def make_samples(folder, steps, epochs=2):
    path = write_scenes(folder, 6, SceneConfig(size_hw=(64, 64)))
    return CocoSamples(
        CocoData.read(path, folder / "images"),
        epochs,
        Order(images=6, batch_size=4, seed=0),
        parse_augmentations(steps),
    )


def test_every_photo_comes_once_an_epoch_in_changing_order(tmp_path):
    samples = make_samples(tmp_path, [])
    batches = [batch for epoch in range(samples.epochs) for batch in samples.batches(epoch)]
    assert sorted(len(batch) for batch in batches) == [2, 2, 4, 4]
    keys = [key for batch in batches for key in batch]
    assert sorted(keys) == [(epoch, row) for epoch in range(2) for row in range(6)]
    assert [row for _, row in keys[:6]] != [row for _, row in keys[6:]]


def test_changes_depend_on_seed_epoch_and_photo_alone(tmp_path):
    samples = make_samples(tmp_path, ["RandomHorizontalFlip", {"ColorJitter": {"brightness": 0.5}}])
    first, again, later = (samples[key][0] for key in [(0, 3), (0, 3), (1, 3)])
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


def test_copies_are_pasted_from_another_photo(tmp_path):
    plain, pasted = make_samples(tmp_path, []), make_samples(tmp_path, [{"CopyPaste": {"p": 1.0}}])
    changed = [
        len(pasted[0, row][1]["labels"]) != len(plain[0, row][1]["labels"]) for row in range(6)
    ]
    assert any(changed)


def test_crowds_are_boxes_beside_the_objects():
    scene = draw_scene(0)
    crowds = scene.instances.masks[:2]
    _, target = to_sample(scene.image, scene.instances[2:], NAMES, crowds)
    assert np.array_equal(target["crowds"].numpy(), crowds.boxes_xyxy())
    assert to_sample(scene.image, scene.instances, NAMES)[1]["crowds"].shape == (0, 4)
