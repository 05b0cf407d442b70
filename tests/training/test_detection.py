"""Mask R-CNN in training, seen from the network that was given."""

import pickle

import pytest
import torch

from instseg.models.mask_rcnn import fresh_model
from instseg.scenes.scene import SCENE_CLASSES, SceneConfig, draw_scene
from instseg.training.detection import Detection
from instseg.training.samples import collate, to_sample

NAMES = ("BG", *SCENE_CLASSES)


@pytest.fixture(scope="module")
def batch():
    drawn = [draw_scene(i, SceneConfig(seed=3, size_hw=(64, 64))) for i in range(2)]
    return collate([to_sample(scene.image, scene.instances, NAMES) for scene in drawn])


def make_network():
    torch.manual_seed(0)
    network = fresh_model("compact", NAMES, tuple(range(len(NAMES)))).network
    network.transform.min_size = (64,)
    return network


def train(network, batch, steps=2):
    """The loss of each step."""
    task = Detection(network, resize=True)
    task.enter_stage("all")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    losses = []
    for step in range(steps):
        torch.manual_seed(step)
        loss = sum(task.losses(*batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_a_network_can_be_trained_again_and_again(batch):
    network = make_network()
    first, second = train(network, batch), train(network, batch)
    assert second[-1] < first[0]
    assert train(make_network(), batch, 2) == first


def test_a_trained_network_can_be_handed_on(batch):
    network = make_network()
    kinds = [type(module) for module in network.modules()]
    names = list(network.state_dict())
    train(network, batch)
    other = pickle.loads(pickle.dumps(network))
    for each in (network, other):
        assert [type(module) for module in each.modules()] == kinds
        assert list(each.state_dict()) == names
    assert train(other, batch) == train(network, batch)


def test_validation_measures_another_network_at_the_size_of_inference(batch):
    task = Detection(make_network(), frozen_norms=True)
    other = make_network()
    measured = task.for_validation(other)
    assert (measured.network, measured.resize, measured.frozen_norms) == (other, True, True)
    assert not task.resize
