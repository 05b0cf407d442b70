"""Training samples."""

import numpy as np
import torch

from instseg.data.coco import CocoData
from instseg.data.scenes import SCENE_CLASSES, SceneConfig, draw_scene, write_scenes
from instseg.training.samples import CocoSamples, SceneSamples, mirror, to_sample

NAMES = ("BG", *SCENE_CLASSES)


def test_a_sample_is_the_image_and_its_objects():
    scene = draw_scene(0)
    image, target = to_sample(scene.image, scene.instances, NAMES)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), scene.image)
    assert [NAMES[i] for i in target["labels"]] == scene.instances.names
    assert np.array_equal(target["masks"].numpy(), scene.instances.masks.dense())
    assert target["boxes"].dtype == torch.float32


def test_classes_that_the_network_does_not_know_are_left_out():
    scene = draw_scene(0)
    first = scene.instances.names[0]
    _, target = to_sample(scene.image, scene.instances, ("BG", first))
    assert len(target["labels"]) == scene.instances.names.count(first)
    assert len(to_sample(scene.image, scene.instances, ("BG",))[1]["boxes"]) == 0


def test_scenes_grow_and_batches_share_a_size():
    samples = SceneSamples(12, (64, 96, 128), 2, NAMES, seed=1)
    sides = [samples[i][0].shape[-1] for i in range(len(samples))]
    assert sides == [64] * 4 + [96] * 4 + [128] * 4


def test_every_photo_comes_once_an_epoch_in_changing_order(tmp_path):
    path = write_scenes(tmp_path, 6, SceneConfig(size_hw=(64, 64)))
    samples = CocoSamples(CocoData.read(path, tmp_path / "images"), epochs=2, seed=0)
    sums = [int(samples[i][0].long().sum()) for i in range(12)]
    assert sorted(sums[:6]) == sorted(sums[6:])  # mirroring keeps the sum
    assert sums[:6] != sums[6:]
    again = CocoSamples(CocoData.read(path, tmp_path / "images"), epochs=2, seed=0)
    assert torch.equal(again[7][0], samples[7][0])


def test_mirroring_moves_image_masks_and_boxes_alike():
    scene = draw_scene(1)
    image, instances = mirror(scene.image, scene.instances)
    assert np.array_equal(image[:, ::-1], scene.image)
    assert np.array_equal(instances.masks.dense()[:, :, ::-1], scene.instances.masks.dense())
    assert np.allclose(instances.boxes, instances.masks.boxes_xyxy())
