"""Losses on data that is not learnt from."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from instseg.core.masks import Masks
from instseg.models.mask_rcnn import fresh_model
from instseg.scenes.scene import SCENE_CLASSES, SceneConfig, draw_scene
from instseg.training.detection import Detection
from instseg.training.samples import to_sample
from instseg.training.validation import validation_losses

NAMES = ("BG", *SCENE_CLASSES)


def make_task(**options):
    torch.manual_seed(0)
    network = fresh_model("compact", NAMES, tuple(range(len(NAMES)))).network
    network.transform.min_size = (64,)
    task = Detection(network=network, **options)
    task.enter_stage("4+")
    return task


def scenes(count, side=64):
    drawn = [draw_scene(i, SceneConfig(seed=3, size_hw=(side, side))) for i in range(count)]
    return [to_sample(scene.image, scene.instances, NAMES) for scene in drawn]


SCENES = scenes(5)


def measure(task, samples=SCENES, network=None, **options):
    options = {"batch_size": 2, **options}
    return validation_losses(task, network or task.network, samples, **options)


def test_every_loss_has_its_mean_and_loss_is_their_sum():
    found = measure(make_task())
    names = {"loss_classifier", "loss_box_reg", "loss_mask", "loss_objectness"}
    assert set(found) == {"loss", *names, "loss_rpn_box_reg"}
    assert found["loss"] == pytest.approx(sum(found.values()) / 2)
    assert all(np.isfinite(value) for value in found.values())


def test_the_same_network_gives_the_same_figures_whatever_chance_did_before():
    task = make_task()
    first = measure(task)
    torch.manual_seed(99)
    assert measure(task) == first
    assert measure(make_task()) == first


def test_every_sample_counts_the_same_in_batches_of_any_size():
    class Brightness:
        network = nn.Linear(1, 1)

        def for_validation(self, network):
            return self

        def losses(self, images, targets):
            return {"brightness": torch.stack([i.float().mean() for i in images]).mean()}

    found = validation_losses(Brightness(), Brightness.network, iter(SCENES), batch_size=2)
    mean = np.mean([image.float().mean() for image, _ in SCENES])
    assert found == pytest.approx({"loss": mean, "brightness": mean})


def test_nothing_is_changed_by_it():
    task = make_task()
    state = copy.deepcopy(task.network.state_dict())
    modes = [module.training for module in task.network.modules()]
    learning = [p.requires_grad for p in task.network.parameters()]
    assert len(set(learning)) == 2
    chance = torch.get_rng_state()
    measure(task)
    assert torch.equal(torch.get_rng_state(), chance)
    assert [module.training for module in task.network.modules()] == modes
    assert [p.requires_grad for p in task.network.parameters()] == learning
    assert all(p.grad is None for p in task.network.parameters())
    for name, values in task.network.state_dict().items():
        assert torch.equal(values, state[name]), name


def test_a_failure_leaves_the_network_in_training_and_chance_as_it_was():
    task = make_task()
    chance = torch.get_rng_state()

    def broken():
        yield SCENES[0]
        raise OSError("photo is gone")

    with pytest.raises(OSError, match="gone"):
        measure(task, broken(), batch_size=1)
    assert task.network.training and task.network.rpn.training
    assert torch.equal(torch.get_rng_state(), chance)


def test_the_average_is_measured_in_place_of_the_network():
    task = make_task()
    average = copy.deepcopy(task.network).eval().requires_grad_(False)
    before = measure(task)
    assert measure(task, network=average) == before
    with torch.no_grad():
        for weights in task.network.parameters():
            weights.mul_(1.1)
    assert measure(task, network=average) == before != measure(task)
    assert task.network is not average and not average.rpn.training


def test_norms_use_what_they_have_learnt():
    task = make_task()
    norm = next(m for m in task.network.modules() if isinstance(m, nn.BatchNorm2d))
    before = measure(task)
    with torch.no_grad():
        norm.running_mean.add_(1.0)
    assert measure(task) != before


def test_photos_of_several_sizes_are_measured_at_the_size_of_inference():
    task = make_task(resize=True)
    transform = task.network.transform
    transform.min_size, transform.max_size = (32, 48, 96), 128
    samples = [*scenes(1), *scenes(1, side=96)]
    found = measure(task, samples)
    transform.min_size = (96,)
    assert measure(task, samples) == found


def test_photos_without_objects_and_crowds_have_losses_too():
    scene = draw_scene(0, SceneConfig(seed=3, size_hw=(64, 64)))
    crowds = Masks.from_dense(np.arange(64) * np.ones((1, 64, 1)) < 40)
    found = measure(make_task(), [to_sample(scene.image, scene.instances[:0], NAMES, crowds)])
    assert np.isfinite(found["loss"]) and found["loss_mask"] == 0


def test_bfloat16_is_close():
    task = make_task()
    assert measure(task, dtype=torch.bfloat16)["loss"] == pytest.approx(
        measure(task)["loss"], rel=0.1
    )


@pytest.mark.cuda
def test_chance_on_the_gpu_stays_as_it_was(gpu):
    if gpu.type != "cuda":
        pytest.skip("only a GPU has a generator of its own")
    task = make_task()
    task.network.cuda()
    chance = torch.cuda.get_rng_state()
    first = measure(task)
    assert torch.equal(torch.cuda.get_rng_state(), chance)
    assert measure(task) == pytest.approx(first, rel=1e-3)
