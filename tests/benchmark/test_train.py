"""Training beside torchvision's loop: both sides train alike."""

import os
import signal

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from instseg.benchmark import train
from instseg.benchmark.train import STEPS, Run, with_torchvision_pools
from instseg.benchmark.train_task import Start, Task
from instseg.core.errors import InputError


def losses_of(side, weights, task, run):
    model = Start(weights=str(weights)).model()
    return list(STEPS[side](model, task.samples(model.card.class_names), run))


@pytest.mark.parametrize(("precision", "at_first"), [("fp32", 1e-4), ("bf16", 0.02)])
def test_our_losses_follow_the_reference(tiny_weights, tmp_path, precision, at_first):
    task = Task(steps=12)
    expected = losses_of("peer", tiny_weights, task, Run(folder=tmp_path))
    losses = losses_of("ours", tiny_weights, task, Run(folder=tmp_path, precision=precision))
    assert losses[:3] == pytest.approx(expected[:3], rel=at_first)
    assert losses == pytest.approx(expected, rel=0.05)  # rounding swaps a proposal in time
    assert losses[-1] < losses[0]


def test_the_first_losses_on_real_photos_are_equal(tiny_weights, tmp_path, coco_dir):
    coco_json = coco_dir / "annotations/instances_val2017.json"
    task = Task(coco_json=coco_json, images=coco_dir / "val2017", steps=2)
    ours, peer = (losses_of(s, tiny_weights, task, Run(folder=tmp_path)) for s in ("ours", "peer"))
    assert ours[0] == pytest.approx(peer[0], rel=1e-5)


def killed(side, *arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_side_that_is_killed_is_one_line(tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "measure_peak", killed)
    with pytest.raises(InputError, match=r"^ours: its process ran out of memory or was killed"):
        train.measure_training(weights=str(tiny_weights), repeats=1, folder=tmp_path)


def test_the_random_numbers_of_the_caller_stay(tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "measure_peak", unmeasured)
    before = torch.random.get_rng_state()
    train.measure_training(weights=str(tiny_weights), repeats=1, folder=tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)


def unmeasured(side, *arguments):
    return 0.0


def test_the_peer_has_torchvisions_own_layers(tiny_weights):
    network = Start(weights=str(tiny_weights)).model().network
    heads = with_torchvision_pools(network).roi_heads
    assert isinstance(heads.box_roi_pool, MultiScaleRoIAlign)
    assert isinstance(heads.mask_roi_pool, MultiScaleRoIAlign)
