"""Training beside torchvision's loop: both sides train alike."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from instseg.benchmark import train
from instseg.benchmark.train import STEPS, Run, Start, Task, with_torchvision_pools
from instseg.core.errors import ArgumentError, InputError
from instseg.files.image import write_image
from instseg.models.mask_rcnn import build, coco_card


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


def test_photos_have_objects_of_the_model(tmp_path):
    """One photo has nothing, one another class, one a crowd."""
    for number in range(1, 5):
        write_image(tmp_path / f"{number}.png", np.zeros((20, 20, 3), np.uint8))
    outline = {"segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]], "bbox": [1, 1, 8, 8], "area": 64}
    kinds = ((2, 47, 0), (3, 17, 1), (4, 17, 0))  # photo, category, crowd
    document = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": 20, "width": 20} for i in range(1, 5)
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 47, "name": "cup"}],
        "annotations": [
            {"id": i, "image_id": image, "category_id": category, "iscrowd": crowd, **outline}
            for i, (image, category, crowd) in enumerate(kinds, start=1)
        ],
    }
    path = tmp_path / "some.json"
    path.write_text(json.dumps(document))
    task = Task(coco_json=path, images=tmp_path, steps=1)
    targets = [target for _, target in task.samples(("BG", "dog", "cat")).samples]
    assert [target["labels"].tolist() for target in targets] == [[2]]
    with pytest.raises(InputError, match=r"some.json: has no objects of the model's classes"):
        task.samples(("BG", "dog"))


def test_a_pth_file_needs_its_architecture(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(build(coco_card("compact")).network.state_dict(), path)
    assert Start(weights=str(path), architecture="compact").model().card.architecture == "compact"
    with pytest.raises(InputError, match="architecture"):
        Start(weights=str(path)).model()


def test_the_peer_has_torchvisions_own_layers(tiny_weights):
    network = Start(weights=str(tiny_weights)).model().network
    heads = with_torchvision_pools(network).roi_heads
    assert isinstance(heads.box_roi_pool, MultiScaleRoIAlign)
    assert isinstance(heads.mask_roi_pool, MultiScaleRoIAlign)


def test_what_cannot_be_trained():
    with pytest.raises(ArgumentError, match="batch_size must be at least 1"):
        Task(batch_size=0, steps=1)
    with pytest.raises(ArgumentError, match="coco_json needs images"):
        Task(coco_json="train.json", steps=1)
